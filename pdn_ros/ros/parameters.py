"""Parameters of the nodes: one definition gives names, defaults, descriptions, ranges and checks.

A configuration is a pydantic model; a field `free_threshold` of its part `grid` is the ROS
parameter `grid.free_threshold`. Fields that are no `live()` can change only before the node is
configured; the refusal says so.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Literal, Self, TypeVar, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.exceptions import InvalidParameterTypeException, ParameterException
from rclpy.node import Node
from rclpy.parameter import Parameter

from pdn_ros.errors import InputError
from pdn_ros.geometry.grid import GridConfig

Config = TypeVar("Config", bound=BaseModel)


class Part(BaseModel):
    """Base of all configurations: immutable, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def live(default: Any, description: str, **limits: Any) -> Any:
    """Define a parameter that can change while the node runs."""
    return Field(default, description=description, json_schema_extra={"live": True}, **limits)


def fixed(default: Any, description: str, **limits: Any) -> Any:
    """Define a parameter that can change only while the node is unconfigured."""
    return Field(default, description=description, **limits)


class LidarPart(Part):
    """How LiDAR steers the patches and measures the grid."""

    weight: float = live(0.5, "Share of the LiDAR prior in a patch's score.", ge=0.0, le=1.0)
    max_age_ms: float = live(
        200.0, "A prior or depth image counts while its stamp is this near the image's.",
        ge=0.0, le=10_000.0,
    )  # fmt: skip


class GridPart(Part):
    """The occupancy grid."""

    frame: str = fixed("odom", "Frame of the grid; base_frame where TF knows none.", min_length=1)
    size_m: tuple[float, float] = fixed((50.0, 50.0), "Extent in x and y, metres.")
    resolution: float = fixed(0.1, "Side of a cell, metres.", ge=0.02, le=2.0)
    max_range: float = live(40.0, "Evidence ends at this range, metres.", ge=1.0, le=200.0)
    decay_s: float = live(
        5.0, "After so long unseen every cell is unknown again, seconds.", ge=0.1, le=3600.0
    )
    free_threshold: int = live(25, "Cells up to this probability, %, are free.", ge=0, le=49)
    occupied_threshold: int = live(65, "Cells from this one, %, are occupied.", ge=51, le=100)
    rate: float = live(10.0, "Most grids published per second; 0: every image.", ge=0.0, le=100.0)

    def geometry(self) -> GridConfig:
        """Return the grid's own configuration; ValueError when the numbers do not go together."""
        return GridConfig(
            size_m=self.size_m,
            resolution=self.resolution,
            max_range=self.max_range,
            decay_s=self.decay_s,
            free_threshold=self.free_threshold,
            occupied_threshold=self.occupied_threshold,
        )

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        self.geometry()
        return self


class CostmapPart(Part):
    """What nav2's semantic segmentation layer reads."""

    width: int = live(400, "Width of the costmap outputs, pixels.", ge=16, le=4096)


class PerceptionConfig(Part):
    """Parameters of the perception node."""

    weights: str = fixed("", "Path of a .safetensors file; empty: the weights that ship.")
    classes: str = fixed("", "Class file (.yaml) or its name; empty: the one of the weights.")
    device: Literal["auto", "cpu", "cuda"] = fixed("auto", "Where the network runs.")
    backend: Literal["auto", "torch", "openvino", "onnxruntime", "tensorrt"] = fixed(
        "auto", "What runs the network; auto: the fastest that is installed."
    )
    mode: Literal["patch", "context", "dense"] = live("patch", "How much of the image is refined.")
    budget: int = live(0, "Patches refined per image, K; 0: 25 % of them.", ge=0, le=100_000)
    threshold: float = live(
        0.0, "Refine only patches of at least this score; 0: always K.", ge=0.0, le=1.0
    )
    deadline_ms: float = live(
        0.0, "K shrinks so that an image takes no longer than this; 0: off.", ge=0.0, le=10_000.0
    )
    image_transport: Literal["raw", "compressed"] = fixed(
        "raw", "raw: Image on `image`; compressed: CompressedImage on `image/compressed`."
    )
    image_qos: Literal["sensor_data", "reliable"] = fixed(
        "sensor_data", "Reliability of the image subscription; sensor_data is best effort."
    )
    base_frame: str = fixed("base_link", "Frame of the robot (REP 105).", min_length=1)
    lidar: LidarPart = LidarPart()
    grid: GridPart = GridPart()
    costmap: CostmapPart = CostmapPart()
    mask_encoding: Literal["raw", "rle"] = live(
        "raw", "raw: mono8 pixels; rle: the run-length code that Autoware's fusion reads."
    )
    lazy: bool = live(False, "Take images only while an output has a subscriber.")
    autostart: bool = fixed(True, "Configure and activate at start.")


class LidarProjectionConfig(Part):
    """Parameters of the lidar_projection node."""

    patch_size: int = fixed(128, "Side of the network's patches, pixels.", ge=16, le=1024)
    base_frame: str = fixed("base_link", "Frame of the robot (REP 105).", min_length=1)
    fixed_frame: str = fixed("odom", "Frame by which scans are moved to the image's time.")
    camera_time_offset_ms: float = live(
        0.0, "Images are taken so much later than their stamps say, milliseconds.",
        ge=-1000.0, le=1000.0,
    )  # fmt: skip
    points_qos: Literal["sensor_data", "reliable"] = fixed(
        "sensor_data", "Reliability of the cloud subscription; sensor_data is best effort."
    )
    lazy: bool = live(False, "Take clouds only while an output has a subscriber.")
    autostart: bool = fixed(True, "Configure and activate at start.")


def flatten(config: BaseModel) -> dict[str, tuple[FieldInfo, Any]]:
    """Return every parameter of a configuration: dotted name -> its field and value."""
    names: dict[str, tuple[FieldInfo, Any]] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            names.update({f"{name}.{inner}": item for inner, item in flatten(value).items()})
        else:
            names[name] = (field, value)
    return names


def build(kind: type[Config], values: Mapping[str, Any]) -> Config:
    """Build a configuration from dotted names; InputError with one line when one is wrong."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *parts, last = name.split(".")
        level = nested
        for part in parts:
            level = level.setdefault(part, {})
        level[last] = value
    try:
        return kind.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"parameter {name} = {first['input']!r}: {first['msg']}") from error


def descriptor(field: FieldInfo) -> ParameterDescriptor:
    """Describe a parameter: what it means, its range or choices, and when it can change."""
    result = ParameterDescriptor(description=field.description or "")
    if get_origin(field.annotation) is Literal:
        result.additional_constraints = "one of: " + ", ".join(get_args(field.annotation))
    low: Any = next((m.ge for m in field.metadata if isinstance(m, annotated_types.Ge)), None)
    high: Any = next((m.le for m in field.metadata if isinstance(m, annotated_types.Le)), None)
    if low is not None and high is not None:
        if field.annotation is int:
            result.integer_range = [IntegerRange(from_value=low, to_value=high, step=0)]
        else:
            result.floating_point_range = [
                FloatingPointRange(from_value=1.0 * low, to_value=1.0 * high, step=0.0)
            ]
    if not is_live(field):
        result.description += " Changes only while the node is unconfigured."
    return result


def is_live(field: FieldInfo) -> bool:
    """Say whether the parameter can change while the node runs."""
    return isinstance(field.json_schema_extra, dict) and bool(field.json_schema_extra.get("live"))


class Parameters(Generic[Config]):
    """Declares the parameters of a configuration on a node and keeps it up to date.

    Args:
        node: The node.
        kind: Its configuration.
        frozen: Says whether parameters that are not live are refused now.
        changed: Called with the new configuration after live parameters changed.
    """

    def __init__(
        self,
        node: Node,
        kind: type[Config],
        *,
        frozen: Callable[[], bool],
        changed: Callable[[Config], None],
    ) -> None:
        self._kind = kind
        self._fields = flatten(kind())
        self._frozen = frozen
        self._changed = changed
        self._values = {name: _plain(value) for name, (_, value) in self._fields.items()}
        self._errors: dict[str, str] = {}
        for name in self._fields:
            self._declare(node, name)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def config(self) -> Config:
        """Return the configuration; InputError with one line while a parameter is wrong."""
        if self._errors:
            raise InputError(next(iter(self._errors.values())))
        return build(self._kind, self._values)

    def _declare(self, node: Node, name: str) -> None:
        field, default = self._fields[name]
        describe = descriptor(field)
        try:
            parameter = node.declare_parameter(name, _plain(default), describe)
        except ParameterException as error:
            parameter = node.declare_parameter(
                name, _plain(default), describe, ignore_override=True
            )
            given = node._parameter_overrides[name].value
            if isinstance(error, InvalidParameterTypeException) and _is_whole(field, given):
                node.set_parameters([Parameter(name, value=float(given))])
                parameter = node.get_parameter(name)
            else:
                self._errors[name] = f"parameter {name} = {given!r}: {_reason(describe, default)}"
        self._values[name] = parameter.value
        try:
            build(self._kind, {name: parameter.value})
        except InputError as error:
            self._errors[name] = str(error)

    def _check(self, changes: Sequence[Parameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in changes if p.name in self._fields}
        if self._frozen():
            for name in ours:
                if not is_live(self._fields[name][0]):
                    reason = f"{name} changes only while the node is unconfigured (cleanup first)"
                    return SetParametersResult(successful=False, reason=reason)
        good = {name: v for name, v in self._values.items() if name not in self._errors}
        try:
            build(self._kind, good | ours)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, changes: Sequence[Parameter]) -> None:
        ours = {p.name: p.value for p in changes if p.name in self._fields}
        self._values.update(ours)
        for name in ours:
            self._errors.pop(name, None)
        if ours and not self._errors:
            self._changed(self.config())


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _is_whole(field: FieldInfo, value: Any) -> bool:
    return field.annotation is float and type(value) is int


def _reason(describe: ParameterDescriptor, default: Any) -> str:
    kind = type(_plain(default)).__name__
    for limits in (*describe.integer_range, *describe.floating_point_range):
        return f"give one {kind} from {limits.from_value} to {limits.to_value}"
    return f"give a {kind} like {default!r}"

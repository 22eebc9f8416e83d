"""The configuration of perception, shared by node, command line and replay."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, field_validator

from pdn_ros.config import Config, fixed, live
from pdn_ros.geometry.grid_config import GridConfig

Mode = Literal["patch", "context", "dense"]
Backend = Literal["auto", "torch", "openvino", "onnxruntime", "tensorrt"]
Precision = Literal["auto", "float32", "bfloat16", "int8"]


_TOKEN: Final = re.compile(r"[A-Za-z](_?[A-Za-z0-9])*_?")
"""A name within a ROS topic; ROS allows no two underscores in a row."""


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    names = tuple(name for name in names if name)
    for name in names:
        if not _TOKEN.fullmatch(name):
            raise ValueError(
                f"{name!r} cannot be part of a topic: give letters, digits and single underscores"
            )
    if len(set(names)) < len(names):
        raise ValueError(f"{', '.join(names)}: each camera needs a name of its own")
    return names


CameraNames = Annotated[tuple[str, ...], AfterValidator(_names)]
"""Names of a rig's cameras; none is a single camera without a name."""


def camera_topic(camera: str, name: str) -> str:
    """Return the name of a camera's topic: in a rig, behind the camera's own name."""
    return f"{camera}/{name}" if camera else name


class LidarConfig(Config):
    """How LiDAR steers the patches and measures the grid."""

    weight: float = live(0.5, "Share of the LiDAR prior in a patch's score.", ge=0.0, le=1.0)
    max_age_ms: float = live(
        200.0,
        "Largest difference between the stamps of image and prior or depth, milliseconds.",
        ge=0.0,
        le=10_000.0,
    )
    wait_ms: float = live(
        0.0,
        "Time to wait for the prior of the image's own scan, milliseconds; 0: take the newest.",
        ge=0.0,
        le=1000.0,
    )


class GridParameters(GridConfig):
    """The occupancy grid, its frame and how often it is published."""

    frame: str = fixed("odom", "Frame of the grid; base_frame if TF lacks it.", min_length=1)
    rate: float = live(10.0, "Largest rate of grids, Hz; 0: one for every image.", ge=0.0, le=100.0)


class CostmapConfig(Config):
    """The outputs for nav2's semantic segmentation layer."""

    width: int = live(400, "Width of the costmap outputs, pixels.", ge=16, le=4096)
    max_height: float = live(
        2.2, "Obstacles higher above the ground get no point, meters.", ge=0.1, le=100.0
    )


class HealthConfig(Config):
    """When the diagnostics warn."""

    min_rate: float = live(
        0.0, "Warn if fewer masks than this are made per second; 0: off.", ge=0.0, le=1000.0
    )
    max_age_ms: float = live(
        0.0, "Warn if masks are older than this when published; 0: off.", ge=0.0, le=60_000.0
    )


class RigConfig(Config):
    """How the cameras of a rig share the budget."""

    floor: float = live(
        0.5, "Part of an equal share of the budget that a camera gets at least; 1: equal shares.",
        ge=0.0, le=1.0,
    )  # fmt: skip
    speed_weight: float = live(
        0.5, "How much more patches count in the direction of travel, at full speed; 0: off.",
        ge=0.0, le=10.0,
    )  # fmt: skip


class PipelineConfig(Config):
    """How an image, or a set of a rig's images, is segmented."""

    weights: str = fixed("", "Path of a .safetensors file; empty: the shipped weights.")
    classes: str = fixed("", "Class file (.yaml) or its name; empty: that of the weights.")
    device: Literal["auto", "cpu", "cuda"] = fixed("auto", "Where the network runs.")
    backend: Backend = fixed("auto", "What runs the network; auto: the fastest that works here.")
    precision: Precision = fixed(
        "auto", "Number format of the network; auto: the fastest that keeps the labels."
    )
    mode: Mode = live("patch", "How much of the image is refined.")
    budget: int = live(
        0, "Patches refined per image, or per set of a rig's images (K); 0: a quarter of them.",
        ge=0, le=100_000,
    )  # fmt: skip
    threshold: float = live(
        0.0, "Refine only patches of at least this score; 0: always K.", ge=0.0, le=1.0
    )
    deadline_ms: float = live(
        0.0, "K shrinks so that an image, or a set, takes no longer than this; 0: off.",
        ge=0.0, le=10_000.0,
    )  # fmt: skip
    lidar: LidarConfig = LidarConfig()
    rig: RigConfig = RigConfig()


class PerceptionConfig(PipelineConfig):
    """The perception node: segmentation, occupancy grid, inputs and outputs."""

    cameras: CameraNames = fixed(
        (), "Names of a rig's cameras, which go in front of their topics; empty: a single camera."
    )
    sync_ms: float = live(
        50.0, "An image waits this long for those of the rig's other cameras, milliseconds.",
        ge=0.0, le=1000.0,
    )  # fmt: skip
    image_transport: Literal["raw", "compressed"] = fixed(
        "raw", "raw: Image on `image`; compressed: CompressedImage on `image/compressed`."
    )
    image_qos: Literal["sensor_data", "reliable"] = fixed(
        "sensor_data", "Reliability of the image subscription; sensor_data is best effort."
    )
    max_pixels: int = live(
        50_000_000, "Larger images are refused before they are decoded.", ge=1024, le=2**31 - 1
    )
    warm_up: tuple[str, ...] = fixed(
        (), "Image sizes (WxH) whose models are built while the node is configured."
    )
    base_frame: str = fixed("base_link", "Frame of the robot (REP 105).", min_length=1)
    transform_tolerance: float = live(
        0.5, "The grid waits this long for a late transform, seconds; masks never wait.",
        ge=0.0, le=5.0,
    )  # fmt: skip
    grid: GridParameters = GridParameters()
    costmap: CostmapConfig = CostmapConfig()
    health: HealthConfig = HealthConfig()
    mask_encoding: Literal["raw", "rle"] = live(
        "raw", "raw: mono8 pixels; rle: the run-length code that Autoware's fusion reads."
    )
    lazy: bool = live(False, "Take images only while an output has a subscriber.")
    autostart: bool = fixed(True, "Configure and activate at start.")

    @field_validator("warm_up")
    @classmethod
    def _sizes(cls, sizes: tuple[str, ...]) -> tuple[str, ...]:
        for size in sizes:
            width, _, height = size.partition("x")
            if size and not (width.isdecimal() and height.isdecimal()):
                raise ValueError(f"{size!r} is not an image size: give width x height, 1280x720")
        return tuple(size for size in sizes if size)


class LidarProjectionConfig(Config):
    """The LiDAR projection node."""

    cameras: CameraNames = fixed(
        (), "Names of a rig's cameras, which go in front of their topics; empty: a single camera."
    )
    patch_size: int = fixed(128, "Side of the network's patches, pixels.", ge=16, le=1024)
    base_frame: str = fixed("base_link", "Frame of the robot (REP 105).", min_length=1)
    fixed_frame: str = fixed("odom", "Fixed frame for moving scans to the image's time.")
    camera_time_offset_ms: float = live(
        0.0, "How much later images are taken than stamped, milliseconds.",
        ge=-1000.0, le=1000.0,
    )  # fmt: skip
    transform_tolerance: float = live(
        0.1, "A scan waits this long for a late transform, seconds.", ge=0.0, le=5.0
    )
    points_qos: Literal["sensor_data", "reliable"] = fixed(
        "sensor_data", "Reliability of the cloud subscription; sensor_data is best effort."
    )
    lazy: bool = live(False, "Take clouds only while an output has a subscriber.")
    autostart: bool = fixed(True, "Configure and activate at start.")

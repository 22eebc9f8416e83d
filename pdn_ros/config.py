"""Configuration: pydantic models whose fields are ROS parameters, options and YAML keys.

A field `free_threshold` of the group `grid` is the parameter `grid.free_threshold`. Each field
carries its description, its range or choices, and whether it may change while a node runs. The
nodes, the command line, the files under `config/` and docs/parameters.md all take them from here.
"""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin

import annotated_types
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.fields import FieldInfo

from pdn_ros.errors import InputError


class Config(BaseModel):
    """Base of all configurations: immutable, no unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")


AnyConfig = TypeVar("AnyConfig", bound=Config)


def live(default: Any, description: str, **limits: Any) -> Any:
    """Define a field that may change while a node runs."""
    return Field(default, description=description, json_schema_extra={"live": True}, **limits)


def fixed(default: Any, description: str, **limits: Any) -> Any:
    """Define a field that may change only while a node is unconfigured."""
    return Field(default, description=description, **limits)


class Parameter(NamedTuple):
    """One value of a configuration: its dotted name, its definition and its default."""

    name: str
    field: FieldInfo
    value: Any

    @property
    def description(self) -> str:
        """What the value means."""
        return self.field.description or ""

    @property
    def is_live(self) -> bool:
        """Whether it may change while a node runs."""
        extra = self.field.json_schema_extra
        return isinstance(extra, dict) and bool(extra.get("live"))

    @property
    def choices(self) -> tuple[str, ...]:
        """The allowed words; empty if it is not a choice."""
        kind = self.field.annotation
        return get_args(kind) if get_origin(kind) is Literal else ()

    @property
    def range(self) -> tuple[Any, Any] | None:
        """Smallest and largest allowed number; None if it has no range."""
        limits = self.field.metadata
        low: Any = next((m.ge for m in limits if isinstance(m, annotated_types.Ge)), None)
        high: Any = next((m.le for m in limits if isinstance(m, annotated_types.Le)), None)
        return None if low is None or high is None else (low, high)

    @property
    def plain(self) -> Any:
        """The value for YAML and ROS: a tuple becomes a list, an empty one `[""]`.

        ROS cannot tell the type of an empty list.
        """
        return (list(self.value) or [""]) if isinstance(self.value, tuple) else self.value


def flatten(config: BaseModel, prefix: str = "") -> dict[str, Parameter]:
    """Return all values of a configuration by dotted name."""
    found: dict[str, Parameter] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, BaseModel):
            found |= flatten(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = Parameter(prefix + name, field, value)
    return found


def build(kind: type[AnyConfig], values: Mapping[str, Any]) -> AnyConfig:
    """Build a configuration from dotted names.

    Raises:
        InputError: A name is unknown or a value does not fit.
    """
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        group = nested
        for key in groups:
            group = group.setdefault(key, {})
            if not isinstance(group, dict):
                raise InputError(f"parameter {name!r}: {key!r} has a value, so it is not a group")
        group[last] = value
    try:
        return kind.model_validate(nested)
    except ValidationError as error:
        first = error.errors()[0]
        name = repr(".".join(str(key) for key in first["loc"]))[1:-1]  # a name may hold anything
        raise InputError(f"parameter {name} = {first['input']!r}: {first['msg']}") from error


def from_ros_yaml(kind: type[AnyConfig], document: Any, source: str) -> AnyConfig:
    """Read a ROS parameter file's content; unnamed parameters keep their defaults.

    Args:
        kind: The configuration.
        document: The parsed YAML: `{NODE: {ros__parameters: {...}}}`, NODE a name or `/**`.
        source: Name of the file, for the error.

    Raises:
        InputError: The document is not a parameter file for one node, or a value does not fit.
    """
    try:
        (node,) = document.values()
        tree = node["ros__parameters"]
        values = _dotted(tree)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{source}: no ROS parameter file of one node") from error
    values.pop("use_sim_time", None)
    return build(kind, values)


def to_ros_yaml(kind: type[Config], title: str) -> str:
    """Write the defaults of a configuration as a ROS parameter file, with descriptions."""
    lines = [
        f"# {title}; the values are the defaults.",
        "# Made by support/parameters.py from pdn_ros/perception/config.py: do not edit.",
        "# live: may change while the node runs (ros2 param set).",
        "# The others change only while it is unconfigured.",
        "/**:",
        "  ros__parameters:",
    ]
    group = ""
    for name, parameter in flatten(kind()).items():
        *groups, last = name.split(".")
        if ".".join(groups) != group:
            group = ".".join(groups)
            if group:
                lines.append(f"    {group}:")
        indent = "    " + "  " * len(groups)
        entry = f"{indent}{last}: {yaml_text(parameter.plain)}"
        lines.append(f"{entry:<34} # {_comment(parameter)}")
    return "\n".join(lines) + "\n"


def to_markdown(kind: type[Config]) -> str:
    """Write the configuration as a Markdown table."""
    rows = ["| parameter | default | | |", "| --- | --- | --- | --- |"]
    for parameter in flatten(kind()).values():
        limits = ", ".join(parameter.choices) or (
            "{} to {}".format(*parameter.range) if parameter.range else ""
        )
        live_mark = "live" if parameter.is_live else ""
        description = parameter.description.replace("|", "\\|")
        rows.append(
            f"| `{parameter.name}` | `{yaml_text(parameter.plain)}` | {description} "
            f"{f'({limits})' if limits else ''} | {live_mark} |"
        )
    return "\n".join(rows) + "\n"


def _dotted(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            values |= _dotted(value, f"{prefix}{name}.")
        else:
            values[prefix + name] = value
    return values


def _comment(parameter: Parameter) -> str:
    mark = "live: " if parameter.is_live else ""
    choices = f" ({', '.join(parameter.choices)})" if parameter.choices else ""
    return f"{mark}{parameter.description.rstrip('.')}{choices}"


def yaml_text(value: Any) -> str:
    """Write a plain value as one line of YAML, for parameter files and command lines."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(yaml_text(item) for item in value)}]"
    if isinstance(value, str):
        return value if value and value.replace("_", "").isalnum() else f'"{value}"'
    return repr(value)

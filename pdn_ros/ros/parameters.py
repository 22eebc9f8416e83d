"""ROS parameters of a configuration: declared with description and range, kept up to date."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any, Generic

from rcl_interfaces.msg import (
    FloatingPointRange,
    IntegerRange,
    ParameterDescriptor,
    SetParametersResult,
)
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from pdn_ros.config import AnyConfig, Parameter, build, flatten
from pdn_ros.errors import InputError


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Describe a parameter: what it means, its range or choices, and when it may change."""
    result = ParameterDescriptor(description=parameter.description)
    if parameter.choices:
        result.additional_constraints = "one of: " + ", ".join(parameter.choices)
    if parameter.range is not None:
        low, high = parameter.range
        if isinstance(parameter.value, int):
            result.integer_range = [IntegerRange(from_value=low, to_value=high, step=0)]
        else:
            result.floating_point_range = [
                FloatingPointRange(from_value=1.0 * low, to_value=1.0 * high, step=0.0)
            ]
    if not parameter.is_live:
        result.description += " Changes only while the node is unconfigured."
    return result


class Parameters(Generic[AnyConfig]):
    """Declares the parameters of a configuration on a node and keeps it up to date.

    Args:
        node: The node.
        kind: Its configuration.
        frozen: Returns whether parameters that are not live are refused now.
        changed: Called with the new configuration after live parameters changed.
    """

    def __init__(
        self,
        node: Node,
        kind: type[AnyConfig],
        *,
        frozen: Callable[[], bool],
        changed: Callable[[AnyConfig], None],
    ) -> None:
        self._kind = kind
        self._known = flatten(kind())
        self._frozen = frozen
        self._changed = changed
        self._values = {name: parameter.plain for name, parameter in self._known.items()}
        self._errors: dict[str, str] = {}
        for parameter in self._known.values():
            self._declare(node, parameter)
        self._warn_of_unknown(node)
        node.add_on_set_parameters_callback(self._check)
        node.add_post_set_parameters_callback(self._apply)

    def config(self) -> AnyConfig:
        """Return the configuration; raises InputError while a parameter is wrong."""
        if self._errors:
            raise InputError(next(iter(self._errors.values())))
        return build(self._kind, self._values)

    def _declare(self, node: Node, parameter: Parameter) -> None:
        name, default, describe = parameter.name, parameter.plain, descriptor(parameter)
        given = _override(node, name, default)
        # A whole number is a number: YAML writes 10 for 10.0.
        value = float(given) if isinstance(default, float) and type(given) is int else given
        fits = type(value) is type(default)
        try:
            build(self._kind, {name: value})
        except InputError as error:
            fits = False
            self._errors[name] = str(error)
        if not fits and (parameter.range or type(value) is not type(default)):
            self._errors[name] = f"parameter {name} = {given!r}: {_expected(describe, default)}"
        self._values[name] = value if fits else default
        node.declare_parameter(name, self._values[name], describe, ignore_override=True)

    def _warn_of_unknown(self, node: Node) -> None:
        """Warn of unknown parameters from the command line and its files, as ROS does not."""
        for name in sorted(node._parameter_overrides):
            if not node.has_parameter(name) and not name.startswith("qos_overrides."):
                (nearest,) = get_close_matches(name, self._known, n=1, cutoff=0.0)
                node.get_logger().warning(
                    f"parameter {name} is not known and has no effect; the nearest is {nearest}"
                )

    def _check(self, changes: Sequence[RosParameter]) -> SetParametersResult:
        ours = {p.name: p.value for p in changes if p.name in self._known}
        if self._frozen():
            for name in ours:
                if not self._known[name].is_live:
                    reason = f"{name} changes only while the node is unconfigured (cleanup first)"
                    return SetParametersResult(successful=False, reason=reason)
        good = {name: value for name, value in self._values.items() if name not in self._errors}
        try:
            build(self._kind, good | ours)
        except InputError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, changes: Sequence[RosParameter]) -> None:
        ours = {p.name: p.value for p in changes if p.name in self._known}
        self._values.update(ours)
        for name in ours:
            self._errors.pop(name, None)
        if ours and not self._errors:
            self._changed(self.config())


def _override(node: Node, name: str, default: Any) -> Any:
    """Return a parameter's value from command line or parameter file, of any type."""
    dynamic = ParameterDescriptor(dynamic_typing=True)
    given = node.declare_parameter(name, default, dynamic).value
    node.undeclare_parameter(name)
    return list(given) if isinstance(default, list) and not isinstance(given, str) else given


def _expected(describe: ParameterDescriptor, default: Any) -> str:
    kind = type(default).__name__
    for limits in (*describe.integer_range, *describe.floating_point_range):
        return f"give one {kind} from {limits.from_value} to {limits.to_value}"
    return f"give a {kind} like {default!r}"

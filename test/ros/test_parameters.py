"""Parameters of the nodes as ROS sees them; what they mean is tested without ROS."""

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from pdn_ros.config import flatten  # noqa: E402
from pdn_ros.perception.config import LidarProjectionConfig, PerceptionConfig  # noqa: E402
from pdn_ros.ros.parameters import descriptor  # noqa: E402


@pytest.mark.parametrize("kind", [PerceptionConfig, LidarProjectionConfig])
def test_every_parameter_is_described(kind):
    for name, parameter in flatten(kind()).items():
        described = descriptor(parameter)
        assert described.description, name
        if isinstance(parameter.value, float):
            assert described.floating_point_range, name
        if type(parameter.value) is int:
            assert described.integer_range, name
        assert parameter.is_live != ("unconfigured" in described.description), name


def test_ranges_and_choices():
    parameters = flatten(PerceptionConfig())
    weight = descriptor(parameters["lidar.weight"]).floating_point_range[0]
    assert (weight.from_value, weight.to_value) == (0.0, 1.0)
    mode = descriptor(parameters["mode"])
    assert mode.additional_constraints == "one of: patch, context, dense"

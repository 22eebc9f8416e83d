"""Where the robot goes, and which camera looks there."""

import numpy as np
import pytest

from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.travel import importance, velocity

SECOND = 1_000_000_000
CONFIG = PerceptionConfig()


def driving(speed: float, yaw: float, until_s: float = 10.0) -> TransformBuffer:
    """Odometry of a robot that looks along `yaw` and drives so fast along x of its odometry."""
    transforms = TransformBuffer()
    for at in np.arange(9.0, until_s + 0.05, 0.1):
        pose = np.eye(4)
        c, s = np.cos(yaw), np.sin(yaw)
        pose[:2, :2], pose[0, 3] = [[c, -s], [s, c]], speed * at
        transforms.set("odom", "base_link", round(at * SECOND), pose)
    return transforms


@pytest.mark.parametrize("stamp_s", [9.7, 10.0, 10.4])
def test_speed_is_that_of_the_latest_odometry_in_the_robot_s_frame(stamp_s):
    turned = driving(4.0, np.pi / 2)  # along x of odom, which is to the robot's right
    found = velocity(turned, CONFIG, round(stamp_s * SECOND))
    np.testing.assert_allclose(found, [0.0, -4.0], atol=1e-6)


def test_old_or_missing_odometry_is_no_speed():
    assert not velocity(driving(4.0, 0.0), CONFIG, 12 * SECOND).any()
    assert not velocity(TransformBuffer(), CONFIG, SECOND).any()


def test_the_camera_that_looks_where_the_robot_goes_counts_more():
    front, left, rear = np.array([1.0, 0, 0]), np.array([0, 1.0, 0]), np.array([-1.0, 0, 0])
    ahead = np.array([3.0, 0.0])
    assert importance(front, ahead, 0.5) == pytest.approx(1 + 0.5 * 3 / 4)
    assert [importance(axis, ahead, 0.5) for axis in (left, rear)] == [1.0, 1.0]
    assert importance(rear, -ahead, 0.5) == importance(front, ahead, 0.5)
    assert importance(front, np.zeros(2), 0.5) == importance(front, ahead, 0.0) == 1.0

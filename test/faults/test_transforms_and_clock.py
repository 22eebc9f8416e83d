"""Faults of TF and of the clock: the grid is what depends on them; masks go on."""

import time

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from perception_drive import moving, stamp_of  # noqa: E402
from processes import wait_for  # noqa: E402
from rosgraph_msgs.msg import Clock  # noqa: E402
from sensors import OK, WARN  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402


def grids_in(robot, frame: str) -> None:
    """Wait for a new grid that stands in a frame."""
    got = robot.probe.got["/perception/occupancy"]
    start = len(got)
    wait_for(
        lambda: [g for g in got[start:] if g.header.frame_id == frame], 30, f"a grid in {frame}"
    )


def test_no_odometry_and_then_there_is(robot):
    # Comes first: what TF has said once is known.
    with robot.fault(tf=None):
        robot.says(WARN, "the grid stands in base_link: TF has no odom")
        grids_in(robot, "base_link")
    robot.well()
    grids_in(robot, "odom")


def test_odometry_lost_and_back(robot):
    robot.well()
    with robot.fault(tf=None):
        robot.says(WARN, "transform odom <- base_link: nothing at")
        robot.masks(3)
    robot.well()
    grids_in(robot, "odom")


def test_one_wrong_transform(robot):
    robot.well()
    wrong = TFMessage(transforms=[moving("base_link", "odom", time.time_ns(), x=5.0)])
    robot.drive.tf.publish(wrong)
    robot.masks(10)
    robot.well()
    grids_in(robot, "odom")


def test_damaged_transforms_are_said(robot):
    robot.well()
    with robot.fault(bad=lambda _: robot.drive.tf.publish(b"\0\1\0\0\xff\xff\xff\xff")):
        robot.says(WARN, "tf: ")
        robot.masks(3)
    robot.well()


def test_odometry_jumps(robot):
    robot.well()
    with robot.fault(tf=lambda stamp_ns: robot.drive.send_transform(stamp_ns, x=500.0)):
        robot.well()
        grid = robot.probe.got["/perception/occupancy"]
        wait_for(lambda: grid[-1].info.origin.position.x > 400, 30, "the grid around the robot")
    robot.well()
    wait_for(lambda: grid[-1].info.origin.position.x < 100, 30, "the grid back")


def test_no_clock_and_a_clock_that_starts_again(robot):
    robot.well()
    clock = robot.probe.publisher(Clock, "/clock", 10, matched=False)
    seconds = [1000.0]

    def tick(stamp_ns: int) -> None:
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(stamp_ns, 10**9)
        clock.publish(message)

    def simulated() -> int:
        seconds[0] += 0.1
        return round(seconds[0] * 1e9)

    with robot.parameter("use_sim_time", True, False):
        robot.says(WARN, "use_sim_time is set and nothing comes on /clock")
        robot.clock = simulated
        try:
            with robot.fault(clock=tick):
                robot.well()
                seconds[0] = 100.0
                robot.well()
                grids_in(robot, "odom")
                assert stamp_of(robot.masks(1)[0]) < 900 * 10**9
                assert "state reset" in robot.process.output()
        finally:
            robot.clock = time.time_ns
    robot.well()
    robot.says(OK)
    grids_in(robot, "odom")

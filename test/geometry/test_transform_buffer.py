"""Our buffer of transforms; where the real tf2 is installed it is held to the same."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from scipy.spatial.transform import Rotation, Slerp

from pdn_ros.geometry.transform_buffer import ALWAYS_NS, TransformBuffer
from pdn_ros.messages.transforms import from_quaternion, to_quaternion

SECOND = 10**9
NOW = 1_700_000_000 * SECOND


class Tf2Buffer:
    """tf2's BufferCore behind the interface of ours."""

    def __init__(self) -> None:
        import tf2_py

        self.tf2 = tf2_py
        self.core = tf2_py.BufferCore()

    def message(self, parent, child, stamp_ns, matrix):
        from geometry_msgs.msg import TransformStamped

        one = TransformStamped(child_frame_id=child)
        one.header.frame_id = parent
        one.header.stamp.sec, one.header.stamp.nanosec = divmod(stamp_ns, SECOND)
        move, turn = one.transform.translation, one.transform.rotation
        move.x, move.y, move.z = matrix[:3, 3].tolist()
        turn.x, turn.y, turn.z, turn.w = to_quaternion(matrix[:3, :3]).tolist()
        return one

    def set(self, parent, child, stamp_ns, matrix):
        self.core.set_transform(self.message(parent, child, stamp_ns, matrix), "test")

    def set_static(self, parent, child, matrix):
        self.core.set_transform_static(self.message(parent, child, 0, matrix), "test")

    def lookup(self, target, source, stamp_ns):
        from rclpy.time import Time

        try:
            found = self.core.lookup_transform_core(target, source, Time(nanoseconds=stamp_ns))
        except self.tf2.TransformException as error:
            raise LookupError(str(error)) from error
        move, turn = found.transform.translation, found.transform.rotation
        return from_quaternion((move.x, move.y, move.z), (turn.x, turn.y, turn.z, turn.w))

    def latest_ns(self, target, source):
        latest = self.core.get_latest_common_time(target, source).nanoseconds
        return latest or ALWAYS_NS

    def clear(self):
        self.core.clear()


@pytest.fixture(params=["ours", "tf2"])
def make(request):
    if request.param == "tf2":
        pytest.importorskip("tf2_py", reason="the wheels have no tf2", exc_type=ImportError)
        return Tf2Buffer
    return TransformBuffer


def transform(seed):
    rng = np.random.default_rng(seed)
    return from_quaternion(rng.normal(size=3), Rotation.random(random_state=seed).as_quat())


def at(x):
    return from_quaternion([x, 0, 0], [0, 0, 0, 1])


def knows(buffer, target, source, stamp_ns):
    try:
        buffer.lookup(target, source, stamp_ns)
    except LookupError:
        return False
    return True


def test_chain_of_static_and_moving_frames(make):
    buffer = make()
    odom, mount, optical, lidar = (transform(i) for i in range(4))
    buffer.set("odom", "base_link", NOW, odom)
    buffer.set_static("base_link", "camera", mount)
    buffer.set_static("camera", "camera_optical", optical)
    buffer.set_static("base_link", "lidar", lidar)
    assert buffer.lookup("odom", "camera_optical", NOW) == pytest.approx(odom @ mount @ optical)
    expected = np.linalg.inv(mount @ optical) @ lidar
    assert buffer.lookup("camera_optical", "lidar", 5) == pytest.approx(expected)
    assert buffer.lookup("lidar", "lidar", 5) == pytest.approx(np.eye(4))


@pytest.mark.parametrize("flip", [1, -1])
def test_interpolation_is_linear_and_spherical(make, flip):
    a, b = Rotation.from_euler("zyx", [0.1, 0.2, 0.3]), Rotation.from_euler("zyx", [1.1, -0.2, 0.4])
    buffer = make()
    buffer.set("odom", "base_link", NOW, from_quaternion([0, 0, 0], a.as_quat()))
    buffer.set("odom", "base_link", NOW + 10**8, from_quaternion([1, 2, 0], flip * b.as_quat()))
    found = buffer.lookup("odom", "base_link", NOW + 25_000_000)
    assert found[:3, 3] == pytest.approx([0.25, 0.5, 0])
    expected = Slerp([0, 1], Rotation.concatenate([a, b]))(0.25).as_matrix()
    assert found[:3, :3] == pytest.approx(expected)


def test_samples_may_come_out_of_order(make):
    buffer = make()
    for i in (0, 2, 1, 3):
        buffer.set("odom", "base_link", NOW + i * 10**8, at(i * i))
    assert buffer.lookup("odom", "base_link", NOW + 150_000_000)[0, 3] == pytest.approx(2.5)


def test_no_extrapolation(make):
    buffer = make()
    assert not knows(buffer, "odom", "base_link", NOW)
    for i in range(5):
        buffer.set("odom", "base_link", NOW + i * SECOND, np.eye(4))
    assert knows(buffer, "odom", "base_link", NOW + 2 * SECOND)
    for stamp in (NOW + 4 * SECOND + 1, NOW - 1, 1):
        assert not knows(buffer, "odom", "base_link", stamp)


def test_samples_older_than_the_window_are_forgotten():
    buffer = TransformBuffer(window_s=1.0)
    for i in range(50):
        buffer.set("odom", "base_link", NOW + i * 10**8, np.eye(4))
    assert knows(buffer, "odom", "base_link", NOW + 39 * 10**8)
    assert not knows(buffer, "odom", "base_link", NOW + 39 * 10**8 - 1)


def test_errors_are_one_line_that_says_why():
    buffer = TransformBuffer()
    buffer.set("odom", "base_link", 10 * SECOND, at(0))
    buffer.set("odom", "base_link", 11 * SECOND, at(1))
    buffer.set_static("other", "lidar", np.eye(4))
    for frames, reason in {
        ("map", "odom"): "no frame 'map' yet",
        ("lidar", "odom"): "not connected",
        ("odom", "base_link"): r"nothing at 12\.000 s; known from 10\.000 to 11\.000 s",
    }.items():
        with pytest.raises(LookupError, match=reason) as caught:
            buffer.lookup(*frames, 12 * SECOND)
        assert "\n" not in str(caught.value)


def test_clear_forgets_what_moves(make):
    buffer = make()
    mount = transform(1)
    buffer.set_static("base_link", "camera", mount)
    buffer.set("odom", "base_link", NOW, np.eye(4))
    buffer.clear()
    assert buffer.lookup("base_link", "camera", NOW) == pytest.approx(mount)
    assert not knows(buffer, "odom", "camera", NOW)
    buffer.set("odom", "base_link", NOW - 10**12, np.eye(4))  # an earlier time is welcome now
    assert knows(buffer, "odom", "camera", NOW - 10**12)


def test_up_to_when_frames_are_joined(make):
    buffer = make()
    buffer.set_static("base_link", "camera", transform(1))
    buffer.set("map", "odom", NOW - 10**8, at(0))
    buffer.set("odom", "base_link", NOW, at(0))
    assert buffer.latest_ns("base_link", "camera") == ALWAYS_NS
    assert buffer.latest_ns("odom", "camera") == NOW
    assert buffer.latest_ns("map", "camera") == NOW - 10**8


def test_the_last_parent_counts(make):
    buffer = make()
    buffer.set("odom", "base_link", NOW, transform(1))
    buffer.set("map", "base_link", NOW, transform(2))
    assert buffer.lookup("map", "base_link", NOW) == pytest.approx(transform(2))
    assert not knows(buffer, "odom", "base_link", NOW)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.integers(1, 3 * SECOND), min_size=1, max_size=30), st.integers(1, 3 * SECOND))
def test_any_order_of_stamps_interpolates_between_neighbors(make, stamps, query):
    buffer = make()
    for stamp in stamps:
        buffer.set("a", "b", stamp, at(stamp * 1e-9))
    assert knows(buffer, "a", "b", query) == (min(stamps) <= query <= max(stamps))
    if knows(buffer, "a", "b", query):
        assert buffer.lookup("a", "b", query)[0, 3] == pytest.approx(query * 1e-9, abs=1e-6)


# What follows is where ours goes on and tf2 does not.


def drive(buffer, *, before, after, wrong):
    """Send right transforms with a wrong one between; the odometry is at x = seconds since NOW."""
    buffer.set_static("base_link", "camera", transform(1))
    for i in range(-before, after):
        if i == 0:
            wrong(buffer)
        buffer.set("map", "odom", NOW + i * 10**8, np.eye(4))
        buffer.set("odom", "base_link", NOW + i * 10**8, at(i / 10))


@pytest.mark.parametrize("stamp", [NOW, NOW - 5 * 10**7, NOW + 5 * SECOND, NOW - 10**14])
@pytest.mark.parametrize(
    ("parent", "child"),
    [
        ("base_link", "odom"),
        ("base_link", "map"),
        ("camera", "base_link"),
        ("camera", "odom"),
        ("map", "base_link"),
        ("elsewhere", "base_link"),
        ("elsewhere", "camera"),
    ],
)
def test_a_wrong_transform_does_no_lasting_harm(parent, child, stamp):
    for after in (1, 5):
        buffer = TransformBuffer(restart_s=1.0)
        drive(
            buffer,
            before=5,
            after=after,
            wrong=lambda b: b.set(parent, child, stamp, transform(7)),
        )
        latest = NOW + (after - 1) * 10**8
        for query in (latest, latest - 3 * 10**7):
            x = (query - NOW) / SECOND
            assert buffer.lookup("odom", "base_link", query)[0, 3] == pytest.approx(x)
            if child != "camera":
                expected = at(x) @ transform(1)
                assert buffer.lookup("map", "camera", query) == pytest.approx(expected)


def test_a_wrong_static_transform_does_no_harm_while_right_ones_come():
    buffer = TransformBuffer()
    wrong = transform(7)
    drive(buffer, before=5, after=5, wrong=lambda b: b.set_static("base_link", "odom", wrong))
    # A static transform covers every time: the one that was heard of last counts.
    assert buffer.lookup("odom", "base_link", NOW + 4 * 10**8)[0, 3] == pytest.approx(0.4)


def test_a_recording_that_starts_again():
    buffer = TransformBuffer(restart_s=1.0)
    for start in (NOW, NOW - 100 * SECOND):
        for i in range(3):
            buffer.set("odom", "base_link", start + i * 10**8, at(i))
    again = NOW - 100 * SECOND
    assert buffer.latest_ns("odom", "base_link") == again + 2 * 10**8
    assert buffer.lookup("odom", "base_link", again + 10**8)[0, 3] == pytest.approx(1)
    assert not knows(buffer, "odom", "base_link", NOW + 10**8)


def test_clear_after_a_time_keeps_what_came_since_a_jump_back():
    buffer = TransformBuffer()
    buffer.set_static("base_link", "camera", transform(1))
    buffer.set("odom", "base_link", NOW - 60 * SECOND, at(1))  # begun again already
    buffer.set("map", "odom", NOW, at(2))  # still of the run before
    buffer.clear(after_ns=NOW - 59 * SECOND)
    assert knows(buffer, "odom", "camera", NOW - 60 * SECOND)
    assert not knows(buffer, "map", "odom", NOW)


@pytest.mark.parametrize(
    "matrix", [np.zeros((4, 4)), np.diag([1, 1, -1, 1]), np.full((4, 4), np.nan), np.eye(3)]
)
def test_what_is_not_rigid_is_refused(matrix):
    with pytest.raises(ValueError, match="transform a <- b"):
        TransformBuffer().set_static("a", "b", matrix)
    with pytest.raises(ValueError, match="two different frames"):
        TransformBuffer().set_static("a", "a", np.eye(4))


@pytest.mark.parametrize("pose", [(np.nan, 0, 0, 0, 0, 0, 1), (0,) * 7, (0, 0, 0, 0, 0, np.inf, 1)])
def test_a_pose_that_is_no_transform_is_refused(pose):
    with pytest.raises(ValueError, match="transform a <- b"):
        TransformBuffer().add("a", "b", NOW, pose)

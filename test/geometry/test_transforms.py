import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.spatial.transform import Rotation, Slerp

from pdn_ros.geometry.transforms import TransformBuffer, invert, move_points
from pdn_ros.messages.transforms import from_quaternion

NOW = 1_700_000_000_000_000_000


def transform(seed):
    rng = np.random.default_rng(seed)
    return from_quaternion(rng.normal(size=3), Rotation.random(random_state=seed).as_quat())


def test_quaternion_by_hand():
    T = from_quaternion([1, 2, 3], [0, 0, np.sqrt(0.5), np.sqrt(0.5)])
    moved = T @ [1, 0, 0, 1]
    assert moved == pytest.approx([1, 3, 3, 1])


@pytest.mark.parametrize(
    ("xyz", "q"),
    [
        ([0, 0, 0], [0, 0, 0, 0]),
        ([0, 0, 0], [0, 0, 0, 1.01]),
        ([np.nan, 0, 0], [0, 0, 0, 1]),
        ([0, 0, 0], [np.inf, 0, 0, 1]),
        ([0, 0], [0, 0, 0, 1]),
    ],
)
def test_no_rotation_is_refused(xyz, q):
    with pytest.raises(ValueError, match="transform: "):
        from_quaternion(xyz, q)


def test_chain_of_static_and_moving_frames():
    buffer = TransformBuffer()
    odom, mount, optical, lidar = (transform(i) for i in range(4))
    buffer.set("odom", "base_link", NOW, odom)
    buffer.set_static("base_link", "camera", mount)
    buffer.set_static("camera", "camera_optical", optical)
    buffer.set_static("base_link", "lidar", lidar)
    assert buffer.lookup("odom", "camera_optical", NOW) == pytest.approx(odom @ mount @ optical)
    expected = np.linalg.inv(mount @ optical) @ lidar
    assert buffer.lookup("camera_optical", "lidar", 0) == pytest.approx(expected)
    assert np.array_equal(buffer.lookup("lidar", "lidar", 0), np.eye(4))
    assert invert(odom) == pytest.approx(np.linalg.inv(odom))


@pytest.mark.parametrize("flip", [1, -1])
def test_interpolation_is_linear_and_spherical(flip):
    a, b = Rotation.from_euler("zyx", [0.1, 0.2, 0.3]), Rotation.from_euler("zyx", [1.1, -0.2, 0.4])
    buffer = TransformBuffer()
    buffer.set("odom", "base_link", NOW, from_quaternion([0, 0, 0], a.as_quat()))
    buffer.set("odom", "base_link", NOW + 10**8, from_quaternion([1, 2, 0], flip * b.as_quat()))
    found = buffer.lookup("odom", "base_link", NOW + 25_000_000)
    assert found[:3, 3] == pytest.approx([0.25, 0.5, 0])
    expected = Slerp([0, 1], Rotation.concatenate([a, b]))(0.25).as_matrix()
    assert found[:3, :3] == pytest.approx(expected)


def test_samples_may_come_out_of_order():
    buffer = TransformBuffer()
    for i in (0, 2, 1, 3):
        buffer.set(
            "odom", "base_link", NOW + i * 10**8, from_quaternion([i * i, 0, 0], [0, 0, 0, 1])
        )
    assert buffer.lookup("odom", "base_link", NOW + 150_000_000)[0, 3] == pytest.approx(2.5)


def test_no_extrapolation_and_bounded_memory():
    buffer = TransformBuffer(window_s=1.0)
    with pytest.raises(LookupError, match="no frame 'odom'"):
        buffer.lookup("odom", "base_link", NOW)
    for i in range(50):
        buffer.set("odom", "base_link", NOW + i * 10**8, np.eye(4))
    buffer.lookup("odom", "base_link", NOW + 45 * 10**8)
    for stamp in (NOW + 49 * 10**8 + 1, NOW + 38 * 10**8, 0):
        with pytest.raises(LookupError, match="known from") as caught:
            buffer.lookup("odom", "base_link", stamp)
        assert "\n" not in str(caught.value)


def test_unconnected_frames():
    buffer = TransformBuffer()
    buffer.set_static("base_link", "camera", np.eye(4))
    buffer.set_static("other", "lidar", np.eye(4))
    with pytest.raises(LookupError, match="not connected"):
        buffer.lookup("camera", "lidar", NOW)


def test_clear_forgets_what_moves():
    buffer = TransformBuffer()
    mount = transform(1)
    buffer.set_static("base_link", "camera", mount)
    buffer.set("odom", "base_link", NOW, np.eye(4))
    buffer.clear()
    assert buffer.lookup("base_link", "camera", NOW) == pytest.approx(mount)
    with pytest.raises(LookupError):
        buffer.lookup("odom", "camera", NOW)
    buffer.set("odom", "base_link", NOW - 10**12, np.eye(4))  # an earlier time is welcome now
    buffer.lookup("odom", "camera", NOW - 10**12)


def test_a_frame_has_one_parent():
    buffer = TransformBuffer()
    buffer.set("odom", "base_link", NOW, transform(1))
    buffer.set("map", "base_link", NOW, transform(2))
    assert buffer.lookup("map", "base_link", NOW) == pytest.approx(transform(2))
    with pytest.raises(LookupError):
        buffer.lookup("odom", "base_link", NOW)


@pytest.mark.parametrize(
    "matrix", [np.zeros((4, 4)), np.diag([1, 1, -1, 1]), np.full((4, 4), np.nan), np.eye(3)]
)
def test_what_is_not_rigid_is_refused(matrix):
    with pytest.raises(ValueError, match="transform a <- b"):
        TransformBuffer().set_static("a", "b", matrix)
    with pytest.raises(ValueError, match="two different frames"):
        TransformBuffer().set_static("a", "a", np.eye(4))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3 * 10**9), min_size=1, max_size=30), st.integers(0, 3 * 10**9))
def test_any_order_of_stamps_interpolates_between_neighbours(stamps, query):
    buffer = TransformBuffer()
    for stamp in stamps:
        buffer.set("a", "b", stamp, from_quaternion([stamp * 1e-9, 0, 0], [0, 0, 0, 1]))
    if min(stamps) <= query <= max(stamps):
        assert buffer.lookup("a", "b", query)[0, 3] == pytest.approx(query * 1e-9, abs=1e-6)
    else:
        with pytest.raises(LookupError):
            buffer.lookup("a", "b", query)


def test_points_move_as_by_the_matrix():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    T = transform(3)
    assert move_points(points, T) == pytest.approx(points @ T[:3, :3].T + T[:3, 3], abs=1e-5)
    assert move_points(points[:0], T).shape == (0, 3)
    padded = np.zeros((50, 4), dtype=np.float32)
    padded[:, :3] = points
    assert np.array_equal(move_points(padded[:, :3], T), move_points(points, T))

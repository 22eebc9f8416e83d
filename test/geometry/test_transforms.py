import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from pdn_ros.geometry.transforms import invert, move_points
from pdn_ros.messages.transforms import from_quaternion, to_quaternion


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


def test_points_move_as_by_the_matrix():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    T = transform(3)
    assert move_points(points, T) == pytest.approx(points @ T[:3, :3].T + T[:3, 3], abs=1e-5)
    assert move_points(points[:0], T).shape == (0, 3)
    padded = np.zeros((50, 4), dtype=np.float32)
    padded[:, :3] = points
    assert np.array_equal(move_points(padded[:, :3], T), move_points(points, T))


@pytest.mark.parametrize("angle", [0, 1e-9, 1e-4, 1, np.pi - 1e-7, np.pi])
def test_quaternion_of_a_matrix(angle):
    for axis in (*np.eye(3), np.array([1, 2, 3]) / np.sqrt(14)):
        expected = Rotation.from_rotvec(angle * axis).as_quat()
        found = to_quaternion(from_quaternion([0, 0, 0], expected)[:3, :3])
        assert found == pytest.approx(expected * np.sign(found @ expected), abs=1e-9)


def test_inverse():
    T = transform(4)
    assert invert(T) == pytest.approx(np.linalg.inv(T))

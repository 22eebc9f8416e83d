import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from worlds import Box, World, pose

from pdn_ros.geometry import ground
from pdn_ros.geometry.ground import GroundPlane, fit_plane, split_ground

ORIGIN = (0.0, 0.0, 1.73)


def scan(world, lidar):
    """Returns in the base frame, and whether each lies on the ground."""
    points = world.scan(lidar) @ lidar[:3, :3].T + lidar[:3, 3]
    noisy = points + np.random.default_rng(0).normal(0, 0.01, points.shape)
    return noisy.astype(np.float32), np.abs(points[:, 2] - world.slope * points[:, 0]) < 1e-3


@pytest.mark.parametrize("library", [True, False])
@pytest.mark.parametrize("slope", [0.0, 0.08, -0.08])
def test_ground_of_a_street(slope, library, monkeypatch):
    if not library:
        monkeypatch.setattr(ground, "pypatchworkpp", None)
    world = World(
        (Box((10, 14), (-1, 1)), Box((-20, 40), (8, 12), 6), Box((15, 15.3), (4, 4.3), 3)), slope
    )
    points, truth = scan(world, pose(z=1.73))
    found = split_ground(points, ORIGIN)
    near = np.hypot(points[:, 0], points[:, 1]) < 40
    high = points[:, 2] - slope * points[:, 0] > 0.3
    assert found[near & truth].mean() > 0.97
    assert found[near & high].mean() < 0.02
    assert np.array_equal(split_ground(points, ORIGIN), found)


def test_height_of_the_lidar_is_found_where_the_frame_is_its_own():
    world = World((Box((10, 14), (-1, 1)),))
    points, truth = scan(world, pose(z=1.73))
    found = split_ground(points - np.float32([0, 0, 1.73]), (0, 0, 0))
    assert found[truth].mean() > 0.95
    assert found[points[:, 2] > 0.3].mean() < 0.01


def test_plane_by_hand_with_outliers():
    rng = np.random.default_rng(0)
    xy = rng.uniform(-20, 20, (2000, 2))
    z = 0.05 * xy[:, 0] - 0.02 * xy[:, 1] - 1.5 + rng.normal(0, 0.02, 2000)
    z[:500] += rng.uniform(0.3, 3, 500)  # a quarter stands on it
    plane = fit_plane(np.column_stack((xy, z)))
    length = np.sqrt(1 + 0.05**2 + 0.02**2)
    assert plane.normal == pytest.approx(np.array([-0.05, 0.02, 1]) / length, abs=1e-3)
    assert plane.offset == pytest.approx(1.5 / length, abs=0.01)
    assert plane.heights(np.array([[0, 0, -1.5]])) == pytest.approx([0], abs=0.01)


def test_plane_moves_with_its_points():
    plane = GroundPlane(np.array([0.1, 0, 1]) / np.sqrt(1.01), 0.3)
    T = pose(1, 2, 3, yaw=0.5, pitch=0.1, roll=-0.2)
    points = np.random.default_rng(0).normal(size=(20, 3))
    moved = points @ T[:3, :3].T + T[:3, 3]
    assert plane.moved(T).heights(moved) == pytest.approx(plane.heights(points))


@pytest.mark.parametrize(
    "points",
    [
        np.zeros((10, 3)),
        np.zeros((100, 3)),
        np.full((100, 3), np.nan),
        np.column_stack((np.arange(100.0), np.zeros(100), np.zeros(100))),  # a line
        np.column_stack((np.zeros(900), *(a.ravel() for a in np.mgrid[:30, :30]))),  # a wall
    ],
)
def test_what_makes_no_plane(points):
    assert fit_plane(points) is None


numbers = st.floats(width=32) | st.floats(-50, 50, width=32)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float32, st.tuples(st.integers(0, 80), st.just(3)), elements=numbers))
def test_any_cloud_is_taken(points):
    found = split_ground(points)
    assert found.shape == (len(points),)
    assert not found[~np.isfinite(points).all(axis=1)].any()
    plane = fit_plane(points)
    if plane is not None:
        assert np.linalg.norm(plane.normal) == pytest.approx(1)
        assert plane.normal[2] > 0.9 and np.isfinite(plane.offset)


def test_a_small_spot_far_away_makes_no_plane():
    rng = np.random.default_rng(0)
    assert fit_plane(np.array([30, 0, 0]) + rng.normal(0, 0.05, (500, 3))) is None

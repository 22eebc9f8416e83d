import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from worlds import OPTICAL, Box, World, pose

from pdn_ros.geometry import roles
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.lidar import project_scan, project_scans
from pdn_ros.messages.camera_info import CameraInfo

CAMERA = Camera.from_info(CameraInfo(width=1242, height=375, k=[720, 0, 610, 0, 720, 173, 0, 0, 1]))
T_BASE_LIDAR = pose(z=1.73)
T_BASE_CAMERA = pose(x=0.27, z=1.65) @ OPTICAL
T_CAMERA_LIDAR = np.linalg.inv(T_BASE_CAMERA) @ T_BASE_LIDAR


def view(points, camera=CAMERA, patch_size=64):
    return project_scan(
        np.asarray(points, dtype=np.float32).reshape(-1, 3),
        camera=camera,
        T_camera_lidar=T_CAMERA_LIDAR,
        T_base_lidar=T_BASE_LIDAR,
        patch_size=patch_size,
    )


def patch_at(x, y, z, size=64):
    """Patch (row, column) that shows a point of the base frame."""
    pixel, valid = CAMERA.project((np.linalg.inv(T_BASE_CAMERA) @ [x, y, z, 1])[None, :3])
    assert valid.all()
    u, v = pixel[0] // size
    return int(v), int(u)


def test_known_points_by_hand():
    # 10 m ahead of the camera, 1 m to the left, at its height: u = 610 - 72, v = 173.
    found = view([[10.27, 1, -0.08], [20.27, 2, -0.08], [-10, 0, 0]])
    assert found.depth[173, 538] == pytest.approx(10)  # the nearest wins
    assert np.count_nonzero(found.depth) == 1
    assert found.returns == 2


def test_depth_is_the_worlds():
    world = World((Box((12, 16), (-1, 1)), Box((30, 34), (-6, -4), 1.5, roles.DYNAMIC)))
    found = view(world.scan(T_BASE_LIDAR))
    _, truth = world.image(CAMERA, T_BASE_CAMERA)
    hit = (found.depth > 0) & (truth > 0)
    assert hit.sum() > 5000
    error = np.abs(found.depth - truth)[hit] / truth[hit]
    assert np.median(error) < 0.01
    assert np.mean(error < 0.05) > 0.95


def test_weights_ask_for_the_thin_and_far_not_for_road_and_near_car():
    world = World(
        (
            Box((8, 12), (-1, 1), 1.5),  # a car close ahead, well sampled
            Box((15, 15.1), (5, 5.1), 4),  # a pole
            Box((40, 40.1), (-15, -14.9), 4),  # a pole far away
            Box((45, 45.5), (-10, -9.5), 1.8),  # a pedestrian far away
        )
    )
    found = view(world.scan(T_BASE_LIDAR))
    assert found.weights.shape == (6, 20)
    assert found.weights.dtype == np.float32
    car = found.weights[patch_at(8, 0, 0.7)]
    pole = found.weights[patch_at(15, 5.05, 1.0)]
    far_pole = found.weights[patch_at(40, -14.95, 1.0)]
    pedestrian = found.weights[patch_at(45, -9.75, 1.0)]
    road = found.weights[patch_at(7, 3, 0)]
    assert road == 0
    assert car < 0.2
    assert pole > 0.35
    assert far_pole > 2 * pole
    assert pedestrian > 0.8


def test_a_road_alone_has_no_weight():
    for slope in (0.0, 0.06):
        found = view(World(slope=slope).scan(pose(z=1.73, pitch=-np.arctan(slope))))
        assert found.returns > 5000
        assert (found.weights > 0).mean() < 0.03


@pytest.mark.parametrize("points", [[], [[np.nan] * 3] * 5, [[np.inf, 0, 0]], [[0, 0, 0]]])
def test_a_scan_without_returns(points):
    found = view(points)
    assert found.returns == 0
    assert not found.depth.any() and not found.weights.any()


def test_a_million_points():
    """The same scan ten times over, and as many NaN, is the same scan."""
    scan = World((Box((15, 15.1), (5, 5.1), 4),)).scan(T_BASE_LIDAR)
    nothing = np.full((200_000, 3), np.nan, np.float32)
    once, often = view(scan), view(np.concatenate([scan] * 10 + [nothing]))
    assert np.array_equal(once.depth, often.depth)
    assert often.returns == 10 * once.returns


coordinates = st.floats(width=32) | st.floats(-60, 60, width=32)


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float32, st.tuples(st.integers(0, 200), st.just(3)), elements=coordinates),
    st.sampled_from([("", []), ("plumb_bob", [-0.4, 0.2, 0, 0, -0.1]), ("equidistant", [0.1] * 4)]),
    st.sampled_from([16, 33, 64, 500]),
)
def test_any_cloud_gives_sound_arrays(points, lens, patch_size):
    camera = Camera.from_info(
        CameraInfo(
            width=100,
            height=70,
            k=[60, 0, 50, 0, 60, 35, 0, 0, 1],
            distortion_model=lens[0],
            d=lens[1],
        )
    )
    found = view(points, camera, patch_size)
    assert found.weights.shape == (-(-70 // patch_size), -(-100 // patch_size))
    assert ((found.weights >= 0) & (found.weights <= 1)).all()
    assert (np.isfinite(found.depth) & (found.depth >= 0)).all()
    assert np.count_nonzero(found.depth) <= found.returns <= len(points)


def test_a_scan_in_three_cameras_is_what_each_would_see_alone():
    yaws = (0.0, np.radians(70), np.radians(-70))
    boxes = []
    for yaw in yaws:  # before each camera a wall, a post and a curb
        ahead, across = np.array([np.cos(yaw), np.sin(yaw)]), np.array([-np.sin(yaw), np.cos(yaw)])
        for along, side, size, height in ((25, -6, 3, 3.0), (15, 4, 0.15, 3.0), (10, 0, 2, 0.12)):
            x, y = along * ahead + side * across
            boxes.append(Box((x - size / 2, x + size / 2), (y - size / 2, y + size / 2), height))
    points = np.asarray(World(tuple(boxes)).scan(T_BASE_LIDAR), np.float32)
    cameras = [
        (CAMERA, np.linalg.inv(pose(yaw=yaw) @ T_BASE_CAMERA) @ T_BASE_LIDAR) for yaw in yaws
    ]

    def project(*those):
        return project_scans(points, cameras=those, T_base_lidar=T_BASE_LIDAR, patch_size=64)

    for camera, found in zip(cameras, project(*cameras), strict=True):
        (alone,) = project(camera)
        np.testing.assert_array_equal(found.depth, alone.depth)
        assert found.returns == alone.returns > 5000
        # Which returns count as ground differs a little: a sample shows it.
        assert np.abs(found.weights - alone.weights).mean() < 0.01
        best = np.argsort(-alone.weights, axis=None)[:5]
        assert set(best) <= set(np.argsort(-found.weights, axis=None)[:8])
    # The same scan gives the same weights again.
    np.testing.assert_array_equal(project(*cameras)[1].weights, project(*cameras)[1].weights)

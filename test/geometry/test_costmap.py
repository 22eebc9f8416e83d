import numpy as np
import pytest
from worlds import OPTICAL, Box, World, pose

from pdn_ros.geometry import roles
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.messages.camera_info import CameraInfo

FULL = Camera.from_info(CameraInfo(width=1242, height=375, k=[720, 0, 610, 0, 720, 173, 0, 0, 1]))
SMALL = FULL.resized(400, 121)
T_BASE_CAMERA = pose(x=0.27, z=1.65, pitch=0.03, roll=0.04) @ OPTICAL
WORLD = World((Box((12, 16), (-1, 1)), Box((25, 29), (-6, -4), 1.5, roles.DYNAMIC)))


@pytest.fixture(scope="module")
def depth():
    lidar = pose(z=1.73)
    view = project_scan(
        WORLD.scan(lidar),
        camera=FULL,
        T_camera_lidar=np.linalg.inv(T_BASE_CAMERA) @ lidar,
        T_base_lidar=lidar,
        patch_size=64,
    )
    return shrink_depth(view.depth, 400, 121)


def test_ranges_are_the_worlds(depth):
    role, truth = WORLD.image(SMALL, T_BASE_CAMERA)
    cloud = aligned_cloud(role, SMALL, T_BASE_CAMERA, depth)
    assert cloud.shape == (121, 400, 3) and cloud.dtype == np.float32
    z = cloud[..., 2]
    trusted = np.isfinite(z)
    assert (np.isnan(cloud).any(axis=2) == ~trusted).all()
    assert not trusted[role == roles.SKY].any()
    ground = trusted & (role == roles.GROUND)
    assert ground.sum() > 0.7 * (role == roles.GROUND).sum()
    assert (np.abs(z - truth)[ground] / truth[ground]).max() < 0.02
    solid = np.isin(role, (roles.STATIC, roles.DYNAMIC))
    assert (trusted & solid).sum() > 0.7 * solid.sum()
    assert np.median(np.abs(z - truth)[trusted & solid]) < 0.3
    pixels, _ = SMALL.project(cloud[trusted])
    v, u = np.nonzero(trusted)
    assert np.abs(pixels - np.stack((u, v), 1)).max() < 0.05


def test_without_lidar_obstacles_have_no_range():
    role, _ = WORLD.image(SMALL, T_BASE_CAMERA)
    z = aligned_cloud(role, SMALL, T_BASE_CAMERA)[..., 2]
    assert np.isnan(z[role != roles.GROUND]).all()


def test_a_return_does_not_speak_for_another_role():
    camera = Camera.from_info(CameraInfo(width=20, height=20, k=[20, 0, 10, 0, 20, 10, 0, 0, 1]))
    role = np.full((20, 20), roles.STATIC, dtype=np.uint8)
    role[:, 10:] = roles.DYNAMIC
    depth = np.zeros((20, 20), dtype=np.float32)
    depth[11, 9] = 7
    z = aligned_cloud(role, camera, T_BASE_CAMERA, depth)[..., 2]
    assert np.isnan(z[role == roles.DYNAMIC]).all()
    assert z[11, 8] == 7 and z[11, 5] == 7
    assert np.isnan(z[11, 2])


def test_at_an_outline_only_the_front_has_a_range():
    """A pole 5 m away before a wall at 20 m; one return of the wall shows through the pole."""
    camera = Camera.from_info(CameraInfo(width=40, height=20, k=[20, 0, 20, 0, 20, 10, 0, 0, 1]))
    role = np.full((20, 40), roles.STATIC, dtype=np.uint8)
    depth = np.zeros((20, 40), dtype=np.float32)
    depth[::2, ::3] = 20
    depth[::2, 9] = 5
    depth[9, 10] = 20
    z = aligned_cloud(role, camera, pose(z=1.65) @ OPTICAL, depth, max_height=99)[..., 2]
    assert (z[::2, 8:10] == 5).all()
    assert np.isnan(z[9, 11]) and z[9, 10] != 20
    assert np.isnan(z[:, [5, 6, 7, 11, 12, 13]]).all()  # the wall beside it: whose are they?
    assert (z[:, 16:] == 20).all()


def test_the_ground_is_where_the_returns_lie():
    slope = World(slope=0.06)
    role, truth = slope.image(SMALL, T_BASE_CAMERA)
    depth = np.where(role == roles.GROUND, truth, np.float32(0))
    depth[::2] = 0
    z = aligned_cloud(role, SMALL, T_BASE_CAMERA, depth)[..., 2]
    near = (role == roles.GROUND) & (truth < 20)
    assert (np.abs(z - truth)[near] / truth[near]).max() < 0.005
    flat = aligned_cloud(role, SMALL, T_BASE_CAMERA)[..., 2]
    assert np.nanmedian(np.abs(flat - truth)[near] / truth[near]) > 0.05


def test_what_hangs_above_the_way_has_no_point():
    world = World((Box((12, 16), (-8, 8), 2.0, bottom=3.0),))
    role, depth = world.image(SMALL, T_BASE_CAMERA)
    solid = role == roles.STATIC
    assert solid.sum() > 100
    z = aligned_cloud(role, SMALL, T_BASE_CAMERA, depth)[..., 2]
    assert np.isnan(z[solid]).all()
    raised = aligned_cloud(role, SMALL, T_BASE_CAMERA, depth, max_height=6)[..., 2]
    assert np.array_equal(raised[solid], depth[solid])


def test_nothing_at_the_horizon_or_beyond_the_range_or_from_below():
    role = np.full((121, 400), roles.GROUND, dtype=np.uint8)
    cloud = aligned_cloud(role, SMALL, pose(z=1.65) @ OPTICAL, max_range=30)
    assert np.linalg.norm(cloud[np.isfinite(cloud[..., 0])], axis=1).max() < 30
    assert np.isnan(cloud[: int(173 * 121 / 375)]).all()
    assert np.isnan(aligned_cloud(role, SMALL, pose(z=-1) @ OPTICAL)).all()


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="size"):
        aligned_cloud(np.zeros((10, 10), np.uint8), SMALL, T_BASE_CAMERA)


def test_shrinking_keeps_the_nearest():
    depth = np.zeros((4, 6), dtype=np.float32)
    depth[0, 0], depth[1, 1], depth[3, 5] = 9, 4, 5
    assert shrink_depth(depth, 3, 2).tolist() == [[4, 0, 0], [0, 0, 5]]
    assert np.array_equal(shrink_depth(depth, 6, 4), depth)

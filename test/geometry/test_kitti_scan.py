"""Geometry on a recorded drive: KITTI raw 2011_09_26_drive_0005, where the data is present."""

import numpy as np
import pytest
from worlds import pose

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import fit_plane, split_ground
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.messages.camera_info import CameraInfo

FRAME = 130
T_BASE_LIDAR = pose(z=1.73)


def table(path):
    pairs = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return {k: np.array(v.split(), float) for k, v in pairs if not k.startswith("calib")}


@pytest.fixture(scope="module")
def drive(shared_data):
    day = shared_data / "kitti_raw" / "2011_09_26"
    if not day.is_dir():
        pytest.skip("no KITTI raw drive")
    return day


@pytest.fixture(scope="module")
def points(drive):
    name = f"2011_09_26_drive_0005_sync/velodyne_points/data/{FRAME:010d}.bin"
    return np.fromfile(drive / name, np.float32).reshape(-1, 4)[:, :3]


@pytest.fixture(scope="module")
def calibration(drive):
    """Camera and T_camera_lidar; and the 3x4 projection that KITTI's paper gives."""
    cameras, lidar = table(drive / "calib_cam_to_cam.txt"), table(drive / "calib_velo_to_cam.txt")
    rectify, velo = np.eye(4), np.eye(4)
    rectify[:3, :3] = cameras["R_rect_00"].reshape(3, 3)
    velo[:3] = np.column_stack((lidar["R"].reshape(3, 3), lidar["T"]))
    projection = cameras["P_rect_02"].reshape(3, 4)
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(projection[:, :3], projection[:, 3])
    camera = Camera.from_info(CameraInfo(width=1242, height=375, k=projection[:, :3]))
    return camera, shift @ rectify @ velo, projection @ rectify @ velo


def test_projection_is_kittis(points, calibration):
    camera, T_camera_lidar, projection = calibration
    optical = points @ T_camera_lidar[:3, :3].T + T_camera_lidar[:3, 3]
    pixels, valid = camera.project(optical)
    expected = np.column_stack((points, np.ones(len(points)))) @ projection.T
    expected = expected[valid, :2] / expected[valid, 2:]
    assert valid.sum() > 15_000
    assert np.abs(pixels[valid] - expected).max() < 0.01


def test_ground_of_a_real_scan(points):
    base = points + np.float32([0, 0, 1.73])
    ground = split_ground(base, T_BASE_LIDAR[:3, 3])
    assert 0.3 < ground.mean() < 0.6
    plane = fit_plane(base[ground])
    assert np.degrees(np.arccos(plane.normal[2])) < 2
    assert abs(plane.offset) < 0.2  # KITTI's LiDAR stands 1.73 m above the ground
    near = np.hypot(base[:, 0], base[:, 1]) < 20
    assert np.abs(plane.heights(base[ground & near])).max() < 0.9
    assert (plane.heights(base[near & ~ground]) > 0.05).mean() > 0.9


def test_a_real_scan_in_the_image(points, calibration):
    camera, T_camera_lidar, _ = calibration
    view = project_scan(
        points,
        camera=camera,
        T_camera_lidar=T_camera_lidar,
        T_base_lidar=T_BASE_LIDAR,
        patch_size=64,
    )
    assert 15_000 < view.returns < 25_000
    assert view.depth[view.depth > 0].min() > 3 and view.depth.max() <= 120
    assert not view.weights[-1].any()  # the road before the car
    assert 0.1 < (view.weights > 0.3).mean() < 0.6

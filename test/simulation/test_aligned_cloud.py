"""Ranges of the cloud that nav2's semantic layer reads, against the exact ones of a drive."""

import cv2
import numpy as np

from pdn_ros.classes import load_classes
from pdn_ros.geometry import roles
from pdn_ros.geometry.costmap import aligned_cloud, shrink_depth
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.geometry.transforms import invert

SIZE = (200, 112)


def small(image):
    return cv2.resize(image, SIZE, interpolation=cv2.INTER_NEAREST_EXACT)


def test_median_range_errors(drive, config):
    rig, table = config.sensors, load_classes("street").role_table()
    mounted = rig.cameras[0]
    camera = mounted.camera.resized(*SIZE)
    ground, touched, covered = [], [], []
    for frame in drive:
        view = project_scan(
            frame.scan[:, :3],
            camera=mounted.camera,
            T_camera_lidar=invert(mounted.base_optical) @ rig.base_lidar,
            T_base_lidar=rig.base_lidar,
            patch_size=64,
        )
        depth = shrink_depth(view.depth, *SIZE)
        role = table[small(frame.mask)]
        cloud = aligned_cloud(role, camera, mounted.base_optical, depth)
        found = np.linalg.norm(cloud, axis=2)
        true = np.linalg.norm(camera.rays() * small(frame.depth)[..., None], axis=2)
        seen = np.isfinite(found)
        near = (role == roles.GROUND) & (true < 20)
        covered.append(seen[near])
        ground.append((np.abs(found - true) / true)[near & seen])
        solid = np.isin(role, (roles.STATIC, roles.DYNAMIC)) & (depth > 0)
        touched.append(np.abs(found - true)[solid & seen])
        assert not seen[np.isin(role, (roles.SKY, roles.UNKNOWN))].any()
    assert len(np.concatenate(touched)) > 5000
    assert np.concatenate(covered).mean() > 0.99
    assert np.median(np.concatenate(ground)) < 0.03
    assert np.median(np.concatenate(touched)) < 0.3

"""A small recording with all that an evaluation can use."""

from pathlib import Path

import numpy as np
import pytest
import wall

from pdn_ros.bags import layout
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.occupancy import Grid


@pytest.fixture(scope="session")
def drive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five frames of a standing vehicle before a wall."""
    path = tmp_path_factory.mktemp("bags") / "wall"
    rng = np.random.default_rng(5)
    mask = np.full((wall.HEIGHT, wall.WIDTH), 1, dtype=np.uint8)
    mask[wall.HEIGHT // 2 + 25 :] = 3  # the ground at 12 m is seen 25 pixels below the horizon
    with DriveWriter(path) as writer:
        writer.static_transforms(
            [
                (layout.BASE, layout.OPTICAL, wall.T_BASE_OPTICAL),
                (layout.BASE, layout.LIDAR, wall.T_BASE_LIDAR),
            ]
        )
        for i in range(wall.FRAMES):
            stamp = wall.START_NS + i * wall.PERIOD_NS
            writer.transform(stamp, layout.ODOM, layout.BASE, np.eye(4))
            writer.camera_info(stamp, wall.camera())
            writer.image(stamp, rng.integers(0, 255, (wall.HEIGHT, wall.WIDTH, 3)).astype(np.uint8))
            writer.points(stamp, wall.scan(rng))
            writer.mask(stamp, mask)
            data, origin, resolution = wall.truth_grid()
            writer.occupancy(stamp, Grid(data, origin, resolution, layout.ODOM))
            writer.boxes(stamp, [Box((12.0, 0.0, 1.0), 0.0, (0.4, 2.0, 2.0), "vehicle", 7)])
    return path


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cameras: one looks ahead at the wall, the other to the left; it is later and smaller."""
    path = tmp_path_factory.mktemp("bags") / "rig"
    rng = np.random.default_rng(5)
    small = wall.camera().resized(wall.WIDTH // 2, wall.HEIGHT // 2)
    cameras = {"ahead": wall.camera(), "left": small}
    with DriveWriter(path) as writer:
        writer.static_transforms(
            [
                (layout.BASE, "ahead_optical", wall.T_BASE_OPTICAL),
                (layout.BASE, "left_optical", wall.TO_THE_LEFT @ wall.T_BASE_OPTICAL),
                (layout.BASE, layout.LIDAR, wall.T_BASE_LIDAR),
            ]
        )
        data, origin, resolution = wall.truth_grid()
        for i in range(wall.SETS):
            stamp = wall.START_NS + i * wall.PERIOD_NS
            writer.transform(stamp, layout.ODOM, layout.BASE, np.eye(4))
            writer.points(stamp, wall.scan(rng))
            writer.occupancy(stamp, Grid(data, origin, resolution, layout.ODOM))
            writer.boxes(stamp, [Box((12.0, 0.0, 1.0), 0.0, (0.4, 2.0, 2.0), "vehicle", 7)])
            for name, label, late_ns in (
                ("ahead", wall.BUILDING, 0),
                ("left", wall.ROAD, 7_000_000),
            ):
                camera = cameras[name]
                size = (camera.height, camera.width)
                writer.transform(stamp + late_ns, layout.ODOM, layout.BASE, np.eye(4))
                writer.camera_info(stamp + late_ns, camera, name)
                writer.image(stamp + late_ns, rng.integers(0, 255, (*size, 3), np.uint8), name)
                writer.mask(stamp + late_ns, np.full(size, label, np.uint8), name)
    return path

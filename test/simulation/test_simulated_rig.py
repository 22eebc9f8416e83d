"""Several cameras on one vehicle: names, mounting, and one world seen from each."""

from pathlib import Path

import numpy as np
import pytest

from pdn_ros.bags import layout
from pdn_ros.bags.reader import Bag
from pdn_ros.errors import InputError
from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.images import read_image, read_mask
from pdn_ros.messages.transforms import read_transforms
from pdn_ros.simulation import DriveConfig, DriveFrame, simulate
from pdn_ros.simulation.rig import RIGS

MEAN_BGR = (125.23, 125.37, 126.18)
PIXELS = (2219, 6200, 126, 5938, 93, 1704, 277, 79, 3996, 9, 10, 85)
FOCAL = 125.498


def contents(path: Path) -> dict[str, list[bytes]]:
    with Bag(path) as bag:
        found: dict[str, list[bytes]] = {name: [] for name in bag.topics}
        for message in bag.messages():
            found[message.topic].append(bytes(message.data))
    return found


def test_bag_has_the_topics_of_every_camera_and_one_truth_of_the_world(tmp_path: Path) -> None:
    config = DriveConfig(seconds=0.1, width=96, height=64, seed=5, rig="two", workers=1)
    simulate(config, tmp_path / "bag")
    found = contents(tmp_path / "bag")
    own = {f"/{n}/{t}" for n in ("front", "back") for t in ("image_raw", "camera_info")}
    own |= {f"/truth/{n}/{t}" for n in ("front", "back") for t in ("mask", "depth")}
    world = {layout.POINTS_TOPIC, layout.OCCUPANCY_TOPIC, layout.BOXES_TOPIC}
    assert set(found) == own | world | {layout.TF_TOPIC, layout.TF_STATIC_TOPIC}
    assert {t.child for t in read_transforms(found[layout.TF_STATIC_TOPIC][0])} == {
        "lidar", "front", "front_optical", "back", "back_optical",
    }  # fmt: skip
    for name, shape in (("front", (64, 96)), ("back", (32, 48))):
        header, image = read_image(found[f"/{name}/image_raw"][0])
        info = read_camera_info(found[f"/{name}/camera_info"][0])
        assert image.shape == (*shape, 3)
        assert read_mask(found[f"/truth/{name}/mask"][0])[1].shape == shape
        assert (info.height, info.width) == shape
        assert header.frame_id == info.header.frame_id == f"{name}_optical"


def test_single_camera_is_what_it_was(tmp_path: Path) -> None:
    """Figures of the simulator before it knew rigs."""
    config = DriveConfig(seconds=0.1, width=192, height=108, seed=3, workers=1)
    simulate(config, tmp_path / "bag")
    found = contents(tmp_path / "bag")
    assert set(found) == {
        "/camera/camera_info", "/camera/image_raw", "/lidar/points", "/tf", "/tf_static",
        "/truth/boxes", "/truth/depth", "/truth/mask", "/truth/occupancy",
    }  # fmt: skip
    header, image = read_image(found["/camera/image_raw"][0])
    assert header.frame_id == "camera_optical"
    assert image.mean(axis=(0, 1)) == pytest.approx(MEAN_BGR, abs=0.05)
    ids = np.bincount(read_mask(found["/truth/mask"][0])[1].ravel(), minlength=12)
    assert ids == pytest.approx(np.array(PIXELS), abs=5)
    assert read_camera_info(found["/camera/camera_info"][0]).k[0] == pytest.approx(FOCAL, abs=0.001)


@pytest.mark.parametrize("name", RIGS)
def test_cameras_look_where_the_table_says(name: str) -> None:
    sensors = DriveConfig(width=640, height=360, rig=name).sensors
    for mount, mounted in zip(RIGS[name], sensors.cameras, strict=True):
        pose, camera = mounted.base_optical, mounted.camera
        ahead = pose[:3, :3] @ [0, 0, 1]
        assert np.rad2deg(np.arctan2(ahead[1], ahead[0])) % 360 == pytest.approx(mount.yaw % 360)
        assert ahead[2] < 0
        assert pose[:3, 3] == pytest.approx(mount.position)
        edges = camera.rays()[camera.height // 2][[0, -1]]
        angles = np.rad2deg(np.arctan2(edges[:, 0], edges[:, 2]))
        assert np.ptp(angles) == pytest.approx(mount.view, abs=0.5)


def test_neighboring_cameras_see_the_same_things(
    rig_drive: list[DriveFrame], rig_config: DriveConfig
) -> None:
    """A point of the front image is in the left one, with its depth and label, or hidden."""
    front, left = rig_config.sensors.cameras[:2]
    t_left_front = invert(left.base_optical) @ front.base_optical
    for frame in rig_drive:
        assert [view.name for view in frame.views] == ["front", "left", "right"]
        seen, other = frame.views[:2]
        solid = seen.depth > 0
        points = (front.camera.rays() * seen.depth[..., None])[solid]
        points = points @ t_left_front[:3, :3].T + t_left_front[:3, 3]
        pixels, inside = left.camera.project(points)
        u, v = np.rint(pixels[inside]).astype(int).T
        expected, depth = points[inside, 2], other.depth[v, u]
        same = np.abs(depth - expected) < 0.05 * expected
        assert inside.sum() > 500
        assert same.mean() > 0.7
        agree = other.mask[v, u][same] == seen.mask[solid][inside][same]
        assert agree.mean() > 0.95


def test_grid_is_all_around_the_robot(rig_drive: list[DriveFrame]) -> None:
    for frame in rig_drive:
        grid = frame.occupancy
        assert grid is not None
        middle = np.asarray(grid.origin_xy) + 0.5 * grid.resolution * np.array(
            grid.data.shape[::-1]
        )
        assert middle == pytest.approx(frame.T_odom_base[:2, 3], abs=grid.resolution)
        cells = grid.centers() - frame.T_odom_base[:2, 3]
        ahead, left = cells @ frame.T_odom_base[:2, 0], cells @ frame.T_odom_base[:2, 1]
        bearing = np.rad2deg(np.arctan2(left, ahead))[grid.data == 0]
        share = np.histogram(bearing, (-180, -110, -35, 35, 110, 180))[0] / (grid.data == 0).sum()
        assert share[[0, 4]].max() < 0.01  # the three cameras see 200 degrees
        assert share[1:4].min() > 0.005  # parked cars are near on the right


def test_unknown_rig_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="rig 'five': unknown; use one of one, two, three, six"):
        simulate(DriveConfig(rig="five"), tmp_path / "bag")

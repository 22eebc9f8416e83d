"""The simulated truth agrees with itself."""

import cv2
import numpy as np
import pytest

from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.geometry.transforms import invert
from pdn_ros.simulation import DriveConfig, DriveFrame, render_drive
from pdn_ros.simulation.drive_rendering import EPOCH_NS
from pdn_ros.simulation.scene import draw_course


def test_stamps_sizes_and_types(drive: list[DriveFrame], config: DriveConfig) -> None:
    assert [f.stamp_ns - EPOCH_NS for f in drive] == [f.index * 100_000_000 for f in drive]
    for frame in drive:
        assert frame.image.shape == (180, 320, 3)
        assert frame.image.dtype == np.uint8
        assert frame.mask.shape == frame.depth.shape == (180, 320)
        assert frame.scan is not None
        assert frame.scan.dtype == np.float32
        assert frame.scan.shape[1] == 4


def test_every_class_appears_and_no_other_id(drive: list[DriveFrame]) -> None:
    ids = np.unique(np.concatenate([np.unique(f.mask) for f in drive]))
    assert ids.tolist() == list(range(len(load_classes("street").names)))


def test_pictures_have_contrast_and_color(drive: list[DriveFrame]) -> None:
    for frame in drive:
        gray = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
        assert 50 < gray.mean() < 190
        assert gray.std() > 25


def test_sky_alone_has_no_depth(drive: list[DriveFrame]) -> None:
    sky = load_classes("street").id_of("sky")
    for frame in drive:
        assert ((frame.depth == 0) == (frame.mask == sky)).all()


def test_returns_fall_on_their_own_label_and_depth(
    drive: list[DriveFrame], config: DriveConfig
) -> None:
    """Away from edges: another place of the camera sees around things that the LiDAR hits."""
    rig = config.sensors
    mounted = rig.cameras[0]
    t_optical_lidar = invert(mounted.base_optical) @ rig.base_lidar
    agreeing, near, total = 0, 0, 0
    for frame in drive:
        assert frame.scan is not None
        assert frame.scan_mask is not None
        points = frame.scan[:, :3] @ t_optical_lidar[:3, :3].T + t_optical_lidar[:3, 3]
        pixels, inside = mounted.camera.project(points)
        u, v = np.rint(pixels[inside]).astype(int).T
        depth = np.where(frame.depth == 0, 1e3, frame.depth)
        window = np.ones((5, 5), np.uint8)
        # Flat: neither a step of depth nor another class within two pixels.
        step = cv2.dilate(depth, window) / cv2.erode(depth, window)
        same = cv2.dilate(frame.mask, window) == cv2.erode(frame.mask, window)
        flat = ((step < 1.35) & same)[v, u]
        z = points[inside][flat, 2]
        seen, label = depth[v, u][flat], frame.mask[v, u][flat]
        close = np.abs(seen - z) < 0.1 + 0.15 * z
        agreeing += int((label == frame.scan_mask[inside][flat])[close].sum())
        near += int(close.sum())
        total += int(flat.sum())
    assert total > 10_000
    assert near / total > 0.98  # the rest: seen past something that hides it from the camera
    assert agreeing / near > 0.995


def test_road_below_the_camera_has_the_depth_of_a_plane(
    drive: list[DriveFrame], config: DriveConfig
) -> None:
    """The road near the vehicle is the plane z = 0 of base_link but for slope and springs."""
    mounted, road = config.sensors.cameras[0], load_classes("street").id_of("road")
    pose = mounted.base_optical
    rays = mounted.camera.rays() @ pose[:3, :3].T
    with np.errstate(divide="ignore"):
        expected = -pose[2, 3] / rays[..., 2]
    for frame in drive:
        chosen = (frame.mask == road) & (expected > 0) & (expected < 8)
        assert chosen.sum() > 500
        error = np.abs(frame.depth[chosen] / expected[chosen] - 1)
        assert np.quantile(error, 0.95) < 0.06


def test_boxes_hold_their_returns(drive: list[DriveFrame], config: DriveConfig) -> None:
    names, rig = load_classes("street").names, config.sensors
    boxed = {"vehicle", "pedestrian", "cyclist"}
    held, total = 0, 0
    for frame in drive:
        assert frame.scan is not None
        assert frame.scan_mask is not None
        points = frame.scan[:, :3] @ rig.base_lidar[:3, :3].T + rig.base_lidar[:3, 3]
        mine = np.isin(frame.scan_mask, [names.index(n) for n in boxed])
        inside = np.zeros(len(points), bool)
        for box in frame.boxes:
            if box.label in boxed:
                inside |= box.contains(points, 0.15)
        held += int((inside & mine).sum())
        total += int(mine.sum())
    assert total > 2000
    assert held / total > 0.99
    assert {b.label for f in drive for b in f.boxes} == boxed | {"pole", "sign"}


def test_occupancy_agrees_with_the_scan(drive: list[DriveFrame], config: DriveConfig) -> None:
    """No obstacle's return in a free cell; road returns in view are hardly ever in obstacles."""
    names, rig = load_classes("street").names, config.sensors
    solid = [names.index(n) for n in ("building", "vehicle", "pedestrian", "cyclist", "pole")]
    for frame in drive:
        grid, scan = frame.occupancy, frame.scan
        assert grid is not None
        assert scan is not None
        assert frame.scan_mask is not None
        assert set(np.unique(grid.data)) <= {-1, 0, 75, 100}
        assert (grid.data == 0).sum() > 5000
        base = scan[:, :3] @ rig.base_lidar[:3, :3].T + rig.base_lidar[:3, 3]
        world = base @ frame.T_odom_base[:3, :3].T + frame.T_odom_base[:3, 3]
        cells = np.floor((world[:, :2] - grid.origin_xy) / grid.resolution).astype(int)
        window = ((cells >= 0) & (cells < grid.data.shape[::-1])).all(axis=1)
        value = np.full(len(cells), -1)
        value[window] = grid.data[cells[window, 1], cells[window, 0]]
        standing = np.isin(frame.scan_mask, solid) & (base[:, 2] > 0.5) & (base[:, 2] < 1.7)
        assert (value[standing & window] == 0).mean() < 0.01
        # The LiDAR sees the road below vehicles too.
        below = np.zeros(len(base), bool)
        for box in frame.boxes:
            below |= box.contains(base * [1, 1, 0] + [0, 0, box.center[2]], 0.3)
        road = (frame.scan_mask == names.index("road")) & window & ~below
        assert (value[road] >= 75).mean() < 0.02


def test_same_seed_same_bytes_whatever_the_workers(
    drive: list[DriveFrame], config: DriveConfig
) -> None:
    change = {"width": 160, "height": 90, "seconds": 1.0, "seed": 4}
    tiny = config.model_copy(update=change)
    alone = list(render_drive(tiny, (0, 7)))
    both = list(render_drive(tiny.model_copy(update={"workers": 2}), (0, 7)))
    for a, b in zip(alone, both, strict=True):
        assert a.scan is not None
        assert b.scan is not None
        for name in ("image", "mask", "depth", "T_odom_base", "scan"):
            assert getattr(a, name).tobytes() == getattr(b, name).tobytes()
        assert a.boxes == b.boxes
    assert (alone[0].mask != drive[0].mask[::2, ::2]).mean() > 0.1


def test_vehicle_drives_along_the_road_at_town_speed(config: DriveConfig) -> None:
    ego, path = draw_course(config.scene, config.seed, config.seconds)
    poses = [ego.pose(path, t) for t in np.arange(0, 20, 0.1)]
    steps = np.diff([p[:3, 3] for p in poses], axis=0)
    speed = np.linalg.norm(steps, axis=1) / 0.1
    assert 6 < speed.min() < speed.max() < 14
    forward = np.array([p[:3, 0] for p in poses[:-1]])
    assert (np.einsum("ij,ij->i", forward, steps) / (speed * 0.1) > 0.999).all()


def test_unknown_scene_is_one_clear_line(config: DriveConfig) -> None:
    with pytest.raises(InputError, match=r"scene 'mars': unknown; use one of street"):
        next(render_drive(config.model_copy(update={"scene": "mars"})))

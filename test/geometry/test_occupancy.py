from functools import lru_cache

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings
from worlds import OPTICAL, Box, World, pose

from pdn_ros.config import build
from pdn_ros.geometry import roles
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.ground import GroundPlane
from pdn_ros.geometry.lidar import project_scan
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.camera_info import CameraInfo

CAMERA = Camera.from_info(CameraInfo(width=621, height=188, k=[360, 0, 305, 0, 360, 86, 0, 0, 1]))
MOUNT = pose(x=0.27, z=1.65) @ OPTICAL
LIDAR = pose(z=1.73)
STREET = World(
    (
        Box((12.03, 16), (-1, 1)),
        Box((20, 20.3), (4, 4.3), 3),
        Box((25, 29), (-6, -4), 1.5, roles.DYNAMIC),
        Box((5, 60), (8.05, 9), 6),
    )
)
SECOND = 10**9


@lru_cache
def _image(world, camera, transform):
    return world.image(camera, np.array(transform))


def look(grid, world=STREET, base=None, stamp=0, *, lidar=False, mount=MOUNT, camera=CAMERA, **kw):
    """Add one exact image of a world, with LiDAR ranges where asked for."""
    base = np.eye(4) if base is None else base
    role, _ = _image(world, camera, tuple(map(tuple, base @ mount)))
    if lidar:
        kw["depth"] = project_scan(
            world.scan(base @ LIDAR, columns=900),
            camera=camera,
            T_camera_lidar=np.linalg.inv(mount) @ LIDAR,
            T_base_lidar=LIDAR,
            patch_size=64,
        ).depth
    grid.update(role, camera, mount, base, stamp, **kw)


def cell(snapshot, x, y):
    column = int(np.floor((x - snapshot.origin_xy[0]) / snapshot.resolution))
    row = int(np.floor((y - snapshot.origin_xy[1]) / snapshot.resolution))
    return snapshot.data[row, column]


def is_free(value):
    return 0 <= value <= 25


@pytest.mark.parametrize("lidar", [False, True])
def test_a_box_at_a_known_distance(lidar):
    grid = OccupancyGrid()
    look(grid, lidar=lidar)
    found = grid.snapshot(0)
    assert is_free(cell(found, 10, 0)) and is_free(cell(found, 11.5 if lidar else 10.6, 0.9))
    line = [cell(found, x, 0) for x in np.arange(11.05, 13, 0.1)]
    assert line.index(100) == pytest.approx(9, abs=1)  # 12.03 lies in the cell of 12.05, the tenth
    assert cell(found, 14, 0) != 0 and not is_free(cell(found, 14, 0))
    for x in (17, 25, 38):
        assert cell(found, x, 0) == -1  # behind it
    assert cell(found, -5, 0) == -1 and cell(found, 3, 10) == -1  # outside the view
    assert is_free(cell(found, 30, 3.3))


@pytest.mark.parametrize("lidar", [False, True])
@pytest.mark.parametrize(
    ("mount", "slope"),
    [
        (MOUNT, 0.0),
        (pose(x=0.27, z=1.65, pitch=0.17) @ OPTICAL, 0.0),
        (pose(x=0.27, z=1.65, roll=0.17) @ OPTICAL, 0.0),
        (pose(x=0.27, z=1.65, yaw=0.3, pitch=0.05, roll=-0.1) @ OPTICAL, 0.0),
        (MOUNT, 0.07),
    ],
)
def test_free_is_free_and_obstacles_are_where_they_are(mount, slope, lidar):
    world = World(STREET.boxes, slope)
    plane = GroundPlane(np.array([-slope, 0, 1]) / np.hypot(slope, 1), 0.0)
    grid = OccupancyGrid()
    for i in range(3):
        look(grid, world, stamp=i * SECOND // 10, lidar=lidar, mount=mount, plane=plane)
    found = grid.snapshot(2 * SECOND // 10)
    truth = world.occupied(found.origin_xy, found.data.shape, found.resolution)
    free = (found.data >= 0) & (found.data <= 25)
    assert free.sum() > 15_000
    assert free[truth].mean() < 0.001
    v, u = np.nonzero(found.data == 100)
    assert len(v) > 100
    # Each occupied cell within a pixel's footprint on the ground of a true one.
    x, y = (np.stack((u, v)) + 0.5) * found.resolution + np.array(found.origin_xy)[:, None]
    gaps = [
        np.hypot(
            np.maximum(0, np.maximum(b.x[0] - x, x - b.x[1])),
            np.maximum(0, np.maximum(b.y[0] - y, y - b.y[1])),
        )
        for b in world.boxes
    ]
    reach = np.hypot(x, y)
    assert (np.min(gaps, axis=0) <= 0.15 + 1.1 * reach**2 / 1.65 / 360).mean() > 0.98


def test_lidar_sharpens_the_distance_of_obstacles():
    """Camera alone errs by a pixel's footprint, 1.2 m at 25 m; with LiDAR by a cell."""
    errors = {}
    for lidar in (False, True):
        grid = OccupancyGrid()
        look(grid, lidar=lidar)
        found = grid.snapshot(0)
        xs = np.arange(22.05, 30, 0.1)
        line = [cell(found, x, -5) for x in xs]
        errors[lidar] = xs[line.index(100)] - 25.05
    assert abs(errors[True]) <= 0.15
    assert abs(errors[False]) < 1.3


def test_the_window_moves_and_obstacles_stay():
    grid = OccupancyGrid()
    corner = []
    for i in range(8):
        look(grid, base=pose(x=0.53 * i, y=0.11 * i, yaw=0.01 * i), stamp=i * SECOND // 10)
        found = grid.snapshot(i * SECOND // 10)
        corner.append(found.origin_xy)
        assert found.data.shape == (500, 500)
        steps = np.array(found.origin_xy) / found.resolution
        assert steps == pytest.approx(np.rint(steps), abs=1e-6)
    assert corner[-1][0] - corner[0][0] == pytest.approx(7 * 0.53, abs=0.6)
    truth = STREET.occupied(found.origin_xy, found.data.shape, 0.1)
    assert ((found.data >= 0) & (found.data <= 25))[truth].mean() < 0.002
    assert cell(found, 20.15, 4.15) == 100 or cell(found, 20.05, 4.15) == 100
    assert cell(found, 12.05, 0) == 100


@pytest.mark.parametrize("yaw", np.arange(0, 2 * np.pi, np.pi / 4))
def test_the_window_holds_the_view_at_every_heading(yaw):
    grid = OccupancyGrid()
    base = pose(x=1003.37, y=-512.61, yaw=yaw)
    look(grid, World(), base, 0)
    found = grid.snapshot(0)
    ahead = base @ [34, 0, 0, 1]
    assert is_free(cell(found, ahead[0], ahead[1]))
    behind = base @ [-5, 0, 0, 1]
    assert cell(found, behind[0], behind[1]) == -1


def test_evidence_fades_to_unknown():
    config = GridConfig(decay_s=2.0, dynamic_decay_s=0.5)
    grid = OccupancyGrid(config)
    for i in range(10):
        look(grid, stamp=i)
    now = grid.snapshot(10)
    later = grid.snapshot(SECOND // 2 + 10)
    moving = [(x, -5) for x in np.arange(24.05, 27, 0.1)]
    assert cell(now, 12.05, 0) == 100 and any(cell(now, *xy) == 100 for xy in moving)
    assert cell(later, 12.05, 0) == 100
    assert all(cell(later, *xy) == -1 for xy in moving)  # what moves fades sooner
    assert (grid.snapshot(2 * SECOND + 10).data == -1).all()
    assert np.array_equal(grid.snapshot(10).data, now.data)  # looking changes nothing


def test_a_jump_back_in_time_starts_anew():
    grid = OccupancyGrid()
    look(grid, stamp=100 * SECOND)
    look(grid, World(), stamp=SECOND)
    found = grid.snapshot(SECOND)
    assert is_free(cell(found, 12.05, 0))
    grid.reset()
    assert (grid.snapshot(0).data == -1).all()


def test_what_left_becomes_free():
    grid = OccupancyGrid()
    for i in range(10):
        look(grid, stamp=i)
    for i in range(6):
        look(grid, World(STREET.boxes[1:]), stamp=10 + i)
    assert is_free(cell(grid.snapshot(16), 12.05, 0))


def test_what_moved_in_is_not_free_from_the_first_look():
    """However often the place was seen free; and what it hides now is unknown, not remembered."""
    grid = OccupancyGrid()
    for i in range(10):
        look(grid, World(), stamp=i)
    assert is_free(cell(grid.snapshot(10), 20, 0))
    look(grid, World((Box((12.03, 16), (-1, 1), 1.5, roles.DYNAMIC),)), stamp=10)
    found = grid.snapshot(10)
    assert cell(found, 12.05, 0) == 100
    assert not any(is_free(cell(found, x, 0)) for x in np.arange(11.85, 30, 0.1))
    assert is_free(cell(found, 20, 6))


def test_the_ground_seen_below_a_body_is_not_free():
    """A car from the side: four wheels, and a body 0.3 m above the ground between them."""
    wheels = [
        Box((x, x + 0.6), (y, y + 0.25), 0.6, roles.DYNAMIC) for x in (12, 13.2) for y in (-2, 1.7)
    ]
    body = Box((12, 13.8), (-2, 2), 1.1, roles.DYNAMIC, bottom=0.3)
    grid = OccupancyGrid()
    look(grid, World((*wheels, body)))
    found = grid.snapshot(0)
    for y in np.arange(-1.95, 2, 0.1):
        assert not any(is_free(cell(found, x, y)) for x in np.arange(12.05, 14, 0.1))
        assert is_free(cell(found, 10.5, y))
    assert cell(found, 12.05, 0) == 100


def test_a_box_on_a_curb_is_not_taken_for_free():
    """On ground 0.14 m higher it seems 9 % farther away than it is."""
    grid = OccupancyGrid()
    look(
        grid,
        World(
            (
                Box((12.03, 16), (-3, 3), 1.0, bottom=0.14),
                Box((12.03, 16), (-3, 3), 0.02, roles.GROUND, 0.12),
            )
        ),
    )
    found = grid.snapshot(0)
    line = [cell(found, x, 0) for x in np.arange(9.05, 15, 0.1)]
    assert is_free(line[5]) and not any(is_free(value) for value in line[30:])


def test_uncertain_pixels_say_nothing():
    grid = OccupancyGrid()
    confidence = np.full((188, 621), 255, dtype=np.uint8)
    confidence[:, :300] = 10
    look(grid, World(), confidence=confidence)
    found = grid.snapshot(0)
    assert is_free(cell(found, 10, -2))
    assert cell(found, 10, 2) == -1


def test_a_void_hides_where_the_obstacle_stands_but_not_that_it_does():
    grid = OccupancyGrid()
    role, _ = STREET.image(CAMERA, MOUNT)
    solid = np.isin(role, (roles.STATIC, roles.DYNAMIC))
    foot = solid & ~np.roll(solid, -6, axis=0)
    role[foot] = roles.UNKNOWN  # the lowest pixels of every obstacle
    grid.update(role, CAMERA, MOUNT, np.eye(4), 0)
    found = grid.snapshot(0)
    line = [cell(found, x, 0) for x in np.arange(11.05, 14, 0.1)]
    assert 100 in line[:12] and not any(is_free(value) for value in line[10:])


def test_no_ground_no_free():
    for code in (roles.UNKNOWN, roles.STATIC, roles.DYNAMIC, roles.SKY):
        grid = OccupancyGrid()
        grid.update(np.full((188, 621), code, np.uint8), CAMERA, MOUNT, np.eye(4), 0)
        assert (grid.snapshot(0).data == -1).all()


def test_ground_above_the_horizon_or_from_below_says_nothing():
    everything = np.full((188, 621), roles.GROUND, np.uint8)
    for mount in (
        pose(z=1.65, pitch=-0.5) @ OPTICAL,
        pose(z=-1.0) @ OPTICAL,
        pose(z=1.65, pitch=np.pi / 2) @ OPTICAL,
    ):
        grid = OccupancyGrid()
        grid.update(everything, CAMERA, mount, np.eye(4), 0)
        assert (grid.snapshot(0).data == -1).all()
    grid = OccupancyGrid()
    grid.update(everything, CAMERA, MOUNT, np.eye(4), 0)
    v, u = np.nonzero(grid.snapshot(0).data >= 0)
    x, y = (np.stack((u, v)) + 0.5) * 0.1 + np.array(grid.snapshot(0).origin_xy)[:, None]
    assert np.hypot(x - 0.27, y).max() < 40.1


def test_a_return_above_the_ground_is_never_free_whatever_the_mask_says():
    """The network overlooks the box: the LiDAR does not."""
    grid = OccupancyGrid()
    role, _ = World().image(CAMERA, MOUNT)
    depth = project_scan(
        STREET.scan(LIDAR, columns=900),
        camera=CAMERA,
        T_camera_lidar=np.linalg.inv(MOUNT) @ LIDAR,
        T_base_lidar=LIDAR,
        patch_size=64,
    ).depth
    grid.update(role, CAMERA, MOUNT, np.eye(4), 0, depth=depth)
    found = grid.snapshot(0)
    assert cell(found, 12.05, 0) == 100
    assert not is_free(cell(found, 14, 0)) and not is_free(cell(found, 20, 0))


def test_the_plane_comes_from_the_lidar_where_not_given():
    grid = OccupancyGrid()
    look(grid, World(STREET.boxes, 0.06), base=np.eye(4), lidar=True)
    found = grid.snapshot(0)
    xs = np.arange(22.05, 30, 0.1)
    assert xs[[cell(found, x, -5) for x in xs].index(100)] == pytest.approx(25.05, abs=0.3)


def test_what_hangs_high_does_not_stand_in_the_way():
    world = World((Box((15, 16), (-3, 3), 1, bottom=4.0),))
    grid = OccupancyGrid()
    look(grid, world, lidar=True)
    assert is_free(cell(grid.snapshot(0), 15.5, 0))


def test_the_ground_below_a_low_crown_is_not_free():
    """Between two returns 0.6 m apart it is unknown; between bollards 1.5 m apart it is free."""
    depth = np.zeros((CAMERA.height, CAMERA.width), dtype=np.float32)
    for y in (-0.35, 0.25, 3.05, 4.55):
        optical = np.linalg.inv(MOUNT) @ [12.05, y, 1.2, 1]
        (u, v), seen = (found[0] for found in CAMERA.project(optical[None, :3]))
        assert seen
        depth[round(v), round(u)] = optical[2]
    grid = OccupancyGrid()
    look(grid, World(), depth=depth, plane=GroundPlane.flat())
    found = grid.snapshot(0)
    assert cell(found, 12.05, -0.35) == 100 and cell(found, 12.05, 0.25) == 100
    assert not any(is_free(cell(found, 12.05, y)) for y in np.arange(-0.35, 0.3, 0.1))
    assert is_free(cell(found, 11.05, 0)) and is_free(cell(found, 12.05, 3.85))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"resolution": 0.0}, "resolution"),
        ({"resolution": float("nan")}, "resolution"),
        ({"size_m": (5000.0, 5.0)}, "32767"),
        ({"size_m": (3000.0, 3000.0)}, "too many"),
        ({"free_threshold": 60}, "free_threshold"),
        ({"occupied_threshold": 40}, "occupied_threshold"),
        ({"decay_s": -1.0}, "decay_s"),
    ],
)
def test_an_impossible_grid_is_refused(change, words):
    with pytest.raises(ValueError, match=words) as caught:
        build(GridConfig, change)
    assert "\n" not in str(caught.value)


def test_sizes_must_agree():
    with pytest.raises(ValueError, match="roles of size"):
        OccupancyGrid().update(np.zeros((3, 3), np.uint8), CAMERA, MOUNT, np.eye(4), 0)


TINY = Camera.from_info(CameraInfo(width=40, height=30, k=[30, 0, 20, 0, 30, 15, 0, 0, 1]))
angle = st.floats(-np.pi, np.pi)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(st.floats(-3, 3), angle, angle, angle),
    st.sampled_from(["none", "random", "zero", "nan"]),
    st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5), angle),
)
def test_any_mask_pose_and_depth_keep_the_rules(seed, mount, kind, base):
    """Never an exception, only legal values, and nothing free outside the view or its range."""
    rng = np.random.default_rng(seed)
    role = rng.integers(0, 5, (30, 40)).astype(np.uint8)
    depth = {
        "none": None,
        "zero": np.zeros((30, 40), np.float32),
        "nan": np.full((30, 40), np.nan, np.float32),
        "random": rng.uniform(-1, 60, (30, 40)).astype(np.float32),
    }[kind]
    height, yaw, pitch, roll = mount
    grid = OccupancyGrid(GridConfig(size_m=(20.0, 20.0), resolution=0.25, max_range=15))
    T_base_camera = pose(z=height, yaw=yaw, pitch=pitch, roll=roll) @ OPTICAL
    T_grid_base = pose(x=base[0], y=base[1], yaw=base[2])
    for stamp in (0, 10**8):
        grid.update(role, TINY, T_base_camera, T_grid_base, stamp, depth=depth)
    found = grid.snapshot(10**8)
    values = np.unique(found.data)
    assert (((values >= -1) & (values <= 25)) | (values == 100)).all()
    free = (found.data >= 0) & (found.data <= 25)
    if height <= 0 and kind != "random":
        assert not free.any()
    if free.any() and kind != "random":
        v, u = np.nonzero(free)
        xy = (np.stack((u, v), 1) + 0.5) * 0.25 + found.origin_xy
        assert np.hypot(*(xy - (T_grid_base @ T_base_camera)[:2, 3]).T).max() < 15.5
        points = np.column_stack((xy, np.zeros(len(xy)), np.ones(len(xy))))
        optical = (np.linalg.inv(T_grid_base @ T_base_camera) @ points.T)[:3].T
        pixels, _ = TINY.project(optical)
        ahead = optical[:, 2] > 0
        assert ahead.all()
        assert ((pixels > -2) & (pixels < (42, 32))).all()

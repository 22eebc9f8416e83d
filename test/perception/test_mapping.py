"""Masks become evidence at their own time, however late their transform is."""

import numpy as np
import pytest

from pdn_ros.classes import load_classes
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.messages.cdr import Header
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.mapping import WAITING, Evidence, Mapper

SECOND = 1_000_000_000
WIDTH, HEIGHT = 160, 120
T_BASE_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]])


def camera() -> Camera:
    k = np.array([[100.0, 0, 79.5], [0, 100, 59.5], [0, 0, 1]])
    return Camera(WIDTH, HEIGHT, k, np.zeros(0))


def road() -> np.ndarray:
    """Road below the horizon, sky above it."""
    classes = load_classes("street")
    mask = np.full((HEIGHT, WIDTH), classes.id_of("sky"), np.uint8)
    mask[HEIGHT // 2 + 2 :] = classes.id_of("road")
    return mask


def at(x: float) -> np.ndarray:
    pose = np.eye(4)
    pose[0, 3] = x
    return pose


class World:
    def __init__(self, **config) -> None:
        self.transforms = TransformBuffer()
        self.transforms.set_static("base_link", "camera", T_BASE_CAMERA)
        self.reports: list[str] = []
        self.notes: list[str] = []
        grace_s = config.pop("grace_s", 0.0)
        self.mapper = Mapper(
            PerceptionConfig(**config),
            load_classes("street").role_table(),
            self.transforms,
            report=lambda _, line: self.reports.append(line),
            note=self.notes.append,
            grace_s=grace_s,
        )

    def add(self, stamp_ns: int):
        header = Header(stamp_ns, "camera")
        view = self.mapper.view(header, camera())
        return self.mapper.add([Evidence(header, view, road())])

    def odometry(self, stamp_ns: int, x: float) -> None:
        self.transforms.set("odom", "base_link", stamp_ns, at(x))


def free_ahead(grid, x: float) -> bool:
    """Whether the road three meters ahead of a robot at x is free; 0 to 25 is."""
    return 0 <= grid.at(np.array([x + 3.0, 0.0])) <= 25


def test_a_grid_comes_at_once_where_odometry_is_there():
    world = World()
    world.odometry(10 * SECOND, 5.0)
    stamp_ns, grid = world.add(10 * SECOND)
    assert (stamp_ns, grid.frame) == (10 * SECOND, "odom")
    assert free_ahead(grid, 5.0)
    assert grid.at(np.array([-20.0, 0.0])) == -1
    assert world.notes == ["the grid stands in odom"]


def test_a_mask_waits_for_its_transform_and_is_added_at_its_own_time():
    world = World(transform_tolerance=5.0)
    world.odometry(9 * SECOND, 0.0)
    assert world.add(10 * SECOND) is None
    assert world.mapper.waits
    world.odometry(10 * SECOND, 5.0)
    stamp_ns, grid = world.mapper.update()
    assert stamp_ns == 10 * SECOND
    assert free_ahead(grid, 5.0)
    assert not world.mapper.waits
    assert world.reports == []


def test_every_mask_gets_its_grid_with_odometry_that_is_always_late():
    world = World(transform_tolerance=5.0)
    world.odometry(0, 0.0)
    stamps = []
    for tenth in range(1, 68):
        now = tenth * SECOND // 10
        due = world.add(now)
        stamps += [due[0]] if due else []
        if tenth > 2:
            world.odometry(now - 150_000_000, tenth / 10)  # 150 ms late
        due = world.mapper.update()
        stamps += [due[0]] if due else []
    assert len(stamps) >= 60
    assert stamps == sorted(set(stamps))


def test_a_transform_that_never_comes_is_reported_and_holds_nothing_up():
    world = World(transform_tolerance=0.0)
    world.odometry(9 * SECOND, 0.0)
    assert world.add(10 * SECOND) is None
    assert len(world.reports) == 1
    assert not world.mapper.waits
    world.odometry(11 * SECOND, 0.0)
    assert world.add(11 * SECOND) is not None


def test_masks_of_a_fast_camera_do_not_vanish_unreported():
    world = World(transform_tolerance=5.0)
    world.odometry(9 * SECOND, 0.0)
    for i in range(WAITING):
        assert world.add(10 * SECOND + i) is None
    assert world.reports == []
    assert world.add(11 * SECOND) is None  # the oldest makes room, long before the five seconds
    assert len(world.reports) == 1
    world.odometry(12 * SECOND, 0.0)
    assert world.mapper.update() is not None
    assert not world.mapper.waits


def test_an_older_mask_does_not_follow_a_newer_one():
    world = World(transform_tolerance=5.0)
    world.odometry(12 * SECOND, 0.0)
    assert world.add(10 * SECOND) is None  # before the odometry begins
    assert world.add(12 * SECOND) is not None
    assert not world.mapper.waits


def test_without_odometry_each_grid_shows_its_own_image_in_the_robot_s_frame():
    world = World()
    assert world.add(10 * SECOND)[1].frame == "base_link"
    assert "TF has no odom" in world.reports[0]


def test_the_grid_s_frame_is_given_time_to_appear():
    world = World(grace_s=60.0)
    assert world.add(10 * SECOND) is None
    world.odometry(10 * SECOND, 0.0)
    world.odometry(11 * SECOND, 0.0)
    assert world.add(11 * SECOND)[1].frame == "odom"


@pytest.mark.parametrize(("rate", "count"), [(10.0, 5), (2.0, 1), (0.0, 5)])
def test_grids_come_at_the_rate_asked_for(rate, count):
    world = World(grid={"rate": rate})
    world.odometry(0, 0.0)
    world.odometry(SECOND, 0.0)
    due = [world.add(tenth * SECOND // 10) for tenth in range(5)]
    assert sum(one is not None for one in due) == count


def test_the_grid_of_a_dead_camera_is_unknown_once():
    world = World(grid={"decay_s": 0.1})
    world.odometry(10 * SECOND, 0.0)
    world.add(10 * SECOND)
    assert world.mapper.expired() is None
    import time

    time.sleep(0.15)
    stamp_ns, grid = world.mapper.expired()
    assert stamp_ns > 10 * SECOND
    assert (grid.data == -1).all()
    assert world.mapper.expired() is None


def test_a_jump_of_the_grid_s_parameters_starts_afresh():
    world = World()
    world.odometry(10 * SECOND, 0.0)
    before = world.add(10 * SECOND)[1].data.shape
    world.mapper.reconfigure(PerceptionConfig(grid={"size_m": (20.0, 20.0)}))
    world.odometry(11 * SECOND, 0.0)
    after = world.add(11 * SECOND)[1].data.shape
    assert (before, after) == ((500, 500), (200, 200))


def around(yaw: float) -> np.ndarray:
    """A camera's pose on the robot, turned to the left by so many degrees."""
    c, s = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    turn = np.eye(4)
    turn[:2, :2] = [[c, -s], [s, c]]
    return turn @ T_BASE_CAMERA


YAWS = {"front": 0.0, "left": 90.0, "rear": 180.0, "right": 270.0}


class Rig(World):
    """Four cameras that look all around."""

    def __init__(self, **config) -> None:
        super().__init__(cameras=tuple(YAWS), **config)
        for name, yaw in YAWS.items():
            self.transforms.set_static("base_link", name, around(yaw))

    def see(self, **stamps_ns: int):
        evidence = []
        for name, stamp_ns in stamps_ns.items():
            header = Header(stamp_ns, name)
            view = self.mapper.view(header, camera())
            evidence.append(Evidence(header, view, road(), camera=name))
        return self.mapper.add(evidence)


def free_around(grid, x: float = 0.0) -> set[str]:
    """Which cameras see free road three meters before them, on a robot at x."""
    feet = {
        name: np.array([x, 0.0]) + 3 * around(yaw)[:2, 2]  # the optical axis
        for name, yaw in YAWS.items()
    }
    return {name for name, foot in feet.items() if 0 <= grid.at(foot) <= 25}


@pytest.mark.parametrize("frame", ["odom", "base_link"])
def test_one_grid_holds_what_all_cameras_of_a_set_see(frame):
    rig = Rig(grid={"rate": 0.0})
    if frame == "odom":
        rig.odometry(9 * SECOND, 0.0)
        rig.odometry(11 * SECOND, 0.0)
    for stamp_ns in (10 * SECOND, 10 * SECOND + 10**8):
        stamps = {name: stamp_ns - 10**6 * i for i, name in enumerate(YAWS)}
        newest_ns, grid = rig.see(**stamps)  # the front's stamp is the newest
        assert (newest_ns, grid.frame) == (stamp_ns, frame)
        assert free_around(grid) == set(YAWS)
    rows, columns = grid.data.shape
    assert grid.origin_xy == (-columns / 20, -rows / 20)  # the robot in the middle


def test_without_odometry_a_set_does_not_keep_what_an_earlier_one_saw():
    rig = Rig()
    rig.see(front=10 * SECOND, left=10 * SECOND)
    assert free_around(rig.see(front=11 * SECOND)[1]) == {"front"}


def test_a_camera_that_lags_behind_does_not_turn_time_back():
    rig = Rig(grid={"rate": 0.0, "decay_s": 5.0})
    rig.odometry(9 * SECOND, 0.0)
    rig.odometry(12 * SECOND, 0.0)
    rig.see(front=10 * SECOND)
    stamp_ns, grid = rig.see(left=10 * SECOND - 10**8)
    assert (stamp_ns, free_around(grid)) == (10 * SECOND, {"front", "left"})
    # An older image of the same camera is a jump back.
    assert free_around(rig.see(left=9 * SECOND)[1]) == {"left"}


def test_a_camera_without_a_transform_waits_alone():
    rig = Rig(transform_tolerance=0.0)
    rig.odometry(9 * SECOND, 0.0)
    rig.odometry(10 * SECOND, 0.0)
    stamp_ns, grid = rig.see(left=3600 * SECOND, front=10 * SECOND)
    assert (stamp_ns, free_around(grid)) == (10 * SECOND, {"front"})
    (line,) = rig.reports
    assert line.startswith("left: ")
    assert not rig.mapper.waits

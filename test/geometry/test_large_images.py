import numpy as np
import pytest
from test_occupancy import CAMERA, MOUNT, STREET, cell, is_free
from worlds import OPTICAL, Box, World, pose

from pdn_ros.geometry import roles
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.camera_info import CameraInfo

LARGE = Camera.from_info(
    CameraInfo(width=1920, height=1080, k=[1300, 0, 960, 0, 1300, 540, 0, 0, 1])
)


def test_the_larger_code_is_the_safer_one():
    order = (roles.GROUND, roles.UNKNOWN, roles.SKY, roles.STATIC, roles.DYNAMIC)
    assert list(order) == sorted(order)


def test_labels_become_codes_and_uncertain_ones_unknown():
    of_class = np.full(256, roles.UNKNOWN, np.uint8)
    of_class[[3, 8, 2, 0]] = roles.GROUND, roles.DYNAMIC, roles.STATIC, roles.SKY
    labels = np.array([[3, 8, 2, 0, 255, 3, 8]], np.uint8)
    confidence = np.array([[96, 255, 96, 96, 255, 95, 0]], np.uint8)
    ground, unknown, sky = roles.GROUND, roles.UNKNOWN, roles.SKY
    sure = [ground, roles.DYNAMIC, roles.STATIC, sky, unknown]
    found = roles.confident_roles(labels, of_class, confidence, 96)
    assert found.tolist() == [[*sure, unknown, unknown]]
    for given in (None, confidence):  # a least confidence of 0 lets everything through
        everything = roles.confident_roles(labels, of_class, given, 0)
        assert everything.tolist() == [[*sure, ground, roles.DYNAMIC]]


def test_a_grid_takes_labels_of_its_own():
    table = np.full(256, roles.UNKNOWN, np.uint8)
    table[[7, 9, 11, 13]] = roles.GROUND, roles.STATIC, roles.DYNAMIC, roles.SKY
    role, _ = STREET.image(CAMERA, MOUNT)
    label_of = np.zeros(256, np.uint8)
    label_of[[roles.GROUND, roles.STATIC, roles.DYNAMIC, roles.SKY]] = 7, 9, 11, 13
    plain, own = OccupancyGrid(), OccupancyGrid(roles=table)
    plain.update(role, CAMERA, MOUNT, np.eye(4), 0)
    own.update(label_of[role], CAMERA, MOUNT, np.eye(4), 0)
    np.testing.assert_array_equal(plain.snapshot(0).data, own.snapshot(0).data)


@pytest.mark.parametrize("roll", [0.0, 0.1, np.pi / 2])
@pytest.mark.parametrize("shift", [0, 1, 2])
def test_what_is_one_pixel_wide_stops_the_view_of_a_large_image(roll, shift):
    """Several pixels share a direction there: whichever of them shows it, it must not get lost."""
    mount = pose(x=0.27, z=1.65, roll=roll) @ OPTICAL
    role, _ = World().image(LARGE, mount)
    foot = np.linalg.inv(mount) @ [15.27, 0, 0, 1]  # 15 m ahead, on the ground
    top = np.linalg.inv(mount) @ [15.27, 0, 1.6, 1]
    (u, v), (u1, v1) = ((LARGE.k @ p[:3] / p[2])[:2] for p in (foot, top))
    steps = np.linspace(0, 1, 4000)
    side = np.array([-(v1 - v), u1 - u]) / np.hypot(u1 - u, v1 - v) * shift
    role[
        np.rint(v + steps * (v1 - v) + side[1]).astype(int),
        np.rint(u + steps * (u1 - u) + side[0]).astype(int),
    ] = roles.STATIC
    grid = OccupancyGrid()
    grid.update(role, LARGE, mount, np.eye(4), 0)
    found = grid.snapshot(0)
    lateral = [y for y in np.arange(-0.25, 0.3, 0.1) if 100 in
               [cell(found, x, y) for x in np.arange(14.5, 16.1, 0.1)]]  # fmt: skip
    assert lateral, "the pole is not in the grid"
    assert is_free(cell(found, 12, 0.0))
    assert not any(is_free(cell(found, x, min(lateral, key=abs))) for x in np.arange(15.6, 30, 0.1))


def test_a_large_image_holds_obstacles_as_a_small_one_does():
    world = World(
        (Box((12.03, 16), (-1, 1)), Box((20, 20.3), (4, 4.3), 3), Box((5, 60), (8.05, 9), 6))
    )
    grid = OccupancyGrid()
    for i in range(2):
        grid.update(world.image(LARGE, MOUNT)[0], LARGE, MOUNT, np.eye(4), i)
    found = grid.snapshot(1)
    truth = world.occupied(found.origin_xy, found.data.shape, found.resolution)
    free = (found.data >= 0) & (found.data <= 25)
    assert free.sum() > 15_000
    assert free[truth].mean() < 0.001
    assert 100 in [cell(found, x, 0) for x in np.arange(11.95, 12.2, 0.1)]

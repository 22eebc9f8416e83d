import numpy as np
import pytest
from wall import T_BASE_OPTICAL, camera

from pdn_ros.geometry.transforms import invert
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.occupancy import Grid
from pdn_ros.messages.patches import PatchArray
from pdn_ros.replay.boxes import BoxTally, returns_in_free, selected_by_driver

T_CAMERA_BASE = invert(T_BASE_OPTICAL)


def patches(selected: list[int], best: list[int]) -> PatchArray:
    """3 x 5 patches of 64 px; the driver alone would take `best`."""
    weights = np.zeros(15, dtype=np.float32)
    weights[best] = 1.0
    weights = weights.reshape(3, 5)
    ids = np.array(selected)
    return PatchArray(Header(0, ""), (320, 192), 64, weights, None, weights, ids, "patch", 4, "")


def tally(boxes: list[Box], grid: Grid | None, picked: PatchArray | None, points=None) -> BoxTally:
    result = BoxTally()
    result.add(
        boxes, camera=camera(), t_camera_base=T_CAMERA_BASE, grid=grid, t_grid_base=np.eye(4),
        patches=picked, points_base=points,
    )  # fmt: skip
    return result


def test_a_box_is_occupied_when_a_cell_of_its_footprint_is() -> None:
    data = np.zeros((100, 300), dtype=np.int8)  # y from -5 m, x from 0, cells of 0.1 m
    data[50, 100] = 100  # x in [10, 10.1), y in [0, 0.1)
    grid = Grid(data, (0.0, -5.0), 0.1, "odom")
    there = Box((10.0, 0.0, 0.8), 0.3, (2.0, 1.0, 1.6), "vehicle", 1)
    elsewhere = Box((15.0, 1.0, 0.8), 0.0, (2.0, 1.0, 1.6), "vehicle", 2)
    behind = Box((-10.0, 0.0, 0.8), 0.0, (2.0, 1.0, 1.6), "vehicle", 3)
    far = Box((40.0, 0.0, 0.8), 0.0, (2.0, 1.0, 1.6), "vehicle", 4)
    touched = np.tile(there.center, (5, 1))
    figures = tally([there, elsewhere, behind, far], grid, None, touched).metrics()
    assert figures.boxes == 2  # one is behind the camera, one beyond 30 m
    assert figures.occupied_share == 0.5
    assert figures.occupied_share_touched == 1.0


def test_small_boxes_lie_in_refined_patches_or_not() -> None:
    # 31 m before the camera: a height of 2 m is 200 * 2 / 31 = 13 px, around pixel (160, 99).
    small = Box((32.0, 0.0, 1.0), 0.0, (0.5, 0.5, 2.0), "pedestrian", 1)
    # 9 m before the camera: 44 px high.
    large = Box((10.0, 0.0, 1.0), 0.0, (0.5, 0.5, 2.0), "pedestrian", 2)
    center = 1 * 5 + 2  # the patch of pixel (160, 99): row 1, column 2
    figures = tally([small, large], None, patches([center], best=[0])).metrics()
    assert figures.small_boxes == 1
    assert figures.small_refined_share == 1.0
    assert figures.small_refined_share_without_prior == 0.0


def test_half_of_a_small_box_must_be_refined() -> None:
    # At y = 4.96 m and 31 m ahead the box is centered on u = 160 - 200 * 4.96 / 31 = 128: half in
    # column 1, half in column 2; 2.4 m of width at that distance are 15 px.
    box = Box((32.0, 4.8, 1.0), 0.0, (0.1, 2.4, 2.0), "vehicle", 1)
    left = tally([box], None, patches([6], best=[7])).metrics()
    assert left.small_refined_share + left.small_refined_share_without_prior == 1.0


def test_ties_go_to_the_lower_index_as_in_the_selector() -> None:
    assert selected_by_driver(patches([7, 8], best=[])).tolist() == [0, 1]


def test_returns_in_free_cells_are_counted_in_view_and_below_the_ceiling() -> None:
    data = np.full((100, 300), -1, dtype=np.int8)
    data[:, 100:110] = 0
    data[:, 110:120] = 100
    grid = Grid(data, (0.0, -5.0), 0.1, "odom")
    points = np.array(
        [
            [10.5, 0.0, 1.0],  # free
            [11.5, 0.0, 1.0],  # occupied
            [12.5, 0.0, 1.0],  # unknown
            [10.5, 0.0, 2.6],  # over the vehicle
            [10.5, 40.0, 1.0],  # out of view
            [-5.0, 0.0, 1.0],  # behind
        ]
    )
    found = returns_in_free(
        points, camera=camera(), t_camera_base=T_CAMERA_BASE, grid=grid, t_grid_base=np.eye(4)
    )
    assert found == (1, 3)


def test_without_boxes_nothing_is_known() -> None:
    assert np.isnan(tally([], None, None).metrics().occupied_share)
    assert tally([], None, None).metrics().boxes == pytest.approx(0)

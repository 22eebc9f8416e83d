"""The grid as nav2's StaticLayer reads it: a small reading of its rules as the oracle.

Source: ros-navigation/navigation2, `nav2_costmap_2d/plugins/static_layer.cpp` (interpretValue) and
`nav2_util/validate_messages.hpp`.
"""

import numpy as np
import pytest
from test_occupancy import STREET, look
from worlds import pose

from pdn_ros.geometry.occupancy import GridConfig, OccupancyGrid

FREE, LETHAL, UNKNOWN = 0, 254, 255


def interpret(data, *, trinary, track_unknown, lethal=100, inscribed=99):
    """Cost of every cell, as StaticLayer::interpretValue computes it."""
    value = data.view(np.uint8).astype(int)
    scaled = np.zeros_like(value) if trinary else (value * 254 // lethal)
    cost = np.where(value >= lethal, LETHAL, scaled)
    cost = np.where(value == inscribed, 253, cost)
    return np.where(value == 255, UNKNOWN if track_unknown else FREE, cost)


def valid(snapshot, frame="odom"):
    """What nav2 checks before it takes a map."""
    rows, columns = snapshot.data.shape
    return (
        bool(frame)
        and np.isfinite([*snapshot.origin_xy, snapshot.resolution]).all()
        and 0 < columns <= 32767
        and 0 < rows <= 32767
        and snapshot.data.size == rows * columns
        and snapshot.data.dtype == np.int8
        and snapshot.data.flags.c_contiguous
    )


@pytest.fixture(scope="module")
def snapshot():
    grid = OccupancyGrid()
    for i in range(4):
        look(grid, base=pose(x=103.33, y=-7.77, yaw=0.4) @ pose(x=0.2 * i), stamp=i * 10**8)
        look(grid, base=pose(x=0.2 * i), stamp=i * 10**8)
    return grid.snapshot(3 * 10**8)


def test_the_message_is_taken(snapshot):
    assert valid(snapshot)
    steps = np.array(snapshot.origin_xy) / snapshot.resolution
    assert steps == pytest.approx(np.rint(steps), abs=1e-6)  # else "not perfectly aligned"


@pytest.mark.parametrize("trinary", [True, False])
def test_each_cell_is_read_as_it_is_meant(snapshot, trinary):
    data = snapshot.data
    cost = interpret(data, trinary=trinary, track_unknown=True)
    assert {-1, 100} <= set(np.unique(data)) and (data == 0).sum() + (data > 0).sum() > 1000
    assert np.array_equal(cost == UNKNOWN, data == -1)
    assert np.array_equal(cost == LETHAL, data == 100)
    assert cost[(data >= 0) & (data < 100)].max() < 80
    truth = STREET.occupied(snapshot.origin_xy, data.shape, snapshot.resolution)
    assert (cost[truth] < 128).mean() < 0.005


def test_size_and_resolution_stay_while_the_window_moves():
    grid = OccupancyGrid(GridConfig(size_m=(50.0, 30.0)))
    shapes = set()
    for i in range(5):
        look(grid, base=pose(x=3.0 * i, yaw=0.5 * i), stamp=i * 10**8)
        found = grid.snapshot(i * 10**8)
        shapes.add((found.data.shape, found.resolution))
        assert valid(found)
    assert shapes == {((300, 500), 0.1)}

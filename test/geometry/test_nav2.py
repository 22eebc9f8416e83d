"""The grid as nav2's StaticLayer reads it: a small reading of its rules as the oracle.

Source: ros-navigation/navigation2, `nav2_costmap_2d/plugins/static_layer.cpp` (interpretValue,
processMap, updateCosts), `nav2_costmap_2d/src/costmap_2d.cpp` (updateOrigin) and
`validate_messages.hpp`.
"""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_occupancy import STREET, look
from worlds import pose

from pdn_ros.bags.storage import typestore
from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.occupancy import write_grid

FREE, INSCRIBED, LETHAL, UNKNOWN = 0, 253, 254, 255
STAMP = 1_700_000_000_123_456_789


def interpret(value, *, trinary, track_unknown, lethal=100, inscribed=99):
    """Cost of one value of the message, an unsigned byte; `inscribed` is None up to Jazzy."""
    if value == 255:
        return UNKNOWN if track_unknown else FREE
    if value == inscribed:
        return INSCRIBED
    if value >= lethal:
        return LETHAL
    return FREE if trinary else int(value / lethal * LETHAL)


def costs(data, **settings):
    """Cost of every cell of (rows, columns) int8."""
    table = np.array([interpret(value, **settings) for value in range(256)], dtype=np.uint8)
    return table[data.view(np.uint8)]


def valid(message):
    """What nav2 checks before it takes a map."""
    info, stamp = message.info, message.header.stamp
    position, turn = info.origin.position, info.origin.orientation
    numbers = [position.x, position.y, position.z, turn.x, turn.y, turn.z, turn.w, info.resolution]
    return (
        stamp.nanosec < 1_000_000_000
        and message.header.frame_id != ""
        and all(math.isfinite(number) for number in numbers)
        and abs(sum(q * q for q in numbers[3:7]) - 1) < 1e-4
        and info.resolution >= 1e-6
        and 0 < info.width <= 32767
        and 0 < info.height <= 32767
        and len(message.data) == info.width * info.height
    )


def message_of(snapshot, frame="odom"):
    """The message as it goes over the wire, read back by another library."""
    data = write_grid(STAMP, dataclasses.replace(snapshot, frame=frame))
    return typestore().deserialize_cdr(data, "nav_msgs/msg/OccupancyGrid")


def rolled(message, robot_xy, corner, side, *, track_unknown=True):
    """What a rolling costmap in the grid's frame makes of a message.

    Args:
        message: A grid.
        robot_xy: Where the robot is.
        corner: The costmap's first origin, of which it stays a whole number of cells away.
        side: Of the costmap, cells.
        track_unknown: Of the costmap.

    Returns:
        (side, side) costs and the costmap's origin.
    """
    step = 0.1
    wish = np.array(robot_xy) - side * step / 2
    origin = corner + np.trunc((wish - corner) / step) * step
    master = np.full((side, side), UNKNOWN if track_unknown else FREE, dtype=np.uint8)
    info = message.info
    values = np.asarray(message.data).reshape(info.height, info.width)
    layer = costs(values, trinary=False, track_unknown=track_unknown)
    centers = origin[:, None] + (np.arange(side) + 0.5) * step
    first = np.array([info.origin.position.x, info.origin.position.y])
    column, row = np.floor((centers - first[:, None]) / float(info.resolution)).astype(int)
    inside_x, inside_y = (column >= 0) & (column < info.width), (row >= 0) & (row < info.height)
    master[np.ix_(inside_y, inside_x)] = layer[np.ix_(row[inside_y], column[inside_x])]
    return master, origin


@pytest.fixture(scope="module")
def snapshot():
    grid = OccupancyGrid()
    for i in range(4):
        look(grid, base=pose(x=103.33, y=-7.77, yaw=0.4) @ pose(x=0.2 * i), stamp=i * 10**8)
        look(grid, base=pose(x=0.2 * i), stamp=i * 10**8)
    return grid.snapshot(3 * 10**8)


def test_the_message_is_taken(snapshot):
    message = message_of(snapshot)
    assert valid(message)
    assert (message.info.width, message.info.height) == snapshot.data.shape[::-1]
    turn = message.info.origin.orientation  # the layer ignores it
    assert (turn.x, turn.y, turn.z, turn.w) == (0, 0, 0, 1)
    stamp = message.header.stamp
    assert stamp.sec * 10**9 + stamp.nanosec == STAMP


@pytest.mark.parametrize(
    "change",
    [
        {"frame": ""},
        {"origin_xy": (math.nan, 0.0)},
        {"origin_xy": (0.0, math.inf)},
        {"resolution": 0.0},
        {"resolution": math.nan},
        {"data": np.zeros((0, 5), np.int8)},
        {"data": np.zeros((1, 32768), np.int8)},
    ],
)
def test_the_oracle_refuses_what_nav2_refuses(snapshot, change):
    frame = change.pop("frame", "odom")
    assert not valid(message_of(dataclasses.replace(snapshot, **change), frame))


@pytest.mark.parametrize("inscribed", [99, None])
@pytest.mark.parametrize("trinary", [True, False])
def test_each_cell_is_read_as_it_is_meant(snapshot, trinary, inscribed):
    data = snapshot.data
    cost = costs(data, trinary=trinary, track_unknown=True, inscribed=inscribed)
    assert {-1, 100} <= set(np.unique(data)) and ((data >= 0) & (data < 100)).sum() > 1000
    assert np.array_equal(cost == UNKNOWN, data == -1)
    assert np.array_equal(cost == LETHAL, data == 100)
    assert not (cost == INSCRIBED).any()
    free = (data >= 0) & (data < 100)
    if trinary:
        assert (cost[free] == FREE).all()
    else:  # by hand: 25 % of 254 is 63
        assert cost[free].max() <= 63
        assert np.array_equal(cost[free], (data[free] * 2.54).astype(np.uint8))
    truth = STREET.occupied(snapshot.origin_xy, data.shape, snapshot.resolution)
    assert (cost[truth] < 128).mean() < 0.005


def test_the_default_settings_betray(snapshot):
    """Why config/nav2_costmap.yaml sets them: unknown becomes free, and so does a 99 % obstacle."""
    cost = costs(snapshot.data, trinary=True, track_unknown=False)
    assert (cost[snapshot.data == -1] == FREE).all()
    doubtful = np.array([[-1, 0, 50, 98, 99, 100]], dtype=np.int8)
    settings = {"trinary": True, "track_unknown": False}
    assert costs(doubtful, **settings, inscribed=None).tolist() == [[0, 0, 0, 0, 0, 254]]
    settings = {"trinary": False, "track_unknown": True}
    assert costs(doubtful, **settings).tolist() == [[255, 0, 127, 248, 253, 254]]


def test_a_rolling_drive_stays_aligned():
    """Size and resolution stay, the origin moves by whole cells, no cell is read beside itself."""
    grid = OccupancyGrid(GridConfig(size_m=(50.0, 30.0)))
    shapes, corner = set(), None
    for i in range(6):
        base = pose(x=3.07 * i, y=-0.33 * i, yaw=0.12 * i)
        look(grid, base=base, stamp=i * 10**8)
        found = grid.snapshot(i * 10**8)
        message = message_of(found)
        assert valid(message)
        shapes.add((message.info.width, message.info.height, message.info.resolution))
        cells = np.array(found.origin_xy) / found.resolution
        assert cells == pytest.approx(np.rint(cells), abs=1e-6)  # "not perfectly aligned" else
        # The costmap's own origin is wherever the robot first stood, no multiple of a cell.
        corner = base[:2, 3] - 10.0 + 0.037 if corner is None else corner
        cost, origin = rolled(message, base[:2, 3], corner, 200)
        direct = costs(found.data, trinary=False, track_unknown=True)
        expected = np.full((200, 200), UNKNOWN, dtype=np.uint8)
        dx, dy = np.rint((origin - found.origin_xy) / 0.1).astype(int)
        rows = slice(max(0, -dy), min(200, direct.shape[0] - dy))
        columns = slice(max(0, -dx), min(200, direct.shape[1] - dx))
        expected[rows, columns] = direct[
            rows.start + dy : rows.stop + dy, columns.start + dx : columns.stop + dx
        ]
        assert np.array_equal(cost, expected)
        assert (cost == LETHAL).any() or i > 4
        truth = STREET.occupied(tuple(origin), cost.shape, 0.1)
        assert (cost[truth] < 128).mean() < 0.01  # a costmap cell lies across two of the world's
    assert len(shapes) == 1


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_float32_resolution_keeps_the_cells(x, y):
    """The message's resolution is a float32: far from the origin it must not shift a cell."""
    step = float(np.float32(0.1))
    origin = np.array([x * 0.1, y * 0.1])
    centers = origin[:, None] + (np.arange(500) + 0.5) * 0.1
    found = np.floor((centers - origin[:, None]) / step).astype(int)
    assert np.array_equal(found, np.tile(np.arange(500), (2, 1)))

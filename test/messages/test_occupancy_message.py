import foreign
import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.occupancy import Grid, read_grid, write_grid

CELLS = np.array([[-1, 0, 100], [7, 50, 99]], dtype=np.int8)
ORIGIN = (-3.5, 2.0)


@pytest.mark.parametrize("big", [False, True])
def test_a_grid_of_another_writer(big):
    header, grid = read_grid(foreign.serialize(foreign.grid(CELLS, ORIGIN, 0.25), big=big))
    assert header == Header(foreign.STAMP, "odom")
    np.testing.assert_array_equal(grid.data, CELLS)
    assert (grid.origin_xy, grid.resolution, grid.frame) == (ORIGIN, 0.25, "odom")


def test_a_grid_that_we_wrote():
    data = write_grid(foreign.STAMP, Grid(CELLS, ORIGIN, 0.25, "odom"))
    assert data == foreign.serialize(foreign.grid(CELLS, ORIGIN, 0.25))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"xyzw": (0, 0, 0.5, 0.75**0.5)}, "rotated"),
        ({"xyzw": (1, 0, 0, 0)}, "rotated"),
        ({"xyzw": (0, 0, np.nan, 1)}, "rotated"),
        ({"size": (4, 2)}, "6 cells for 2 x 4"),
        ({"size": (2**31, 2**31)}, "6 cells"),
        ({"resolution": 0.0}, "cells of 0.0 m"),
        ({"resolution": np.nan}, "cells of nan m"),
        ({"origin_xy": (np.inf, 0)}, "damaged"),
    ],
)
def test_what_is_no_grid(changes, says):
    message = foreign.grid(**{"data": CELLS, "origin_xy": ORIGIN, "resolution": 0.25} | changes)
    with pytest.raises(InputError, match=rf"\Aoccupancy: [^\n]*{says}[^\n]*\Z"):
        read_grid(foreign.serialize(message))


def test_values_at_points():
    grid = Grid(CELLS, (10.0, 20.0), 0.5)
    points = np.array([[10.1, 20.1], [11.4, 20.9], [10.6, 20.6], [9.9, 20.1], [10, 21.1]])
    assert grid.at(points).tolist() == [-1, 99, 50, -1, -1]
    assert grid.covers(points).tolist() == [True, True, True, False, False]
    assert grid.centers().shape == (2, 3, 2)
    assert grid.centers()[1, 2].tolist() == [11.25, 20.75]
    assert (grid.at(grid.centers()) == CELLS).all()

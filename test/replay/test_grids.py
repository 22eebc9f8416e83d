import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.occupancy import Grid
from pdn_ros.replay.grids import GridTally, Sector, planar

AHEAD = Sector(np.array([0.0, 0.0]), -0.4, 0.8, 9.0)


def grid(data: np.ndarray, origin: tuple[float, float] = (0.0, -5.0)) -> Grid:
    return Grid(data.astype(np.int8), origin, 0.5, "odom")


def wall(column: int = 10) -> np.ndarray:
    """20 x 20 cells of 0.5 m: free up to a wall at x = column / 2, free again behind it."""
    data = np.zeros((20, 20))
    data[:, column] = 100
    return data


def test_values_are_read_by_their_cell_and_unknown_outside() -> None:
    cells = grid(np.arange(400).reshape(20, 20) % 101)
    # Row 10 holds y in [0, 0.5), column 3 holds x in [1.5, 2).
    assert cells.at(np.array([1.74, 0.26])) == (10 * 20 + 3) % 101
    assert cells.at(np.array([[-0.01, 0.0], [10.0, 0.0], [0.0, 5.0]])).tolist() == [-1, -1, -1]
    assert cells.covers(np.array([[0.0, -5.0], [10.0, 0.0]])).tolist() == [True, False]
    assert cells.centers()[0, 1].tolist() == [0.75, -4.75]


def test_the_sector_is_the_cameras_field_of_view() -> None:
    camera = Camera(
        width=201, height=101, k=np.array([[100.0, 0, 100], [0, 100.0, 50], [0, 0, 1]]),
        d=np.zeros(0), model="",
    )  # fmt: skip
    looking_left = np.array(
        [[1, 0, 0, 2.0], [0, 0, 1, 3.0], [0, -1, 0, 1.5], [0, 0, 0, 1]], dtype=np.float64
    )
    sector = Sector.of(camera, looking_left)
    # 45 degrees to either side of +y.
    assert sector.apex.tolist() == [2.0, 3.0]
    assert sector.start == pytest.approx(np.pi / 4, abs=1e-6)
    assert sector.width == pytest.approx(np.pi / 2, abs=1e-6)


def test_a_perfect_grid_in_another_frame_scores_one() -> None:
    truth = grid(wall())
    # The grid stands in a frame that is moved by whole cells and turned by a quarter.
    t_grid_truth = np.eye(4)
    t_grid_truth[:2, :2] = [[0, -1], [1, 0]]
    t_grid_truth[:2, 3] = [4.0, 1.0]
    other = Grid(np.full((40, 40), -1, dtype=np.int8), (-5.0, -2.0), 0.5, "map")
    back = np.linalg.inv(t_grid_truth)
    turned = truth.at(planar(back, other.centers()))
    tally = GridTally()
    tally.add(Grid(turned, other.origin_xy, 0.5, "map"), truth, t_grid_truth, [AHEAD])
    figures = tally.metrics()
    assert (figures.free_iou, figures.occupied_iou) == (1.0, 1.0)
    assert (figures.false_free, figures.unknown_share) == (0.0, 0.0)
    assert figures.distance_error_cells_p95 == 0.0


def test_a_wall_called_free_is_false_free_and_what_is_hidden_does_not_count() -> None:
    data = wall()
    data[:, 12] = 75  # a second wall, hidden behind the first
    data[:, 11] = data[:, 13:] = -1
    truth = grid(data)
    said = wall()
    said[10:, 10] = 0  # the half with y > 0 is called free
    said[:, 12] = 0
    tally = GridTally()
    tally.add(grid(said), truth, np.eye(4), [AHEAD])
    # At x = 5.25 the sector of +-0.4 rad reaches to |y| = 2.22: centers at +-0.25 ... +-1.75.
    assert tally.metrics().false_free == 0.5
    assert tally.scores.obstacles.tolist() == [4, 8]


def test_unknown_counts_apart_from_the_iou() -> None:
    truth = grid(wall())
    said = wall()
    said[:, :4] = -1
    tally = GridTally()
    tally.add(grid(said), truth, np.eye(4), [AHEAD])
    assert tally.metrics().free_iou == 1.0
    in_sector = AHEAD.contains(truth.centers())
    assert tally.metrics().unknown_share == in_sector[:, :4].sum() / in_sector.sum()


def test_nothing_scored_is_nan() -> None:
    assert np.isnan(GridTally().metrics().free_iou)


@given(st.floats(-np.pi, np.pi), st.floats(0.1, 6.0), st.floats(0.5, 30.0), st.floats(-0.49, 0.49))
def test_a_sector_contains_its_points_alone(
    start: float, width: float, reach: float, where: float
) -> None:
    sector = Sector(np.array([3.0, -2.0]), start, width, 40.0)
    bearing = start + (0.5 + where) * width
    point = sector.apex + reach * np.array([np.cos(bearing), np.sin(bearing)])
    assert sector.contains(point)
    assert not sector.contains(2 * sector.apex - point) or width > np.pi
    assert not sector.contains(sector.apex + (point - sector.apex) * 41.0 / reach)

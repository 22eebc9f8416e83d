"""Grid scores on hand-made grids."""

from dataclasses import dataclass

import numpy as np
import pytest

from pdn_ros.metrics import GridScore, boxes_occupied, free_share


@dataclass
class Grid:
    data: np.ndarray
    origin_xy: tuple[float, float] = (0.0, 0.0)
    resolution: float = 0.5


def grid(rows, **kwargs):
    return Grid(np.array(rows, dtype=np.int8), **kwargs)


TRUTH = grid([[0, 0, 0, 100], [0, 0, 100, -1]])


def test_hand_computed():
    score = GridScore()
    score.update(grid([[0, 10, -1, 90], [0, 50, 20, 100]]), TRUTH)
    # Cells known to both: 6 (one is unknown to the grid, one to the truth).
    # Free: said 4 of them, true 4, both 3. Occupied: said 1, true 2, both 1.
    assert score.free_iou == pytest.approx(3 / 5)
    assert score.occupied_iou == pytest.approx(1 / 2)
    assert score.false_free == pytest.approx(1 / 2)
    assert score.unknown_share == pytest.approx(1 / 7)
    # Said obstacle on a true one: 0. True obstacles: one hit, one beside a said one.
    assert (score.distance_error(50), score.distance_error(100)) == (0, 1)


def test_perfect_grid():
    score = GridScore()
    score.update(TRUTH, TRUTH)
    figures = (score.free_iou, score.occupied_iou, score.false_free, score.unknown_share)
    assert figures == (1, 1, 0, 0)
    assert score.distance_error(50) == 0


def test_distance_both_ways():
    truth, said = np.zeros((9, 9)), np.zeros((9, 9))
    truth[4, 2] = truth[4, 8] = said[4, 5] = 100
    score = GridScore()
    score.update(grid(said), grid(truth))
    assert score.distance_error(50) == 3
    said[7, 6] = 100  # (3, 2) from the nearest true obstacle: sqrt(13)
    score = GridScore()
    score.update(grid(said), grid(truth))
    assert score.distance_error(100) == pytest.approx(np.sqrt(13), abs=0.01)


def test_unknown_everywhere_is_not_dangerous():
    score = GridScore()
    score.update(grid(np.full((2, 4), -1)), TRUTH)
    assert (score.false_free, score.unknown_share) == (0, 1)
    assert np.isnan(score.free_iou)
    assert np.isnan(score.distance_error(50))


def test_shifted_windows_are_compared_where_they_overlap():
    rng = np.random.default_rng(1)
    world = rng.choice([-1, 0, 100], (20, 30)).astype(np.int8)
    truth = Grid(world[2:18, 4:26], (4 * 0.5, 2 * 0.5))
    said = Grid(world[5:20, 0:15], (0.0, 5 * 0.5))
    score = GridScore()
    score.update(said, truth)
    assert (score.free_iou, score.occupied_iou, score.false_free) == (1, 1, 0)
    assert score.cells[1] == (world[5:18, 4:15] >= 0).sum()


def test_where_limits_the_cells_of_the_truth():
    score = GridScore()
    near = np.zeros((2, 4), dtype=bool)
    near[:, :2] = True
    score.update(grid([[0, 0, 0, 0], [0, 100, 0, 0]]), TRUTH, near)
    assert score.free_iou == pytest.approx(3 / 4)
    assert score.cells[1] == 4


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (grid([[0]], resolution=0.1), "cannot be compared"),
        (grid([[0, 0]], origin_xy=(0.2, 0.0)), "snap"),
        (grid([[0, 0]], origin_xy=(50.0, 0.0)), "overlap"),
    ],
)
def test_grids_that_do_not_match_are_refused(other, message):
    with pytest.raises(ValueError, match=message):
        GridScore().update(other, TRUTH)


def test_boxes():
    data = np.zeros((20, 20))
    data[4, 10] = 100  # x 5 to 5.5, y 2 to 2.5
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=float)
    diamond = np.array([[0, -1], [1, 0], [0, 1], [-1, 0]], dtype=float)
    boxes = np.stack([square, square, diamond, square])
    boxes += np.array([[4.8, 1.8], [6, 4], [5.2, 3.1], [40, 40]])[:, None]
    assert boxes_occupied(grid(data), boxes).tolist() == [True, False, True, False]
    moved = grid(data, origin_xy=(1.0, 2.0))
    assert boxes_occupied(moved, boxes + np.array([1.0, 2.0])).tolist() == [
        True,
        False,
        True,
        False,
    ]


def test_returns_in_free_cells():
    points = np.array([[0.1, 0.1, 1], [1.9, 0.1, 1], [1.2, 0.7, 1], [1.6, 0.6, 1], [9, 9, 9]])
    assert free_share(TRUTH, points) == pytest.approx(1 / 4)
    assert np.isnan(free_share(TRUTH, points[4:]))

import numpy as np
import pytest

from pdn_ros.network.selector import Candidates, default_budget, select, select_shared

WEIGHTS = np.array([[0.1, 0.9, 0.5], [0.5, 0.2, 0.5]], np.float32)


def test_the_best_come_first_and_ties_go_by_index() -> None:
    assert select(WEIGHTS, 4).patches.tolist() == [1, 2, 3, 5]


def test_prior_is_blended_and_nan_leaves_the_driver() -> None:
    prior = np.array([[1.0, 0.0, np.nan], [np.nan, 1.0, np.nan]], np.float32)
    found = select(WEIGHTS, 2, prior=prior, lidar_weight=0.5)
    np.testing.assert_allclose(found.scores, [[0.55, 0.45, 0.5], [0.5, 0.6, 0.5]])
    assert found.patches.tolist() == [4, 0]


def test_threshold_spends_less_than_the_budget() -> None:
    assert select(WEIGHTS, 6, threshold=0.5).patches.tolist() == [1, 2, 3, 5]
    assert select(WEIGHTS, 6, threshold=0.95).patches.tolist() == []


def test_budget_beyond_all_takes_all_and_none_takes_none() -> None:
    assert len(select(WEIGHTS, 99).patches) == 6
    assert len(select(WEIGHTS, 0).patches) == 0


def test_prior_of_another_grid_is_refused() -> None:
    with pytest.raises(ValueError, match=r"prior of \(1, 3\) patches"):
        select(WEIGHTS, 2, prior=np.zeros((1, 3), np.float32))


def test_default_budget_is_a_quarter() -> None:
    assert [default_budget(n) for n in (1, 30, 135)] == [1, 8, 34]


FRONT = np.array([[0.9, 0.8], [0.7, 0.6]], np.float32)
LEFT = np.array([[0.1, 0.75], [0.2, 0.3]], np.float32)


def shared(images, budget: int, **options) -> list[list[int]]:
    found = select_shared([Candidates(*image) for image in images], budget, **options)
    return [one.patches.tolist() for one in found]


def test_the_best_of_all_images_share_one_budget() -> None:
    assert shared([(FRONT,), (LEFT,)], 4) == [[0, 1, 2], [1]]
    assert shared([(LEFT,), (FRONT,)], 5) == [[1], [0, 1, 2, 3]]


def test_every_image_gets_its_part_of_an_equal_share() -> None:
    assert shared([(FRONT,), (LEFT,)], 4, floor=1.0) == [[0, 1], [1, 3]]
    assert shared([(FRONT,), (LEFT * 0,)], 4, floor=0.5) == [[0, 1, 2], [0]]
    # Of 12 patches in two images, the one with 8 is due two thirds.
    wide = np.zeros((2, 4), np.float32)
    assert shared([(wide,), (FRONT,)], 6, floor=1.0) == [[0, 1, 2, 3], [0, 1]]


def test_a_floor_spends_nothing_on_patches_below_the_threshold() -> None:
    assert shared([(FRONT,), (LEFT,)], 4, floor=1.0, threshold=0.65) == [[0, 1, 2], [1]]


def test_an_important_image_wins_and_keeps_its_scores() -> None:
    found = select_shared([Candidates(FRONT), Candidates(LEFT, importance=2.0)], 2)
    assert [one.patches.tolist() for one in found] == [[0], [1]]
    np.testing.assert_array_equal(found[1].scores, LEFT)
    assert shared([(FRONT,), (LEFT, None, 10.0)], 4) == [[], [1, 3, 2, 0]]


def test_equal_scores_go_by_image_then_by_patch() -> None:
    flat = np.full((1, 3), 0.5, np.float32)
    assert shared([(flat,), (flat,)], 4) == [[0, 1, 2], [0]]


def test_each_image_has_its_own_prior_and_size() -> None:
    prior = np.array([[0.0, 1.0, np.nan]], np.float32)
    flat = np.full((1, 3), 0.5, np.float32)
    assert shared([(FRONT,), (flat, prior)], 2, lidar_weight=1.0) == [[0], [1]]
    with pytest.raises(ValueError, match="prior of"):
        shared([(FRONT,), (flat, FRONT)], 2)

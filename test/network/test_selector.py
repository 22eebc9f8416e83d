import numpy as np
import pytest

from pdn_ros.network.selector import default_budget, select

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

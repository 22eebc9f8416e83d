"""Intervals over images."""

import numpy as np
import pytest

from pdn_ros.metrics import difference


def share(counts):
    return counts[:, 0] / counts[:, 1]


def test_the_value_is_that_of_the_set_and_a_sure_difference_has_no_width() -> None:
    theirs = np.array([[1, 10], [2, 10], [3, 10]])
    found = difference(share, [theirs + np.array([1, 0])], [theirs])
    assert (found.value, found.low, found.high) == pytest.approx((0.1, 0.1, 0.1))


def test_the_interval_is_that_of_the_mean_of_a_sample() -> None:
    # With equal totals the figure is the mean over images: its error is known in closed form.
    rng = np.random.default_rng(0)
    gain = rng.normal(5, 20, 400).round().astype(np.int64)
    theirs = np.stack([np.full(400, 100), np.full(400, 1000)], 1)
    ours = theirs + np.stack([gain, np.zeros(400, np.int64)], 1)
    found = difference(share, [ours], [theirs])
    error = 1.96 * gain.std() / 400**0.5 / 1000
    assert found.value == pytest.approx(gain.mean() / 1000)
    assert found.high - found.value == pytest.approx(error, rel=0.1)
    assert found.value - found.low == pytest.approx(error, rel=0.1)


def test_several_systems_count_by_their_mean() -> None:
    one, two = np.array([[1, 10]]), np.array([[3, 10]])
    assert difference(share, [one], [one, two]).value == pytest.approx(-0.1)


def test_without_a_figure_there_is_no_interval() -> None:
    nothing = np.array([[1, 10]])
    found = difference(lambda c: np.full(len(c), np.nan), [nothing], [nothing])
    assert np.isnan([found.value, found.low, found.high]).all()

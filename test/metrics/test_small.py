"""Small components against cases that can be counted by hand."""

import math

import numpy as np
import pytest

from pdn_ros.metrics import SmallObjects
from pdn_ros.metrics.small import components, f1

POLE, SIGN, ROAD, VOID = 2, 6, 3, 255


def field() -> np.ndarray:
    return np.full((100, 100), ROAD, np.uint8)


def test_found_by_half_of_the_pixels() -> None:
    label, mask = field(), field()
    label[10:20, 10:14] = POLE  # 40 px, half of them predicted
    mask[10:15, 10:14] = POLE
    label[10:20, 50:54] = POLE  # 40 px, 19 of them predicted
    mask[10:14, 50:54] = POLE
    mask[14, 50:53] = POLE
    small = SmallObjects([POLE])
    small.update(mask, label)
    # Predicted are 20 and 19 px: too small to count.
    assert small.counts.tolist() == [[2, 0, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert small.scores().recall == 0.5
    assert math.isnan(small.scores().precision)
    assert small.scores().f1 == 0


def test_made_up_components_cost_precision_and_the_label_is_dilated() -> None:
    label, mask = field(), field()
    label[10:50, 10] = SIGN  # a line of 40 px
    mask[10:50, 12] = SIGN  # two pixels beside it: real, but nothing of the label is found
    mask[10:50, 60] = SIGN  # nothing there
    small = SmallObjects([SIGN])
    small.update(mask, label)
    assert small.counts[:, 0].tolist() == [1, 0, 2, 1]
    mask[10:50, 12], mask[10:50, 13] = ROAD, SIGN  # three pixels beside it
    small = SmallObjects([SIGN])
    small.update(mask, label)
    assert small.counts[:, 0].tolist() == [1, 0, 2, 0]


def test_size_classes_and_their_bounds() -> None:
    sizes = {29: None, 30: 0, 99: 0, 100: 1, 299: 1, 300: 2, 999: 2, 1000: None}
    for size, which in sizes.items():
        label = field()
        label.ravel()[: size // 100 * 100] = POLE
        label[size // 100, : size % 100] = POLE
        small = SmallObjects([POLE])
        small.update(label, label)
        expected = [0, 0, 0]
        if which is not None:
            expected[which] = 1
        assert small.counts.tolist() == [expected] * 4
    assert list(small.by_size()) == ["30-100", "100-300", "300-1000"]


def test_components_join_at_corners() -> None:
    mask = field()
    mask[0, 0] = mask[1, 1] = mask[5, 5] = POLE
    ids, areas = components(mask, POLE)
    assert areas.tolist() == [2, 1]
    assert ids[0, 0] == ids[1, 1] != ids[5, 5]


def test_void_predicts_nothing_and_hidden_classes_are_left_out() -> None:
    label, mask = field(), field()
    label[:, :50] = VOID
    mask[10:20, 10:20] = POLE  # on void
    mask[10:20, 60:70] = SIGN  # counts as a pole here
    label[10:20, 60:70] = POLE
    small = SmallObjects([POLE, SIGN], hidden={SIGN: POLE})
    small.update(mask, label)
    assert small.counts[:, 1].tolist() == [1, 1, 1, 1]
    assert small.counts[:, [0, 2]].sum() == 0
    assert small.scores().f1 == 1


def test_f1_is_the_harmonic_mean() -> None:
    # Recall 3 / 4, precision 2 / 5.
    assert f1(np.array([4, 3, 5, 2])) == pytest.approx(2 * 0.75 * 0.4 / 1.15)
    assert f1(np.array([4, 0, 5, 0])) == 0
    assert math.isnan(f1(np.array([0, 0, 5, 0])))


def test_other_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in size"):
        SmallObjects([POLE]).update(np.zeros((2, 2), np.uint8), np.zeros((2, 3), np.uint8))

"""Shares, waste, mendable errors and seams on hand-made patches."""

import numpy as np
import pytest

from pdn_ros.metrics import MendableErrors, Seams, Waste
from pdn_ros.metrics.selection import class_counts, patch_ids

SKY, ROAD, POLE = 0, 3, 2


def ids(*values):
    return np.array(values, dtype=np.int32)


def test_patch_ids_row_major_with_rest():
    got = patch_ids((5, 7), (5, 7), 4)
    np.testing.assert_array_equal(got[0], [0, 0, 0, 0, 1, 1, 1])
    np.testing.assert_array_equal(got[:, 0], [0, 0, 0, 0, 2])


@pytest.mark.parametrize("scale", [2, 3])
def test_patch_ids_of_larger_labels(scale):
    small = patch_ids((6, 8), (6, 8), 4)
    large = patch_ids((6 * scale, 8 * scale), (6, 8), 4)
    np.testing.assert_array_equal(large, small.repeat(scale, 0).repeat(scale, 1))


def test_class_counts():
    label = np.full((4, 8), SKY, dtype=np.uint8)
    label[0, 5] = POLE
    counts = class_counts(label, (4, 8), 4)
    assert counts.shape == (2, 256)
    assert (counts[0, SKY], counts[1, SKY], counts[1, POLE]) == (16, 15, 1)


def test_waste():
    # Patches of 4: sky, sky with a pole, void with sky, void, road, sky and road.
    label = np.full((4, 24), SKY, dtype=np.uint8)
    label[0, 5] = POLE
    label[1:, 8:12] = 255
    label[:, 12:16] = 255
    label[:, 16:20] = ROAD
    label[2:, 20:] = ROAD
    waste = Waste(plain=(SKY, ROAD))
    waste.update(ids(0, 1, 2, 3, 4), label, (4, 24), 4)
    assert waste.wasted_share == pytest.approx(3 / 5)
    assert waste.refined_share == pytest.approx(5 / 6)
    waste.update(ids(5), label, (4, 24), 4)
    assert waste.wasted_share == pytest.approx(3 / 6)
    assert waste.refined_share == pytest.approx(6 / 12)
    assert Waste(plain=(SKY,)).wasted_share == 0


def test_mendable_errors():
    # Three patches with 3, 1 and 2 errors of the context; refinement mends 2, 1 and 2 of them.
    label = np.full((4, 12), ROAD, dtype=np.uint8)
    label[:2, 8] = POLE
    label[3, 11] = 255
    context = label.copy()
    context[0, 0:3] = context[0, 4] = context[:2, 8] = context[3, 11] = SKY
    refined = label.copy()
    refined[0, 2] = SKY
    refined[3, 7] = SKY  # refinement may spoil, too
    recall = MendableErrors()
    args = {"label": label, "context": context, "refined": refined}
    recall.update(ids(1), **args, image_size=(4, 12), patch_size=4)
    assert recall.recall == pytest.approx(1 / 5)
    assert recall.best_recall == pytest.approx(2 / 5)
    recall.update(ids(0, 2), **args, image_size=(4, 12), patch_size=4)
    assert recall.recall == pytest.approx(5 / 10)
    thin = MendableErrors(classes=(POLE,))
    thin.update(ids(2), **args, image_size=(4, 12), patch_size=4)
    assert (thin.recall, thin.total) == (1.0, 2)


def test_a_smooth_edge_is_no_seam_and_a_jump_at_the_border_is():
    y, x = np.mgrid[:128, :128]
    mask = ((x + 2 * y) // 7 % 2).astype(np.uint8)
    seams = Seams()
    seams.update(mask, np.arange(16, dtype=np.int32), 32)
    assert seams.ratio == pytest.approx(1, abs=0.1)
    shifted = mask.copy()
    shifted[32:64, 32:64] = np.roll(mask, 3, axis=1)[32:64, 32:64]
    seams = Seams()
    seams.update(shifted, ids(5), 32)
    assert seams.ratio > 1.5


def test_seams_hand_computed():
    # One border between two patches of 8, three rows. Disagreements: 3 across it, 1 two pixels
    # left of it, 0 two right of it: 3 / 0.5.
    mask = np.zeros((3, 16), dtype=np.uint8)
    mask[:, 8:] = 1
    mask[0, :6] = 1
    seams = Seams()
    seams.update(mask, ids(1), 8)
    assert (seams.across, seams.inside) == (3, 0.5)
    untouched = Seams()
    untouched.update(mask, ids(), 8)
    assert np.isnan(untouched.ratio)


@pytest.mark.parametrize("size", [(8, 8), (9, 17), (64, 65), (7, 100)])
def test_seams_of_odd_sizes(size):
    mask = np.random.default_rng(0).integers(0, 3, size).astype(np.uint8)
    count = -(-size[0] // 8) * -(-size[1] // 8)
    seams = Seams()
    seams.update(mask, np.arange(count, dtype=np.int32), 8)
    assert np.isnan(seams.ratio) or 0.3 < seams.ratio < 3

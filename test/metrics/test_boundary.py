"""Boundary IoU against the authors' formula and hand-computed cases."""

import cv2
import numpy as np
import pytest

from pdn_ros.metrics import BoundaryIoU
from pdn_ros.metrics.boundary import boundary


def reference_boundary(mask: np.ndarray, width: int) -> np.ndarray:
    """Mask less its erosion by `width` steps of 3x3, the outside being background."""
    padded = np.pad(mask.astype(np.uint8), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=width)[1:-1, 1:-1]
    return (mask - eroded).astype(bool)


def blobs(seed: int, classes: int = 5, void: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    field = cv2.GaussianBlur(rng.random((120, 160, classes)), (0, 0), 9)
    ids = field.argmax(axis=2).astype(np.uint8)
    if void:
        ids[40:60, 70:100] = 255
    return ids


def test_agrees_with_the_authors_formula_over_a_set():
    score = BoundaryIoU(5)
    intersection, union = np.zeros(5), np.zeros(5)
    for seed in range(3):
        label, prediction = blobs(seed), blobs(seed, void=False)
        prediction[:, :80] = np.roll(prediction, 3, axis=1)[:, :80]
        score.update(prediction, label)
        prediction[label == 255] = 255
        for c in range(5):
            # 2 % of the diagonal of 120 x 160: 4 pixels.
            g = reference_boundary((label == c).astype(np.uint8), 4)
            p = reference_boundary((prediction == c).astype(np.uint8), 4)
            intersection[c] += (g & p).sum()
            union[c] += (g | p).sum()
    np.testing.assert_allclose(score.iou(), intersection / union)
    assert score.mean() == pytest.approx((intersection / union).mean())
    assert 0.2 < score.mean() < 0.9


def test_hand_computed():
    # 10 x 10, width 1: a 6 x 6 square has a ring of 20 pixels. Shifted by one column, the rings
    # share their upper and lower sides (5 pixels each) and no more.
    label = np.zeros((10, 10), dtype=np.uint8)
    label[2:8, 2:8] = 1
    prediction = np.roll(label, 1, axis=1)
    score = BoundaryIoU(2)
    score.update(prediction, label)
    assert score.iou()[1] == pytest.approx(10 / 30)


def test_perfect_is_one_and_absent_is_nan():
    label = blobs(7)
    score = BoundaryIoU(6)
    score.update(label, label)
    np.testing.assert_array_equal(score.iou(), [1, 1, 1, 1, 1, np.nan])


def test_the_inside_does_not_count():
    label = np.zeros((100, 100), dtype=np.uint8)
    label[20:80, 20:80] = 1
    prediction = label.copy()
    prediction[45:55, 45:55] = 0  # a hole makes boundary of its own, off the label's
    score = BoundaryIoU(2)
    score.update(prediction, label)
    ring = 60**2 - 54**2  # 3 pixels, 2 % of the diagonal
    hole = 16**2 - 10**2
    assert score.iou()[1] == pytest.approx(ring / (ring + hole))


def test_hidden_classes_make_no_boundary():
    label = np.full((50, 50), 1, dtype=np.uint8)
    prediction = label.copy()
    prediction[20:30, 20:30] = 2
    score = BoundaryIoU(3, hidden={2: 1})
    score.update(prediction, label)
    np.testing.assert_array_equal(score.iou(), [np.nan, 1, np.nan])


@pytest.mark.parametrize("width", [1, 2, 7])
def test_one_pass_finds_the_boundaries_of_all_classes(width):
    ids = blobs(11, void=False)
    each = [reference_boundary((ids == c).astype(np.uint8), width) for c in range(5)]
    np.testing.assert_array_equal(boundary(ids, width), np.any(each, axis=0))

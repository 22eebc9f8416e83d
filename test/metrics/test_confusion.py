"""IoU against hand-computed cases and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, jaccard_score

from pdn_ros.metrics import Confusion

LABEL = np.array([[0, 0, 1, 1], [2, 2, 255, 255]], dtype=np.uint8)
PREDICTION = np.array([[0, 1, 1, 1], [2, 0, 0, 1]], dtype=np.uint8)


def test_hand_computed():
    score = Confusion(4)
    score.update(PREDICTION, LABEL)
    # Class 0: 1 hit, 2 labelled, 2 predicted outside void: 1/3. Class 1: 2/3. Class 2: 1/2.
    np.testing.assert_allclose(score.iou(), [1 / 3, 2 / 3, 1 / 2, np.nan])
    assert score.miou() == pytest.approx(0.5)
    assert score.miou([1, 2, 3]) == pytest.approx(7 / 12)
    assert np.isnan(score.miou([3]))


def random_pair(rng, classes, void=0.1):
    label = rng.integers(0, classes, (40, 50)).astype(np.uint8)
    wrong = rng.integers(0, classes, label.shape)
    prediction = np.where(rng.random(label.shape) < 0.4, wrong, label).astype(np.uint8)
    label[rng.random(label.shape) < void] = 255
    return prediction, label


def test_agrees_with_scikit_learn_over_a_set():
    rng = np.random.default_rng(3)
    pairs = [random_pair(rng, 12) for _ in range(3)]
    score = Confusion(12)
    for prediction, label in pairs:
        score.update(prediction, label)
    label = np.concatenate([b[b != 255] for _, b in pairs])
    prediction = np.concatenate([a[b != 255] for a, b in pairs])
    np.testing.assert_array_equal(score.matrix()[:-1, :-1], confusion_matrix(label, prediction))
    np.testing.assert_allclose(score.iou(), jaccard_score(label, prediction, average=None))
    assert score.miou() == pytest.approx(jaccard_score(label, prediction, average="macro"))


def test_merging_counts_is_one_set():
    rng = np.random.default_rng(4)
    whole, parts = Confusion(5), [Confusion(5), Confusion(5)]
    for part in parts:
        pair = random_pair(rng, 5)
        whole.update(*pair)
        part.update(*pair)
    parts[0].merge(parts[1])
    np.testing.assert_array_equal(parts[0].counts, whole.counts)


def test_merged_classes_equal_relabelled_pixels():
    """The 11 classes of CamVid: lane markings count as road in prediction and label."""
    prediction, label = random_pair(np.random.default_rng(5), 12)
    score, expected = Confusion(12), Confusion(12)
    score.update(prediction, label)
    expected.update(np.where(prediction == 11, 3, prediction), np.where(label == 11, 3, label))
    np.testing.assert_allclose(score.merged(11, 3).iou(), expected.iou())
    assert np.isnan(score.merged(11, 3).iou()[11])
    assert not np.isnan(score.iou()[11])


def test_hidden_predictions_count_as_their_stand_in():
    label = np.array([[3, 3, 3, 4]], dtype=np.uint8)
    prediction = np.array([[3, 5, 4, 5]], dtype=np.uint8)
    score = Confusion(6, hidden={5: 3})
    score.update(prediction, label)
    # Road 3: hits 2 of 3 labelled and 3 predicted (the 5 on class 4 is road too): 2/4.
    np.testing.assert_allclose(score.iou()[3:], [0.5, 0.0, np.nan])
    assert score.miou() == pytest.approx(0.25)
    assert score.merged(5, 3).miou() == score.miou()


def test_void_predictions_are_wrong_and_predicted_classes_without_labels_score_zero():
    score = Confusion(3)
    score.update(np.array([[0, 255, 2]], np.uint8), np.array([[0, 0, 0]], np.uint8))
    np.testing.assert_allclose(score.iou(), [1 / 3, np.nan, 0])


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="differ in size"):
        Confusion(3).update(PREDICTION, LABEL[:1])
    with pytest.raises(ValueError, match="stands for another"):
        Confusion(3, {0: 1, 1: 2})

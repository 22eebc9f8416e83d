import math

import foreign
import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import (
    REASON_ALL,
    REASON_DRIVER,
    REASON_LIDAR,
    REASON_NONE,
    PatchArray,
    PatchPrior,
    read_patches,
    read_prior,
    write_patches,
    write_prior,
)

HEADER = Header(foreign.STAMP, "camera")
PRIOR = np.array([[0.5, 0.25], [0, 1]], dtype=np.float32)


def array(weights, selected, *, prior=None, scores=None) -> PatchArray:
    weights = np.array(weights, dtype=np.float32)
    return PatchArray(
        header=HEADER,
        image_size=(100, 70),
        patch_size=64,
        weights=weights,
        prior=prior,
        scores=weights if scores is None else np.array(scores, dtype=np.float32),
        selected=np.array(selected, dtype=np.int32),
        mode="patch",
        budget=2,
        budget_reason="asked for",
    )


def sent(patches: PatchArray):
    """The message as another library reads it."""
    data = write_patches(patches)
    message = foreign.deserialize(data, "pdn_ros/msg/PatchArray")
    # Not a byte more or less than the other library writes.
    assert foreign.serialize(message) == data
    return message


def test_patch_array_as_another_reader_sees_it():
    scores = [[0.125, 0.5], [0.25, 0.75]]
    message = sent(array([[0.1, 0.9], [0.2, 0.3]], [3, 1], prior=PRIOR, scores=scores))
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (1_700_000_000, 7)
    assert message.header.frame_id == "camera"
    assert (message.image_width, message.image_height, message.patch_size) == (100, 70, 64)
    assert (message.rows, message.cols, message.mode) == (2, 2, "patch")
    assert (message.budget, message.budget_reason) == (2, "asked for")
    boxes = [(p.index, p.x, p.y, p.width, p.height) for p in message.patches]
    assert boxes == [(0, 0, 0, 64, 64), (1, 64, 0, 36, 64), (2, 0, 64, 64, 6), (3, 64, 64, 36, 6)]
    assert [p.selected for p in message.patches] == [False, True, False, True]
    assert [p.weight for p in message.patches] == pytest.approx([0.1, 0.9, 0.2, 0.3])
    assert [p.prior for p in message.patches] == [0.5, 0.25, 0, 1]
    assert [p.score for p in message.patches] == [0.125, 0.5, 0.25, 0.75]
    assert [p.reason for p in message.patches] == [
        REASON_NONE, REASON_DRIVER, REASON_NONE, REASON_DRIVER,
    ]  # fmt: skip


def test_without_a_prior_its_values_are_nan():
    message = sent(array([[0.1, 0.9], [0.2, 0.3]], [1]))
    assert all(math.isnan(p.prior) for p in message.patches)


def test_reasons():
    weights = [[0.1, 0.9], [0.2, 0.3]]
    lifted = array(weights, [1, 0], prior=PRIOR, scores=[[0.8, 0.9], [0.2, 0.3]])
    assert lifted.reasons().tolist() == [REASON_DRIVER, REASON_LIDAR]
    assert array(weights, [1, 3]).reasons().tolist() == [REASON_DRIVER] * 2
    assert array(weights, [1, 3, 2, 0]).reasons().tolist() == [REASON_ALL] * 4
    assert array(weights, []).reasons().tolist() == []


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("prior", [0.5, math.nan])
def test_patch_array_of_another_writer(prior, big):
    message = foreign.patches(2, 3, prior=prior, selected=(1, 4, 2))
    found = read_patches(foreign.serialize(message, big=big))
    assert (found.header, found.image_size, found.patch_size) == (HEADER, (192, 128), 64)
    assert (found.mode, found.budget, found.budget_reason) == ("patch", 2, "asked for")
    assert found.weights == pytest.approx(np.arange(6).reshape(2, 3) / 100)
    assert found.scores == pytest.approx(np.arange(6).reshape(2, 3) / 10)
    assert found.selected.tolist() == [4, 2, 1]  # the best first
    if math.isnan(prior):
        assert found.prior is None
    else:
        assert (found.prior == 0.5).all()


def test_no_patches():
    assert read_patches(foreign.serialize(foreign.patches(0, 0))).weights.shape == (0, 0)
    assert sent(array(np.zeros((0, 0)), [])).patches == []


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (foreign.patches(2, 3, count=5), "5 patches do not fill 2x3"),
        (foreign.patches(2, 3, count=7), "7 patches do not fill 2x3"),
        (foreign.patches(1, 1, count=0), "0 patches"),
    ],
)
def test_patches_that_do_not_fill_the_grid(message, says):
    with pytest.raises(InputError, match=says):
        read_patches(foreign.serialize(message))


def test_patches_in_disorder_or_without_numbers():
    message = foreign.patches(2, 3)
    message.patches.reverse()
    with pytest.raises(InputError, match="in disorder"):
        read_patches(foreign.serialize(message))
    message = foreign.patches(2, 3)
    message.patches[2].score = math.nan
    with pytest.raises(InputError, match="not finite"):
        read_patches(foreign.serialize(message))


def test_a_truncated_array_is_refused():
    data = foreign.serialize(foreign.patches(2, 2))
    for end in range(len(data)):
        with pytest.raises(InputError):
            read_patches(data[:end])


@pytest.mark.parametrize("big", [False, True])
def test_prior_both_ways(big):
    weights = np.array([[0, 0.5, 1], [0.25, 0.75, 0.125]], dtype=np.float32)
    data = write_prior(PatchPrior(HEADER, (300, 200), 128, weights, 4321))
    message = foreign.deserialize(data, "pdn_ros/msg/PatchPrior")
    assert (message.image_width, message.image_height, message.patch_size) == (300, 200, 128)
    assert (message.rows, message.cols, message.returns) == (2, 3, 4321)
    assert list(message.weights) == weights.ravel().tolist()
    prior = read_prior(foreign.serialize(message, big=big))
    assert (prior.header, prior.image_size, prior.patch_size) == (HEADER, (300, 200), 128)
    np.testing.assert_array_equal(prior.weights, weights)
    assert (prior.returns, prior.weights.dtype) == (4321, np.dtype(np.float32))


@pytest.mark.parametrize("weight", [math.nan, -0.1, 1.5, math.inf])
def test_a_prior_outside_its_range_is_refused(weight):
    weights = np.array([[0.5, weight]], np.float32)
    with pytest.raises(InputError, match="prior: weights outside"):
        read_prior(write_prior(PatchPrior(HEADER, (1, 1), 1, weights, 0)))


def test_a_prior_of_wrong_length_is_refused():
    data = write_prior(PatchPrior(HEADER, (9, 9), 4, np.zeros((2, 2), np.float32), 0))
    message = foreign.deserialize(data, "pdn_ros/msg/PatchPrior")
    message.weights = message.weights[:3]
    with pytest.raises(InputError, match="3 weights for 2x2"):
        read_prior(foreign.serialize(message))


def test_a_truncated_prior_is_refused():
    data = write_prior(PatchPrior(HEADER, (300, 200), 128, np.zeros((2, 3), np.float32), 1))
    for end in range(len(data)):
        with pytest.raises(InputError):
            read_prior(data[:end])

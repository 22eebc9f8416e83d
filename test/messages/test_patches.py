import math

import numpy as np
import pytest

from pdn_ros.errors import InputError

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("torch")
pytestmark = pytest.mark.ros

from pdn_ros.msg import Patch, PatchArray, PatchPrior  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402

from pdn_ros.messages.cdr import Header  # noqa: E402
from pdn_ros.messages.patches import Prior, read_prior, reasons, write_patches, write_prior  # noqa: E402
from pdn_ros.network import Times  # noqa: E402
from pdn_ros.perception import Result  # noqa: E402

HEADER = Header(7_000_000_003, "camera_optical")


def result(weights, selected, *, prior_used=False, scores=None) -> Result:
    weights = np.array(weights, dtype=np.float32)
    return Result(
        mask=np.zeros((70, 100), np.uint8),
        confidence=None,
        patch_size=64,
        weights=weights,
        scores=weights if scores is None else np.array(scores, dtype=np.float32),
        selected=np.array(selected, dtype=np.int32),
        prior_used=prior_used,
        mode="patch",
        budget=2,
        budget_reason="asked for",
        times=Times(0, 0, 0, 0, 0, 0),
    )


def test_patch_array_as_the_generated_class_reads_it():
    prior = np.array([[0.5, 0.25], [0, 1]], dtype=np.float32)
    scores = [[0.125, 0.5], [0.25, 0.75]]
    done = result([[0.1, 0.9], [0.2, 0.3]], [3, 1], prior_used=True, scores=scores)
    message = deserialize_message(write_patches(HEADER, done, prior), PatchArray)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (7, 3)
    assert message.header.frame_id == "camera_optical"
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
        Patch.REASON_NONE,
        Patch.REASON_DRIVER,
        Patch.REASON_NONE,
        Patch.REASON_DRIVER,
    ]
    # Not a byte more or less than the generated class writes.
    assert len(serialize_message(message)) == len(write_patches(HEADER, done, prior))


def test_without_a_prior_its_values_are_nan():
    done = result([[0.1, 0.9], [0.2, 0.3]], [1])
    message = deserialize_message(write_patches(HEADER, done, None), PatchArray)
    assert all(math.isnan(p.prior) for p in message.patches)


def test_reasons():
    weights = [[0.1, 0.9], [0.2, 0.3]]
    lifted = result(weights, [1, 0], prior_used=True, scores=[[0.8, 0.9], [0.2, 0.3]])
    assert reasons(lifted).tolist() == [Patch.REASON_DRIVER, Patch.REASON_LIDAR]
    assert reasons(result(weights, [1, 3])).tolist() == [Patch.REASON_DRIVER] * 2
    assert reasons(result(weights, [1, 3, 2, 0])).tolist() == [Patch.REASON_ALL] * 4
    assert reasons(result(weights, [])).tolist() == []


def test_prior_both_ways():
    weights = np.array([[0, 0.5, 1], [0.25, 0.75, 0.125]], dtype=np.float32)
    data = write_prior(Prior(HEADER, (300, 200), 128, weights, 4321))
    message = deserialize_message(data, PatchPrior)
    assert (message.image_width, message.image_height, message.patch_size) == (300, 200, 128)
    assert (message.rows, message.cols, message.returns) == (2, 3, 4321)
    assert list(message.weights) == weights.ravel().tolist()
    prior = read_prior(serialize_message(message))
    assert (prior.header, prior.image_size, prior.patch_size) == (HEADER, (300, 200), 128)
    np.testing.assert_array_equal(prior.weights, weights)
    assert prior.returns == 4321


@pytest.mark.parametrize("weight", [math.nan, -0.1, 1.5, math.inf])
def test_a_prior_outside_its_range_is_refused(weight):
    message = PatchPrior(rows=1, cols=2, weights=[0.5, weight])
    with pytest.raises(InputError, match="prior"):
        read_prior(serialize_message(message))


def test_a_prior_of_wrong_length_is_refused():
    with pytest.raises(InputError, match="3 weights for 2x2"):
        read_prior(serialize_message(PatchPrior(rows=2, cols=2, weights=[0.5] * 3)))


def test_a_truncated_prior_is_refused():
    data = write_prior(Prior(HEADER, (300, 200), 128, np.zeros((2, 3), np.float32), 1))
    for end in range(len(data)):
        with pytest.raises(InputError):
            read_prior(data[:end])

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pdn_ros.errors import InputError
from pdn_ros.messages import rle

masks = arrays(
    np.uint8,
    array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.sampled_from([0, 1, 7, 255]),
)
runs = st.lists(st.tuples(st.integers(0, 255), st.integers(0, 40)), max_size=20)


def test_runs_by_hand():
    mask = np.array([[4, 4, 4], [4, 0, 255]], dtype=np.uint8)
    expected = struct.pack("<BiBiBi", 4, 4, 0, 1, 255, 1)
    assert rle.encode(mask) == expected
    np.testing.assert_array_equal(rle.decode(expected, 2, 3), mask)


@given(masks)
def test_a_pixel_by_pixel_reading_gives_the_mask_back(mask):
    data, pixels = rle.encode(mask), []
    for at in range(0, len(data), 5):
        label, length = struct.unpack_from("<Bi", data, at)
        pixels += [label] * length
    assert pixels == mask.ravel().tolist()
    np.testing.assert_array_equal(rle.decode(data, *mask.shape), mask)


@given(runs, st.integers(1, 4))
def test_any_runs_decode_and_come_back_joined(pairs, height):
    """Other writers may split a run or leave an empty one."""
    pixels = [label for label, length in pairs for _ in range(length)]
    pixels += [3] * (-len(pixels) % height)
    data = b"".join(struct.pack("<Bi", *pair) for pair in pairs)
    data += struct.pack("<Bi", 3, len(pixels) - sum(length for _, length in pairs))
    mask = rle.decode(data, height, len(pixels) // height)
    assert mask.ravel().tolist() == pixels
    joined = [(label, len(list(group))) for label, group in itertools.groupby(pixels)]
    assert rle.encode(mask) == b"".join(struct.pack("<Bi", *pair) for pair in joined)


@given(masks)
def test_a_view_with_gaps_is_encoded_as_its_pixels(mask):
    assert rle.encode(mask[::2, ::-1]) == rle.encode(mask[::2, ::-1].copy())


@pytest.mark.parametrize(
    "data", [b"\x01\x02", struct.pack("<Bi", 1, 5), struct.pack("<BiBi", 1, 8, 2, -2)]
)
def test_runs_that_do_not_fill_the_mask_are_refused(data):
    with pytest.raises(InputError, match="run-length mask"):
        rle.decode(data, 2, 3)

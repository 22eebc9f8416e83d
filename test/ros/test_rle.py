import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from pdn_ros.errors import InputError
from pdn_ros.ros import rle

masks = arrays(
    np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.integers(0, 3)
)


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


@pytest.mark.parametrize(
    "data", [b"\x01\x02", struct.pack("<Bi", 1, 5), struct.pack("<BiBi", 1, 8, 2, -2)]
)
def test_runs_that_do_not_fill_the_mask_are_refused(data):
    with pytest.raises(InputError, match="run-length mask"):
        rle.decode(data, 2, 3)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.errors import InputError
from pdn_ros.messages import encodings
from pdn_ros.messages.encodings import ENCODINGS, UnknownEncodingError, decode_image

RNG = np.random.default_rng(0)


def decode(array, encoding, width, height, step=None, big=0):
    return decode_image(
        array.tobytes(),
        width=width,
        height=height,
        encoding=encoding,
        step=step if step is not None else array.nbytes // array.shape[0],
        is_bigendian=big,
    )


def test_bgr8_with_padded_rows_is_a_view():
    data = RNG.integers(0, 256, (4, 20), dtype=np.uint8)  # 5 pixels and 5 bytes of padding
    image = decode_image(data, width=5, height=4, encoding="bgr8", step=20)
    assert np.shares_memory(image, data)
    assert image.shape == (4, 5, 3)
    assert image[2, 3].tolist() == data[2, 9:12].tolist()


def test_bgr8_of_bytes_is_not_copied():
    data = bytes(range(24))
    image = decode_image(data, width=4, height=2, encoding="bgr8", step=12)
    assert image.base is not None
    assert not image.flags.writeable
    assert image[1, 0].tolist() == [12, 13, 14]


@pytest.mark.parametrize(
    ("encoding", "pixel", "bgr"),
    [
        ("bgr8", [1, 2, 3], [1, 2, 3]),
        ("8UC3", [1, 2, 3], [1, 2, 3]),
        ("rgb8", [1, 2, 3], [3, 2, 1]),
        ("bgra8", [1, 2, 3, 9], [1, 2, 3]),
        ("8UC4", [1, 2, 3, 9], [1, 2, 3]),
        ("rgba8", [1, 2, 3, 9], [3, 2, 1]),
        ("mono8", [7], [7, 7, 7]),
        ("8UC1", [7], [7, 7, 7]),
    ],
)
def test_eight_bit_channels(encoding, pixel, bgr):
    row = np.array(pixel * 3 + [99], dtype=np.uint8)  # three pixels and a byte of padding
    image = decode(np.stack([row, row]), encoding, 3, 2)
    assert (image == bgr).all()
    assert image.shape == (2, 3, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("encoding", "pixel", "bgr"),
    [
        ("bgr16", [0x0102, 0x0304, 0x0506], [1, 3, 5]),
        ("rgb16", [0x0102, 0x0304, 0x0506], [5, 3, 1]),
        ("bgra16", [0x0102, 0x0304, 0x0506, 0], [1, 3, 5]),
        ("rgba16", [0x0102, 0x0304, 0x0506, 0], [5, 3, 1]),
        ("mono16", [0xAB12], [0xAB] * 3),
    ],
)
def test_sixteen_bit_channels_give_their_upper_byte(encoding, pixel, bgr, order):
    data = np.tile(np.array(pixel, dtype=order + "u2"), (2, 3))
    image = decode(data, encoding, 3, 2, big=int(order == ">"))
    assert (image == bgr).all()
    assert image.flags.c_contiguous


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_bayer_mosaic_of_one_colour_gives_that_colour(pattern, depth):
    bgr = {"b": 10, "g": 120, "r": 240}
    cell = np.array([bgr[c] for c in pattern], dtype=np.uint8).reshape(2, 2)
    mosaic = np.tile(cell, (4, 5))
    data = mosaic.astype("<u2") << 8 if depth == 16 else mosaic
    image = decode(data, f"bayer_{pattern}{depth}", 10, 8)
    assert image[2:-2, 2:-2].reshape(-1, 3).tolist() == [[10, 120, 240]] * 24


# BT.601 by hand: Y = 82, U = 90, V = 240 is pure red; Y = 235, U = V = 128 is white.
RED, WHITE = (82, 90, 240), (235, 128, 128)


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
def test_yuv422(encoding, order):
    def pair(y, u, v):
        return [u, y, v, y] if order == "uyvy" else [y, u, y, v]

    data = np.array([pair(*RED) + pair(*WHITE)] * 2, dtype=np.uint8)
    image = decode(data, encoding, 4, 2).astype(int)
    assert np.abs(image[:, :2] - [0, 0, 255]).max() <= 2
    assert np.abs(image[:, 2:] - [255, 255, 255]).max() <= 2


@pytest.mark.parametrize("encoding", ["nv12", "nv21", "nv24"])
def test_semi_planar(encoding):
    width, height = 4, 2
    luma = np.repeat([[RED[0], WHITE[0]]], 2, axis=1).repeat(height, axis=0)
    pairs = [c[1:] if encoding != "nv21" else c[:0:-1] for c in (RED, WHITE)]
    if encoding == "nv24":
        chroma = np.repeat(pairs, 2, axis=0).reshape(1, -1).repeat(height, axis=0)
        chroma = chroma.reshape(-1, width)
    else:
        chroma = np.reshape(pairs, (1, -1))
    data = np.vstack([luma, chroma]).astype(np.uint8)
    image = decode(data, encoding, width, height).astype(int)
    assert image.shape == (height, width, 3)
    assert np.abs(image[:, :2] - [0, 0, 255]).max() <= 2
    assert np.abs(image[:, 2:] - [255, 255, 255]).max() <= 2


def test_nv24_agrees_with_nv12_where_colour_is_flat():
    luma = RNG.integers(16, 236, (6, 8), dtype=np.uint8)
    uv = [77, 180]
    half = np.tile(np.array(uv, np.uint8), (3, 4))
    full = np.tile(np.array(uv, np.uint8), (12, 4))
    a = decode(np.vstack([luma, half]), "nv12", 8, 6).astype(int)
    b = decode(np.vstack([luma, full]), "nv24", 8, 6).astype(int)
    assert np.abs(a - b).max() <= 1


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("change", [-1, +1])
def test_wrong_size_is_one_line(encoding, change):
    data = np.zeros(16 * 12 * 8 * 4, dtype=np.uint8)
    step = 16 if encoding == "nv24" else 16 * 8  # rows with padding for most
    rows = {"nv12": 18, "nv21": 18, "nv24": 36}.get(encoding, 12)
    size = {"width": 16, "height": 12, "encoding": encoding, "step": step}
    assert decode_image(data[: rows * step], **size).shape == (12, 16, 3)
    with pytest.raises(InputError, match=r"\A[^\n]*(truncated|wrong size)[^\n]*\Z"):
        decode_image(data[: rows * step + change], **size)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"encoding": "32FC1"}, "bgr8, 8UC3, rgb8"),
        ({"encoding": ""}, "bgr8"),
        ({"width": 0}, "empty"),
        ({"height": 0}, "empty"),
        ({"step": 11}, "12 bytes"),
        ({"encoding": "yuv422", "width": 3}, "even"),
        ({"encoding": "nv12", "height": 3}, "even"),
        ({"encoding": "nv24"}, "padding"),
    ],
)
def test_what_makes_no_image(change, says):
    good = {"width": 4, "height": 2, "encoding": "bgr8", "step": 12}
    with pytest.raises(InputError, match=says) as caught:
        decode_image(bytes(24), **(good | change))
    unknown = (good | change)["encoding"] not in ENCODINGS
    assert isinstance(caught.value, UnknownEncodingError) == unknown  # cv_bridge may know it


@given(
    data=st.binary(max_size=400),
    width=st.integers(0, 12),
    height=st.integers(0, 12),
    step=st.integers(0, 100),
    encoding=st.sampled_from(ENCODINGS) | st.text(max_size=8),
    big=st.integers(0, 1),
)
def test_any_message_is_an_image_or_an_input_error(data, width, height, step, encoding, big):
    try:
        image = decode_image(
            data, width=width, height=height, encoding=encoding, step=step, is_bigendian=big
        )
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert image.shape == (height, width, 3)


@given(
    encoding=st.sampled_from(ENCODINGS),
    width=st.integers(1, 6).map(lambda n: 2 * n),
    height=st.integers(1, 6).map(lambda n: 2 * n),
    padding=st.integers(0, 5),
    seed=st.integers(0, 99),
)
def test_every_well_sized_image_is_read(encoding, width, height, padding, seed):
    channels = encodings._CHANNELS[encoding] * (2 if encoding.endswith("16") else 1)
    step = width * channels + (padding if encoding != "nv24" else 0)
    rows = {"nv12": height * 3 // 2, "nv21": height * 3 // 2, "nv24": height * 3}
    size = step * rows.get(encoding, height)
    data = np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)
    image = decode_image(data, width=width, height=height, encoding=encoding, step=step)
    assert image.shape == (height, width, 3)
    assert image.dtype == np.uint8

import cv2
import foreign
import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.messages import rle
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.encodings import UnknownEncodingError
from pdn_ros.messages.images import (
    read_depth,
    read_encoding,
    read_image,
    read_mask,
    write_image,
    write_mask,
)

RNG = np.random.default_rng(1)
HEADER = Header(foreign.STAMP, "camera")
BGR = RNG.integers(0, 256, (6, 8, 3), dtype=np.uint8)
IDS = RNG.integers(0, 3, (6, 8), dtype=np.uint8)
IMAGE = "sensor_msgs/msg/Image"


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("padding", [0, 3])
def test_images_of_another_writer(padding, big):
    header, pixels = read_image(
        foreign.serialize(foreign.image(BGR, "bgr8", padding=padding), big=big)
    )
    assert header == HEADER
    np.testing.assert_array_equal(pixels, BGR)


def test_pixels_are_a_view_of_the_message():
    data = bytearray(write_image(HEADER, BGR, "bgr8"))
    _, pixels = read_image(data)
    data[-1] = BGR[-1, -1, -1] ^ 255
    assert pixels[-1, -1, -1] == BGR[-1, -1, -1] ^ 255


def test_sixteen_bits_in_either_byte_order():
    gray = (RNG.integers(0, 256, (4, 5)) * 256 + 7).astype("<u2")
    for pixels in (gray, gray.astype(">u2")):
        _, found = read_image(foreign.serialize(foreign.image(pixels, "mono16")))
        np.testing.assert_array_equal(found[..., 0], gray >> 8)


@pytest.mark.parametrize(
    ("pixels", "encoding"),
    [
        (BGR, "bgr8"),
        (IDS, "mono8"),
        (IDS[::2, ::-2], "mono8"),
        (IDS.astype(np.float32), "32FC1"),
        (IDS.astype(np.uint16), "16UC1"),
    ],
)
def test_images_are_written_as_another_writer_does(pixels, encoding):
    assert write_image(HEADER, pixels, encoding) == foreign.serialize(
        foreign.image(pixels, encoding)
    )


def test_big_endian_pixels_are_turned():
    meters = IDS.astype(">f4")
    found = foreign.deserialize(write_image(HEADER, meters, "32FC1"), IMAGE)
    np.testing.assert_array_equal(found.data.view("<f4"), meters.ravel())


def test_unknown_encodings_are_told_apart_from_damage():
    data = foreign.serialize(foreign.image(BGR, "octarine8"))
    with pytest.raises(UnknownEncodingError, match="'octarine8'"):
        read_image(data)
    assert read_encoding(data) == "octarine8"


def test_images_are_measured_before_they_are_read():
    data = write_image(HEADER, BGR, "bgr8")
    assert read_image(data, max_pixels=48)[1].shape == (6, 8, 3)
    for read in (read_image, read_mask, read_depth):
        with pytest.raises(InputError, match="8 x 6 pixels, more than max_pixels = 47"):
            read(data, max_pixels=47)


def test_compressed():
    png = cv2.imencode(".png", BGR)[1].tobytes()
    data = foreign.serialize(foreign.compressed(png, "bgr8; png compressed bgr8"))
    header, pixels = read_image(data, compressed=True)
    assert header == HEADER
    np.testing.assert_array_equal(pixels, BGR)
    assert read_encoding(data, compressed=True) == "bgr8; png compressed bgr8"
    with pytest.raises(InputError, match="max_pixels"):
        read_image(data, compressed=True, max_pixels=47)


@pytest.mark.parametrize("compressed", [False, True])
def test_every_truncation_is_refused(compressed):
    message = foreign.compressed(cv2.imencode(".png", BGR)[1].tobytes(), "png")
    data = foreign.serialize(message if compressed else foreign.image(BGR, "bgr8"))
    for end in range(0, len(data), 3):
        with pytest.raises(InputError, match=r"\A[^\n]*\Z"):
            read_image(data[:end], compressed=compressed)


class TestMask:
    @pytest.mark.parametrize("padding", [0, 3])
    @pytest.mark.parametrize("encoding", ["mono8", "8UC1"])
    def test_raw(self, padding, encoding):
        header, ids = read_mask(foreign.serialize(foreign.image(IDS, encoding, padding=padding)))
        assert header == HEADER
        np.testing.assert_array_equal(ids, IDS)

    def test_runs(self):
        data = write_mask(HEADER, IDS, "rle")
        message = foreign.deserialize(data, IMAGE)
        assert (message.encoding, message.step, message.height) == ("mono8", 8, 6)
        assert message.data.tobytes() == rle.encode(IDS)
        np.testing.assert_array_equal(read_mask(data)[1], IDS)

    def test_runs_of_the_length_of_the_pixels(self):
        ids = np.array([[1, 1, 1, 2, 2, 2, 2, 2, 2, 2]], np.uint8)  # two runs of five bytes
        data = write_mask(HEADER, ids, "rle")
        np.testing.assert_array_equal(read_mask(data, encoding="rle")[1], ids)
        assert read_mask(data, encoding="raw")[1].tolist() == [list(rle.encode(ids))]
        with pytest.raises(InputError, match="truncated"):
            read_mask(write_mask(HEADER, np.zeros_like(IDS), "rle"), encoding="raw")

    def test_both_write_the_same_mask(self):
        assert write_mask(HEADER, IDS) == write_image(HEADER, IDS, "mono8")

    def test_what_is_no_mask(self):
        with pytest.raises(InputError, match="expected mono8"):
            read_mask(write_image(HEADER, BGR, "bgr8"))
        message = foreign.image(IDS, "mono8")
        message.height = 7
        with pytest.raises(InputError, match="run-length mask"):
            read_mask(foreign.serialize(message))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("order", ["<", ">"])
class TestDepth:
    def test_meters(self, order, padding):
        meters = np.array([[1.5, np.nan, 0], [np.inf, 80, 2]], dtype=order + "f4")
        data = foreign.serialize(foreign.image(meters, "32FC1", padding=padding))
        header, found = read_depth(data)
        assert header == HEADER
        assert found.tolist() == [[1.5, 0, 0], [0, 80, 2]]
        assert found.dtype == np.float32

    def test_millimeters(self, order, padding):
        depth = np.array([[1500, 0], [65535, 1]], dtype=order + "u2")
        data = foreign.serialize(foreign.image(depth, "16UC1", padding=padding))
        assert read_depth(data)[1] == pytest.approx(np.array([[1.5, 0], [65.535, 0.001]]))

    def test_truncated(self, order, padding):
        message = foreign.image(np.zeros((3, 4), order + "f4"), "32FC1", padding=padding)
        message.height = 4
        with pytest.raises(InputError, match="truncated"):
            read_depth(foreign.serialize(message))


def test_depth_of_another_encoding():
    with pytest.raises(InputError, match="expected 32FC1 or 16UC1"):
        read_depth(write_image(HEADER, IDS, "mono8"))

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdn_ros.errors import InputError

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from nav_msgs.msg import OccupancyGrid  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import CompressedImage, Image, PointCloud2, PointField  # noqa: E402

from pdn_ros.messages import cdr  # noqa: E402
from pdn_ros.messages.cdr import Header, Reader, Writer  # noqa: E402

HEADER = Header(5_000_000_007, "camera_optical")
names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


def image(frame: str, encoding: str, height: int, width: int) -> Image:
    message = Image(height=height, width=width, encoding=encoding, step=3 * width)
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = -3, 999_999_999
    message.data.frombytes(bytes(i % 251 for i in range(3 * height * width)))
    return message


@settings(max_examples=60, deadline=None)
@given(names, names, st.integers(0, 5), st.integers(0, 7))
def test_image_reads_as_rclpy_writes_it(frame, encoding, height, width):
    message = image(frame, encoding, height, width)
    raw = cdr.read_image(serialize_message(message))
    assert raw.header == Header(-3 * 10**9 + 999_999_999, frame)
    assert (raw.height, raw.width, raw.encoding) == (height, width, encoding)
    assert (raw.is_bigendian, raw.step) == (False, 3 * width)
    assert raw.data.tobytes() == bytes(message.data)


def test_payload_is_a_view_of_the_message():
    data = bytearray(serialize_message(image("c", "bgr8", 2, 2)))
    raw = cdr.read_image(data)
    data[-1] = 77
    assert raw.data[-1] == 77


def test_big_endian_image():
    # Written out by hand: sec 1, nanosec 2, "c", height 1, width 2, "mono8", big-endian, step 2.
    body = struct.pack(">iII2sxxII", 1, 2, 2, b"c\0", 1, 2)
    body += struct.pack(">I6sBxII2s", 6, b"mono8\0", 1, 2, 2, b"\x07\x09")
    raw = cdr.read_image(b"\x00\x00\x00\x00" + body)
    assert raw.header == Header(1_000_000_002, "c")
    assert (raw.height, raw.width, raw.encoding, raw.step) == (1, 2, "mono8", 2)
    assert raw.is_bigendian
    assert raw.data.tolist() == [7, 9]


def test_every_truncation_of_an_image_is_refused():
    data = serialize_message(image("camera", "bgr8", 2, 3))
    for end in range(len(data)):
        with pytest.raises(InputError, match="message: "):
            cdr.read_image(data[:end])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=120), st.booleans())
def test_garbage_never_raises_anything_else(data, with_prefix):
    data = (b"\x00\x01\x00\x00" if with_prefix else b"") + data
    for read in (cdr.read_image, cdr.read_compressed_image, cdr.read_cloud):
        try:
            read(data)
        except InputError as error:
            assert "\n" not in str(error)


def test_damaged_stamp_is_refused():
    data = bytearray(serialize_message(image("c", "bgr8", 1, 1)))
    data[8:12] = struct.pack("<I", 1_000_000_000)
    with pytest.raises(InputError, match="nanoseconds"):
        cdr.read_image(data)


def test_compressed_image():
    message = CompressedImage(format="jpeg")
    message.header.frame_id = "cam"
    message.data.frombytes(b"abcde")
    raw = cdr.read_compressed_image(serialize_message(message))
    assert (raw.header.frame_id, raw.format, raw.data.tobytes()) == ("cam", "jpeg", b"abcde")


def test_cloud():
    message = PointCloud2(height=1, width=2, point_step=16, row_step=32, is_bigendian=False)
    message.fields = [
        PointField(name="x", offset=0, datatype=7, count=1),
        PointField(name="intensity", offset=12, datatype=2, count=3),
    ]
    message.data.frombytes(bytes(range(32)))
    raw = cdr.read_cloud(serialize_message(message))
    assert [(f.name, f.offset, f.datatype, f.count) for f in raw.fields] == [
        ("x", 0, 7, 1),
        ("intensity", 12, 2, 3),
    ]
    assert (raw.height, raw.width, raw.point_step, raw.row_step) == (1, 2, 16, 32)
    assert raw.data.tolist() == list(range(32))


@pytest.mark.parametrize(
    ("write", "dtype", "channels", "encoding"),
    [
        (cdr.write_mono8, np.uint8, 1, "mono8"),
        (cdr.write_bgr8, np.uint8, 3, "bgr8"),
        (cdr.write_32fc1, np.float32, 1, "32FC1"),
    ],
)
def test_written_images_are_those_of_rclpy(write, dtype, channels, encoding):
    shape = (5, 7, 3) if channels == 3 else (5, 7)
    pixels = np.random.default_rng(1).integers(0, 255, shape).astype(dtype)
    message = deserialize_message(write(HEADER, pixels), Image)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    assert message.header.frame_id == "camera_optical"
    assert (message.height, message.width, message.encoding) == (5, 7, encoding)
    assert message.step == 7 * channels * pixels.itemsize
    assert message.is_bigendian == 0
    assert bytes(message.data) == pixels.tobytes()


def test_a_strided_image_is_written_row_by_row():
    pixels = np.arange(48, dtype=np.uint8).reshape(6, 8)[::2, ::2]
    assert bytes(deserialize_message(cdr.write_mono8(HEADER, pixels), Image).data) == (
        pixels.tobytes()
    )


def test_written_grid():
    cells = np.random.default_rng(2).integers(-1, 101, (3, 5)).astype(np.int8)
    data = cdr.write_grid(HEADER, cells, resolution=0.25, origin_xy=(-3.5, 1.25))
    message = deserialize_message(data, OccupancyGrid)
    info = message.info
    assert (info.width, info.height, info.resolution) == (5, 3, 0.25)
    assert (info.map_load_time.sec, info.map_load_time.nanosec) == (5, 7)
    position, turn = info.origin.position, info.origin.orientation
    assert (position.x, position.y, position.z) == (-3.5, 1.25, 0.0)
    assert (turn.x, turn.y, turn.z, turn.w) == (0.0, 0.0, 0.0, 1.0)
    assert list(message.data) == cells.ravel().tolist()


def test_written_cloud():
    points = np.random.default_rng(3).normal(size=(2, 3, 3)).astype(np.float32)
    points[0, 1] = np.nan
    message = deserialize_message(cdr.write_organised_cloud(HEADER, points), PointCloud2)
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
    ]
    assert (message.height, message.width) == (2, 3)
    assert (message.point_step, message.row_step) == (12, 36)
    assert not message.is_dense
    assert bytes(message.data) == points.tobytes()


def test_written_cloud_with_colours():
    points = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    rgb = np.array([[0x010203, 0, 1], [2, 3, 0xFF8040]], dtype=np.uint32)
    message = deserialize_message(cdr.write_organised_cloud(HEADER, points, rgb), PointCloud2)
    field = message.fields[3]
    assert (field.name, field.offset, field.datatype, field.count) == ("rgb", 12, 7, 1)
    assert (message.point_step, message.row_step, message.is_dense) == (16, 48, True)
    words = np.frombuffer(message.data, np.uint32).reshape(2, 3, 4)
    np.testing.assert_array_equal(words[..., :3].view(np.float32), points)
    np.testing.assert_array_equal(words[..., 3], rgb)


@given(names, st.floats(allow_nan=False), st.integers(0, 255), st.lists(st.floats(width=32)))
def test_reader_reads_what_the_writer_wrote(text, number, byte, values):
    array = np.array(values, dtype=np.float32)
    data = Writer().scalars("B", byte).string(text).scalars("d", number).array(array).finish()
    reader = Reader(data)
    assert reader.scalar("B") == byte
    assert reader.string() == text
    assert reader.scalar("d") == number
    np.testing.assert_array_equal(reader.array("f4"), array)

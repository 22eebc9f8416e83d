"""The codec against rclpy's: what it writes we read, and what we write it reads."""

import foreign
import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from nav_msgs.msg import OccupancyGrid  # noqa: E402
from pdn_ros.msg import Patch, PatchArray, PatchPrior  # noqa: E402
from rclpy.serialization import deserialize_message, serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo, CompressedImage, Image, PointCloud2  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402
from visualization_msgs.msg import MarkerArray  # noqa: E402

from pdn_ros.messages import boxes, images, patches  # noqa: E402
from pdn_ros.messages.camera_info import read_camera_info, write_camera_info  # noqa: E402
from pdn_ros.messages.cdr import Header, read_header  # noqa: E402
from pdn_ros.messages.occupancy import Grid, write_grid  # noqa: E402
from pdn_ros.messages.points import write_organized_cloud, write_points  # noqa: E402
from pdn_ros.messages.transforms import (  # noqa: E402
    Transform,
    from_quaternion,
    read_transforms,
    write_transforms,
)

HEADER = Header(foreign.STAMP, "camera")
RNG = np.random.default_rng(4)
BGR = RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8)
IDS = np.zeros((5, 7), np.uint8)
FLOATS = RNG.random((2, 3)).astype(np.float32)
POSE = from_quaternion((1, 2, 3), (0, 0.6, 0, 0.8))
BOX = boxes.Box((1, 2, 3), 0.5, (4, 2, 1), "vehicle", 7)
ARRAY = patches.PatchArray(
    HEADER, (180, 120), 64, FLOATS, FLOATS, FLOATS, np.array([4, 1]), "patch", 2, "asked for"
)


WRITTEN = [
    (Image, images.write_image(HEADER, BGR, "bgr8")),
    (Image, images.write_image(HEADER, FLOATS, "32FC1")),
    (Image, images.write_mask(HEADER, IDS)),
    (Image, images.write_mask(HEADER, IDS, "rle")),
    (CameraInfo, write_camera_info(read_camera_info(foreign.serialize(foreign.camera_info())))),
    (PointCloud2, write_points(HEADER, RNG.random((3, 4)).astype(np.float32))),
    (PointCloud2, write_organized_cloud(HEADER, RNG.random((2, 3, 3)).astype(np.float32))),
    (PatchArray, patches.write_patches(ARRAY)),
    (PatchPrior, patches.write_prior(patches.PatchPrior(HEADER, (9, 6), 3, FLOATS, 5))),
    (OccupancyGrid, write_grid(foreign.STAMP, Grid(IDS.view(np.int8), (1, 2), 0.5, "odom"))),
    (TFMessage, write_transforms([Transform("a", "b", foreign.STAMP, POSE)] * 2)),
    (MarkerArray, boxes.write_boxes(HEADER, [BOX, BOX])),
]


@pytest.mark.parametrize(
    ("kind", "data"), WRITTEN, ids=[f"{kind.__name__}{i}" for i, (kind, _) in enumerate(WRITTEN)]
)
def test_rclpy_reads_and_writes_what_we_wrote(kind, data):
    again = serialize_message(deserialize_message(data, kind))
    name = f"{kind.__module__.split('.')[0]}/msg/{kind.__name__}"
    # By way of the other library: Fast CDR leaves whatever was there between the fields.
    assert foreign.serialize(foreign.deserialize(again, name)) == data


def image(encoding: str, pixels: np.ndarray) -> Image:
    height, width = pixels.shape[:2]
    message = Image(height=height, width=width, encoding=encoding, step=pixels.nbytes // height)
    message.header.frame_id = "camera"
    message.header.stamp.sec, message.header.stamp.nanosec = -3, 999_999_999
    message.data.frombytes(pixels.tobytes())
    return message


def test_images_of_rclpy():
    data = serialize_message(image("bgr8", BGR))
    header, pixels = images.read_image(data)
    assert header == read_header(data) == Header(-3 * 10**9 + 999_999_999, "camera")
    np.testing.assert_array_equal(pixels, BGR)
    np.testing.assert_array_equal(images.read_mask(serialize_message(image("mono8", IDS)))[1], IDS)
    depth = images.read_depth(serialize_message(image("32FC1", FLOATS)))[1]
    np.testing.assert_array_equal(depth, FLOATS)
    packed = CompressedImage(format="jpeg")
    packed.data.frombytes(b"abcde")
    assert images.read_encoding(serialize_message(packed), compressed=True) == "jpeg"


def test_the_reasons_are_those_of_the_definition():
    assert (Patch.REASON_NONE, Patch.REASON_DRIVER, Patch.REASON_LIDAR, Patch.REASON_ALL) == (
        patches.REASON_NONE, patches.REASON_DRIVER, patches.REASON_LIDAR, patches.REASON_ALL,
    )  # fmt: skip


def test_empty_messages_of_rclpy():
    assert read_transforms(serialize_message(TFMessage())) == []
    assert boxes.read_boxes(serialize_message(MarkerArray())) == (Header(0, ""), [])
    info = read_camera_info(serialize_message(CameraInfo()))
    assert (info.width, info.d, info.k) == (0, (), (0.0,) * 9)

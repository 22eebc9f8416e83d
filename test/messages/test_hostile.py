"""Whatever the bytes: every reader gives a sound value or one line, and takes little memory."""

import tracemalloc

import cv2
import foreign
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdn_ros.errors import InputError
from pdn_ros.messages import rle
from pdn_ros.messages.boxes import read_boxes
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_depth, read_encoding, read_image, read_mask
from pdn_ros.messages.occupancy import read_grid
from pdn_ros.messages.patches import read_patches, read_prior
from pdn_ros.messages.points import read_points
from pdn_ros.messages.transforms import read_poses, read_transforms

PIXELS = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
PNG = cv2.imencode(".png", PIXELS)[1].tobytes()
FEW = 1000
BYTES = 5_000_000
"""Most that a reader may take for a message of a few hundred bytes."""


def prior():
    weights = np.linspace(0, 1, 6, dtype=np.float32)
    return foreign.new("pdn_ros/msg/PatchPrior", foreign.header(), 9, 6, 3, 2, 3, weights, 4)


def compressed(data):
    return read_image(data, compressed=True, max_pixels=FEW)


def tf():
    both = [foreign.transform("a", name, (1, 2, 3), (0, 0, 0, 1)) for name in "bc"]
    return foreign.new("tf2_msgs/msg/TFMessage", both)


def runs():
    message = foreign.image(PIXELS[..., 0], "mono8")
    message.data = np.frombuffer(rle.encode(PIXELS[..., 0]), np.uint8)
    return message


READERS = {
    "header": (read_header, foreign.image(PIXELS, "bgr8")),
    "encoding": (read_encoding, foreign.image(PIXELS, "bgr8")),
    "image": (lambda data: read_image(data, max_pixels=FEW), foreign.image(PIXELS, "rgb8")),
    "compressed": (compressed, foreign.compressed(PNG, "png")),
    "mask": (
        lambda data: read_mask(data, max_pixels=FEW),
        foreign.image(PIXELS[..., 0], "mono8"),
    ),
    "runs": (
        lambda data: read_mask(data, encoding="rle", max_pixels=FEW),
        runs(),
    ),
    "depth": (
        lambda data: read_depth(data, max_pixels=FEW),
        foreign.image(PIXELS[..., 0].astype(np.float32), "32FC1"),
    ),
    "camera info": (read_camera_info, foreign.camera_info()),
    "points": (read_points, foreign.cloud(np.ones((4, 3)))),
    "patches": (read_patches, foreign.patches(2, 3)),
    "prior": (read_prior, prior()),
    "grid": (read_grid, foreign.grid(np.zeros((3, 4), np.int8), (1, 2), 0.5)),
    "poses": (lambda data: list(read_poses(data)), tf()),
    "transforms": (read_transforms, tf()),
    "boxes": (read_boxes, foreign.markers(foreign.marker(full=True), foreign.marker())),
}


def measured(read, data):
    """Read; never another exception, never many lines, never much memory."""
    tracemalloc.start()
    try:
        return read(data)
    except InputError as error:
        assert "\n" not in str(error)
        return None
    finally:
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert most < BYTES


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=40, deadline=None)
@given(data=st.binary(max_size=300), start=st.sampled_from([b"", b"\0\1\0\0", b"\0\0\0\0"]))
def test_any_bytes(name, data, start):
    measured(READERS[name][0], start + data)


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=60, deadline=None)
@given(changes=st.data(), big=st.booleans())
def test_any_damage(name, changes, big):
    """Some bytes of a real message changed, a count made large, or the end cut off."""
    read, message = READERS[name]
    data = bytearray(foreign.serialize(message, big=big))
    for _ in range(changes.draw(st.integers(0, 3))):
        at = changes.draw(st.integers(0, len(data) - 1))
        value = changes.draw(
            st.binary(min_size=1, max_size=1)
            | st.sampled_from([b"\xff" * 4, b"\0\0\0\x7f", b"\0\0\xc0\x7f", b"\0" * 8])
        )
        data[at : at + len(value)] = value
    end = changes.draw(st.integers(0, len(data)) | st.just(len(data)))
    found = measured(read, bytes(data[:end]))
    if name == "prior" and found is not None:
        assert ((found.weights >= 0) & (found.weights <= 1)).all()
    if name == "transforms" and found is not None:
        for one in found:
            turn = one.matrix[:3, :3]
            np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    if name == "grid" and found is not None:
        assert found[1].resolution > 0


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("big", [False, True])
def test_undamaged_they_are_read(name, big):
    read, message = READERS[name]
    assert read(foreign.serialize(message, big=big)) is not None

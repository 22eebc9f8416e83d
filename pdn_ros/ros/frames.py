"""From the bytes of an image message to the pixels that the network takes."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header, read_compressed_image, read_image
from pdn_ros.messages.images import decode_compressed, decode_image

Pixels = NDArray[np.uint8]


def read_frame(data: bytes, *, compressed: bool = False) -> tuple[Header, Pixels]:
    """Read a serialised sensor_msgs/Image or CompressedImage.

    Returns:
        The header, and (H, W, 3) uint8 BGR: a view of the message where its encoding allows.

    Raises:
        InputError: The message is truncated, its sizes disagree, or its encoding is unknown.
    """
    if compressed:
        packed = read_compressed_image(data)
        return packed.header, decode_compressed(packed.data, packed.format)
    raw = read_image(data)
    try:
        return raw.header, decode_image(
            raw.data,
            width=raw.width,
            height=raw.height,
            encoding=raw.encoding,
            step=raw.step,
            is_bigendian=raw.is_bigendian,
        )
    except InputError as error:
        return raw.header, _by_cv_bridge(data, error)


def read_depth(data: bytes) -> tuple[Header, NDArray[np.float32]]:
    """Read a serialised sensor_msgs/Image 32FC1 (REP 118): (H, W) metres, 0 or NaN = none.

    Raises:
        InputError: The message is truncated or no depth image.
    """
    raw = read_image(data)
    if raw.encoding != "32FC1":
        raise InputError(f"depth image: encoding {raw.encoding!r}; 32FC1 in metres is needed")
    if raw.step < 4 * raw.width or len(raw.data) < raw.step * raw.height:
        raise InputError(
            f"depth image: {len(raw.data)} bytes for {raw.width}x{raw.height}, step {raw.step}"
        )
    order = ">" if raw.is_bigendian else "<"
    metres = np.ndarray((raw.height, raw.width), f"{order}f4", raw.data.data, strides=(raw.step, 4))
    return raw.header, metres.astype(np.float32, copy=False)


def _by_cv_bridge(data: bytes, error: InputError) -> Pixels:
    """Let cv_bridge, where it is installed, try what our decoder refused."""
    if find_spec("cv_bridge") is None:
        raise error
    from cv_bridge import CvBridge
    from rclpy.serialization import deserialize_message
    from sensor_msgs.msg import Image

    try:
        pixels = CvBridge().imgmsg_to_cv2(deserialize_message(data, Image), "bgr8")
    except Exception:  # noqa: BLE001 - cv_bridge raises many kinds; ours says what is wrong
        raise error from None
    return np.asarray(pixels, dtype=np.uint8)

"""Image messages to pixels, with cv_bridge for encodings that `pdn_ros.messages` lacks."""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import MAX_PIXELS, Header, read_header
from pdn_ros.messages.encodings import UnknownEncodingError
from pdn_ros.messages.images import read_image

Pixels = NDArray[np.uint8]


def decode(
    data: bytes, *, compressed: bool = False, max_pixels: int = MAX_PIXELS
) -> tuple[Header, Pixels]:
    """Read an image message as `messages.images.read_image` does, in any encoding of cv_bridge.

    Raises:
        InputError: As there, or cv_bridge does not know the encoding either.
    """
    try:
        return read_image(data, compressed=compressed, max_pixels=max_pixels)
    except UnknownEncodingError as error:
        return read_header(data), _by_cv_bridge(data, error)


def _by_cv_bridge(data: bytes, error: InputError) -> Pixels:
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

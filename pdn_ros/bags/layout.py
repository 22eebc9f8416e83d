"""Names in the bags that the package writes: topics and frames (REP 103, REP 105)."""

from typing import Final

MAP: Final = "map"
ODOM: Final = "odom"
BASE: Final = "base_link"  # x forward, y left, z up; on the ground
LIDAR: Final = "lidar"
CAMERA: Final = "camera"  # the single one; its body axes: x forward
OPTICAL: Final = "camera_optical"  # z forward, x right, y down

IMAGE_TOPIC: Final = "/camera/image_raw"
CAMERA_INFO_TOPIC: Final = "/camera/camera_info"
POINTS_TOPIC: Final = "/lidar/points"
TF_TOPIC: Final = "/tf"
TF_STATIC_TOPIC: Final = "/tf_static"
TRUTH: Final = "/truth"
MASK_TOPIC: Final = "/truth/mask"
DEPTH_TOPIC: Final = "/truth/depth"
OCCUPANCY_TOPIC: Final = "/truth/occupancy"
BOXES_TOPIC: Final = "/truth/boxes"


def optical_frame(camera: str) -> str:
    """Return the frame of a camera: z forward, x right, y down."""
    return f"{camera}_optical"


def image_topic(camera: str) -> str:
    """Return the topic of the raw images of a camera."""
    return f"/{camera}/image_raw"


def compressed_topic(camera: str) -> str:
    """Return the topic of the compressed images of a camera."""
    return f"/{camera}/image_raw/compressed"


def camera_info_topic(camera: str) -> str:
    """Return the topic of the calibration of a camera."""
    return f"/{camera}/camera_info"


def mask_topic(camera: str) -> str:
    """Return the topic of the true masks of a camera: `MASK_TOPIC` of the single one."""
    return MASK_TOPIC if camera == CAMERA else f"{TRUTH}/{camera}/mask"


def depth_topic(camera: str) -> str:
    """Return the topic of the true depth of a camera: `DEPTH_TOPIC` of the single one."""
    return DEPTH_TOPIC if camera == CAMERA else f"{TRUTH}/{camera}/depth"

"""Markers for RViz: the selected patches in front of the camera, with their ground footprints."""

import numpy as np
from builtin_interfaces.msg import Duration, Time
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from std_msgs.msg import Header as HeaderMessage
from visualization_msgs.msg import Marker, MarkerArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.cdr import Header, split_stamp
from pdn_ros.network import Prediction

PLANE_M = 2.0
"""Distance of the plane before the camera on which the patches are drawn."""
REACH_M = 60.0
"""Footprints that reach farther are left out."""
_SIDES = (0, 1, 1, 2, 2, 3, 3, 0)

Array = NDArray[np.float64]


def header_message(header: Header) -> HeaderMessage:
    """Return the header as a message object."""
    sec, nanosec = split_stamp(header.stamp_ns)
    return HeaderMessage(stamp=Time(sec=sec, nanosec=nanosec), frame_id=header.frame_id)


def patch_markers(
    header: Header,
    prediction: Prediction,
    camera: Camera,
    T_base_camera: Array | None,  # noqa: N803
) -> MarkerArray:
    """Draw the selected patches in the camera's optical frame.

    Args:
        header: Of the image.
        prediction: Of the image.
        camera: Of the image.
        T_base_camera: From the optical frame to the robot's, whose z = 0 is the ground; None: no
            footprints.
    """
    corners = _corner_rays(prediction, camera)
    frames = _lines(header, "patches", (1.0, 0.85, 0.1), corners * PLANE_M)
    markers = [frames]
    if T_base_camera is not None:
        feet = _on_ground(corners, T_base_camera)
        markers.append(_lines(header, "footprints", (0.1, 0.9, 1.0), feet))
    return MarkerArray(markers=markers)


def _corner_rays(prediction: Prediction, camera: Camera) -> Array:
    """Directions (z = 1) of the corners of the selected patches, (K, 4, 3)."""
    row, col = np.divmod(prediction.selected.astype(np.int64), prediction.weights.shape[1])
    size = prediction.patch_size
    left, top = col * size, row * size
    right, bottom = left + size - 1, top + size - 1
    u = np.stack((left, right, right, left), axis=1).clip(0, camera.width - 1)
    v = np.stack((top, top, bottom, bottom), axis=1).clip(0, camera.height - 1)
    rays = camera.rays()[v, u].astype(np.float64)
    seen: Array = rays[np.isfinite(rays).all(axis=(1, 2))]
    return seen


def _on_ground(rays: Array, T_base_camera: Array) -> Array:  # noqa: N803
    """Points where all four rays of a patch meet z = 0 of the robot's frame, (M, 4, 3) optical."""
    down = rays @ T_base_camera[2, :3]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = -T_base_camera[2, 3] / down
    near = ((down < 0) & (scale > 0) & (scale < REACH_M)).all(axis=1)
    feet: Array = rays[near] * scale[near][..., None]
    return feet


def _lines(
    header: Header, namespace: str, color: tuple[float, float, float], quads: Array
) -> Marker:
    marker = Marker(ns=namespace, type=Marker.LINE_LIST, action=Marker.ADD)
    marker.header = header_message(header)
    marker.pose.orientation.w = 1.0
    marker.scale.x = 0.02
    marker.color = ColorRGBA(r=color[0], g=color[1], b=color[2], a=0.9)
    marker.lifetime = Duration(sec=1)
    ends = quads[:, _SIDES].reshape(-1, 3).tolist()
    marker.points = [Point(x=x, y=y, z=z) for x, y, z in ends]
    return marker

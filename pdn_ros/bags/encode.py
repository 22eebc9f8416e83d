"""Arrays -> messages (of the types of `pdn_ros.bags.types`)."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytransform3d.rotations import quaternion_from_matrix

from pdn_ros.bags.boxes import Box
from pdn_ros.bags.types import typestore
from pdn_ros.geometry.camera import Camera

_FLOAT32 = 7  # sensor_msgs/PointField.FLOAT32
_CUBE = 1  # visualization_msgs/Marker.CUBE
_LIFETIME_NS = 300_000_000  # a viewer drops the boxes of old frames


def _new(name: str, *values: Any) -> Any:
    return typestore().types[name](*values)


def _time(stamp_ns: int) -> Any:
    return _new("builtin_interfaces/msg/Time", *divmod(stamp_ns, 1_000_000_000))


def _header(stamp_ns: int, frame: str) -> Any:
    return _new("std_msgs/msg/Header", _time(stamp_ns), frame)


def _pose(xyz: Sequence[float], xyzw: Sequence[float]) -> Any:
    return _new(
        "geometry_msgs/msg/Pose",
        _new("geometry_msgs/msg/Point", *map(float, xyz)),
        _new("geometry_msgs/msg/Quaternion", *map(float, xyzw)),
    )


def image(stamp_ns: int, frame: str, pixels: NDArray[Any], encoding: str) -> Any:
    """Return an Image of (H, W) or (H, W, channels) pixels in their own byte order."""
    height, width = pixels.shape[:2]
    flat = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    step = len(flat) // height if height else 0
    return _new(
        "sensor_msgs/msg/Image", _header(stamp_ns, frame), height, width, encoding, 0, step, flat
    )


def camera_info(stamp_ns: int, frame: str, camera: Camera) -> Any:
    """Return the CameraInfo of a camera without rectification: R = I, P = [K | 0]."""
    projection = np.zeros((3, 4))
    projection[:, :3] = camera.k
    # An empty model means unknown to most readers: a rectified camera is plumb_bob with zeros.
    coefficients = np.asarray(camera.d, dtype=np.float64)
    return _new(
        "sensor_msgs/msg/CameraInfo",
        _header(stamp_ns, frame),
        camera.height,
        camera.width,
        camera.model or "plumb_bob",
        coefficients if coefficients.size else np.zeros(5),
        np.asarray(camera.k, dtype=np.float64).reshape(-1),
        np.eye(3).reshape(-1),
        projection.reshape(-1),
        0,
        0,
        _new("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False),
    )


def cloud(stamp_ns: int, frame: str, xyzi: NDArray[np.float32]) -> Any:
    """Return a PointCloud2 of (N, 4) float32 x, y, z, intensity."""
    fields = [
        _new("sensor_msgs/msg/PointField", name, 4 * i, _FLOAT32, 1)
        for i, name in enumerate(("x", "y", "z", "intensity"))
    ]
    data = np.ascontiguousarray(xyzi, dtype="<f4").reshape(-1).view(np.uint8)
    return _new(
        "sensor_msgs/msg/PointCloud2",
        _header(stamp_ns, frame),
        1,
        len(xyzi),
        fields,
        False,
        16,
        16 * len(xyzi),
        data,
        bool(np.isfinite(xyzi).all()),
    )


def transform(stamp_ns: int, parent: str, child: str, matrix: NDArray[np.float64]) -> Any:
    """Return T_parent_child (4x4) as a TransformStamped."""
    w, x, y, z = (float(v) for v in quaternion_from_matrix(matrix[:3, :3]))
    return _new(
        "geometry_msgs/msg/TransformStamped",
        _header(stamp_ns, parent),
        child,
        _new(
            "geometry_msgs/msg/Transform",
            _new("geometry_msgs/msg/Vector3", *map(float, matrix[:3, 3])),
            _new("geometry_msgs/msg/Quaternion", x, y, z, w),
        ),
    )


def tf(transforms: Sequence[Any]) -> Any:
    """Return a TFMessage."""
    return _new("tf2_msgs/msg/TFMessage", list(transforms))


def occupancy(
    stamp_ns: int,
    frame: str,
    data: NDArray[np.int8],
    origin_xy: tuple[float, float],
    resolution: float,
) -> Any:
    """Return an OccupancyGrid of (rows = y, cols = x) cells; the origin is the corner of [0, 0]."""
    rows, cols = data.shape
    return _new(
        "nav_msgs/msg/OccupancyGrid",
        _header(stamp_ns, frame),
        _new(
            "nav_msgs/msg/MapMetaData",
            _time(stamp_ns),
            resolution,
            cols,
            rows,
            _pose((*origin_xy, 0.0), (0, 0, 0, 1)),
        ),
        np.ascontiguousarray(data, dtype=np.int8).reshape(-1),
    )


def boxes(stamp_ns: int, frame: str, items: Sequence[Box]) -> Any:
    """Return a MarkerArray of cubes; the namespace is the class."""
    header = _header(stamp_ns, frame)
    return _new("visualization_msgs/msg/MarkerArray", [_cube(header, item) for item in items])


def _cube(header: Any, box: Box) -> Any:
    def color(*rgba: float) -> Any:
        return _new("std_msgs/msg/ColorRGBA", *rgba)

    no_file = np.empty(0, dtype=np.uint8)
    return _new(
        "visualization_msgs/msg/Marker",
        header,
        box.label,
        box.id,
        _CUBE,
        0,
        _pose(box.center, (0, 0, np.sin(box.yaw / 2), np.cos(box.yaw / 2))),
        _new("geometry_msgs/msg/Vector3", *map(float, box.size)),
        color(1.0, 0.6, 0.1, 0.4),
        _new("builtin_interfaces/msg/Duration", *divmod(_LIFETIME_NS, 1_000_000_000)),
        False,
        [],
        [],
        "",
        _new("sensor_msgs/msg/CompressedImage", header, "", no_file),
        [],
        "",
        "",
        _new("visualization_msgs/msg/MeshFile", "", no_file),
        False,
    )

"""Messages as another library makes and reads them: the truth for our own codec."""

import numpy as np

from pdn_ros.bags.storage import typestore

STAMP = 1_700_000_000_000_000_007


def new(kind, *values):
    """Make a message of a type, its fields in order."""
    return typestore().types[kind](*values)


def stamp(stamp_ns=STAMP):
    return new("builtin_interfaces/msg/Time", *divmod(stamp_ns, 10**9))


def header(frame="camera", stamp_ns=STAMP):
    return new("std_msgs/msg/Header", stamp(stamp_ns), frame)


def serialize(message, *, big=False):
    return bytes(typestore().serialize_cdr(message, message.__msgtype__, little_endian=not big))


def deserialize(data, kind):
    return typestore().deserialize_cdr(data, kind)


def image(pixels, encoding, *, padding=0, frame="camera"):
    """An Image of (H, W) or (H, W, channels) in their own byte order, rows padded."""
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    big = int(pixels.dtype.byteorder == ">")
    data = np.ascontiguousarray(rows).reshape(-1)
    return new(
        "sensor_msgs/msg/Image", header(frame), height, width, encoding, big, rows.shape[1], data
    )


def compressed(data, kind="jpeg"):
    flat = np.frombuffer(data, np.uint8)
    return new("sensor_msgs/msg/CompressedImage", header(), kind, flat)


def camera_info(width=640, height=480, **changes):
    fields = {
        "k": [500, 0, 320, 0, 500, 240, 0, 0, 1],
        "d": [0.1, 0, 0, 0, 0],
        "r": [1, 0, 0, 0, 1, 0, 0, 0, 1],
        "p": [400, 0, 310, 0, 0, 400, 230, 0, 0, 0, 1, 0],
        "model": "plumb_bob",
        "binning": (0, 0),
        "roi": (0, 0, 0, 0),
    } | changes
    x, y, w, h = fields["roi"]
    return new(
        "sensor_msgs/msg/CameraInfo",
        header(),
        height,
        width,
        fields["model"],
        *(np.array(fields[name], dtype=np.float64) for name in "dkrp"),
        *fields["binning"],
        new("sensor_msgs/msg/RegionOfInterest", x, y, h, w, True),
    )


def cloud(points, *, big=False):
    """A PointCloud2 of (N, 3) x, y, z behind two bytes of something else."""
    kind = np.dtype(
        {
            "names": ["ring", "xyz"],
            "formats": ["u2", (">f4" if big else "<f4", 3)],
            "offsets": [0, 4],
            "itemsize": 20,
        }
    )
    table = np.zeros(len(points), kind)
    table["xyz"] = points
    fields = [("ring", 0, 4), ("x", 4, 7), ("y", 8, 7), ("z", 12, 7)]
    return new(
        "sensor_msgs/msg/PointCloud2",
        header("lidar"),
        1,
        len(points),
        [new("sensor_msgs/msg/PointField", *field, 1) for field in fields],
        big,
        20,
        20 * len(points),
        np.frombuffer(table.tobytes(), np.uint8),
        True,
    )


def quaternion(xyzw):
    return new("geometry_msgs/msg/Quaternion", *map(float, xyzw))


def transform(parent, child, xyz, xyzw):
    return new(
        "geometry_msgs/msg/TransformStamped",
        header(parent),
        child,
        new(
            "geometry_msgs/msg/Transform",
            new("geometry_msgs/msg/Vector3", *map(float, xyz)),
            quaternion(xyzw),
        ),
    )


def pose(xyz, xyzw=(0, 0, 0, 1)):
    point = new("geometry_msgs/msg/Point", *map(float, xyz))
    return new("geometry_msgs/msg/Pose", point, quaternion(xyzw))


def grid(data, origin_xy, resolution, *, xyzw=(0, 0, 0, 1), frame="odom", size=None):
    rows, cols = size or data.shape
    info = new(
        "nav_msgs/msg/MapMetaData", stamp(), resolution, cols, rows, pose((*origin_xy, 0.0), xyzw)
    )
    return new("nav_msgs/msg/OccupancyGrid", header(frame), info, np.ravel(data))


def marker(*, kind=1, action=0, xyz=(1, 2, 3), yaw=0.0, size=(4, 2, 1.5), full=False):
    """A Marker; a full one has everything that comes behind a cube's pose."""
    many = range(3 if full else 0)
    data = np.arange(5 if full else 0, dtype=np.uint8)
    return new(
        "visualization_msgs/msg/Marker",
        header("base_link"),
        "vehicle",
        7,
        kind,
        action,
        pose(xyz, (0, 0, np.sin(yaw / 2), np.cos(yaw / 2))),
        new("geometry_msgs/msg/Vector3", *map(float, size)),
        new("std_msgs/msg/ColorRGBA", 1.0, 0.5, 0.1, 0.4),
        new("builtin_interfaces/msg/Duration", 1, 2),
        full,
        [new("geometry_msgs/msg/Point", float(i), 0.0, 1.0) for i in many],
        [new("std_msgs/msg/ColorRGBA", float(i), 0.0, 1.0, 1.0) for i in many],
        "texture" if full else "",
        new("sensor_msgs/msg/CompressedImage", header("t"), "png" if full else "", data),
        [new("visualization_msgs/msg/UVCoordinate", float(i), 0.5) for i in many],
        "some text" if full else "",
        "package://mesh" if full else "",
        new("visualization_msgs/msg/MeshFile", "mesh" if full else "", data),
        full,
    )


def markers(*items):
    return new("visualization_msgs/msg/MarkerArray", list(items))


def patches(rows, cols, *, prior=0.5, selected=(1,), size=64, count=None):
    """A PatchArray whose patch i has weight i / 100 and score i / 10."""
    items = [
        new(
            "pdn_ros/msg/Patch",
            i,
            i % cols * size,
            i // cols * size,
            size,
            size,
            i / 100,
            prior,
            i / 10,
            i in selected,
            int(i in selected),
        )
        for i in range(rows * cols if count is None else count)
    ]
    return new(
        "pdn_ros/msg/PatchArray",
        header(),
        cols * size,
        rows * size,
        size,
        rows,
        cols,
        "patch",
        2,
        "asked for",
        items,
    )

"""A scan of a street and its message."""

import numpy as np
from sensor_msgs.msg import PointCloud2, PointField


def scan() -> np.ndarray:
    """Ground rings and a post, in the LiDAR's frame; (N, 3)."""
    rng = np.random.default_rng(0)
    angle, ground = rng.uniform(-0.6, 0.6, 4000), rng.uniform(4, 30, 4000)
    floor = np.stack((ground * np.cos(angle), ground * np.sin(angle), np.full(4000, -1.8)), axis=1)
    post = np.stack((np.full(12, 15.0), np.full(12, 2.0), np.linspace(-1.2, 0.4, 12)), axis=1)
    return np.concatenate((floor, post)).astype(np.float32)


def cloud(points: np.ndarray, stamp_ns: int, frame: str = "lidar") -> PointCloud2:
    message = PointCloud2(height=1, width=len(points), point_step=12, row_step=12 * len(points))
    message.fields = [
        PointField(name=n, offset=4 * i, datatype=7, count=1) for i, n in enumerate("xyz")
    ]
    message.header.frame_id = frame
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns, 10**9)
    message.data.frombytes(points.tobytes())
    return message

"""A converted KITTI drive, read back."""

from pdn_ros.bags import layout
from pdn_ros.bags.reader import Bag
from pdn_ros.bags.storage import typestore
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transform_buffer import TransformBuffer
from pdn_ros.messages.boxes import read_boxes
from pdn_ros.messages.camera_info import read_camera_info
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.points import read_points
from pdn_ros.messages.transforms import read_transforms


class Recording:
    """A converted drive, read back."""

    def __init__(self, path):
        self.buffer = TransformBuffer(window_s=1e6)
        self.static, self.poses, self.images, self.scans, self.boxes = {}, [], {}, {}, {}
        with Bag(path) as bag:
            self.topics = bag.topics
            for m in bag.messages():
                if m.topic == layout.TF_STATIC_TOPIC:
                    for t in read_transforms(m.data):
                        self.static[t.child] = t
                        self.buffer.set_static(t.parent, t.child, t.matrix)
                elif m.topic == layout.TF_TOPIC:
                    (t,) = read_transforms(m.data)
                    self.poses.append(t)
                    self.buffer.set(t.parent, t.child, t.stamp_ns, t.matrix)
                elif m.topic == layout.IMAGE_TOPIC:
                    stamp_ns = read_header(m.data).stamp_ns
                    self.images[stamp_ns] = typestore().deserialize_cdr(m.data, m.msgtype)
                elif m.topic == layout.POINTS_TOPIC:
                    header, points = read_points(m.data)
                    self.scans[header.stamp_ns] = points
                elif m.topic == layout.BOXES_TOPIC:
                    self.boxes[m.stamp_ns] = read_boxes(m.data)[1]
                elif m.topic == layout.CAMERA_INFO_TOPIC:
                    self.camera = Camera.from_info(read_camera_info(m.data))

    def pairs(self):
        """Yield (points of the scan in base_link, boxes) of every third image."""
        base_lidar = self.buffer.lookup("base_link", "lidar", 0)
        for stamp, boxes in list(self.boxes.items())[::3]:
            nearest = min(self.scans, key=lambda s: abs(s - stamp))
            yield self.scans[nearest] @ base_lidar[:3, :3].T + base_lidar[:3, 3], boxes

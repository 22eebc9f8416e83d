"""A converted KITTI drive, read back."""

from pdn_ros.bags import layout, messages
from pdn_ros.bags.reader import Bag
from pdn_ros.geometry.transform_buffer import TransformBuffer


class Recording:
    """A converted drive, read back."""

    def __init__(self, path):
        self.buffer = TransformBuffer(window_s=1e6)
        self.static, self.poses, self.images, self.scans, self.boxes = {}, [], {}, {}, {}
        with Bag(path) as bag:
            self.topics = bag.topics
            for m in bag.messages():
                message = bag.deserialize(m.data, m.msgtype)
                if m.topic == layout.TF_STATIC_TOPIC:
                    for t in messages.transforms(message):
                        self.static[t.child] = t
                        self.buffer.set_static(t.parent, t.child, t.matrix)
                elif m.topic == layout.TF_TOPIC:
                    (t,) = messages.transforms(message)
                    self.poses.append(t)
                    self.buffer.set(t.parent, t.child, t.stamp_ns, t.matrix)
                elif m.topic == layout.IMAGE_TOPIC:
                    self.images[messages.stamp_ns(message)] = message
                elif m.topic == layout.POINTS_TOPIC:
                    self.scans[messages.stamp_ns(message)] = messages.cloud_xyz(message)
                elif m.topic == layout.BOXES_TOPIC:
                    self.boxes[m.stamp_ns] = messages.boxes(message)
                elif m.topic == layout.CAMERA_INFO_TOPIC:
                    self.camera = messages.camera(message)

    def pairs(self):
        """Yield (points of the scan in base_link, boxes) of every third image."""
        base_lidar = self.buffer.lookup("base_link", "lidar", 0)
        for stamp, boxes in list(self.boxes.items())[::3]:
            nearest = min(self.scans, key=lambda s: abs(s - stamp))
            yield self.scans[nearest] @ base_lidar[:3, :3].T + base_lidar[:3, 3], boxes

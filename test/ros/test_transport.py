"""Large images between two processes, with the profile that ships."""

import subprocess
import sys
import time

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from processes import wait_for  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from pdn_ros.messages.cdr import read_header  # noqa: E402
from pdn_ros.messages.images import read_image  # noqa: E402
from pdn_ros.ros.qos import latest_only  # noqa: E402

COUNT = 40
CAMERA = f"""
import time, numpy as np, rclpy
from sensor_msgs.msg import Image
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.ros.qos import SENSOR
rclpy.init()
node = rclpy.create_node("camera")
publisher = node.create_publisher(Image, "/large", SENSOR)
while not publisher.get_subscription_count():
    time.sleep(0.05)
time.sleep(0.5)
pixels = np.zeros((1080, 1920, 3), np.uint8)
for i in range({COUNT}):
    publisher.publish(write_image(Header(i, "camera"), pixels, "bgr8"))
    time.sleep(1 / 30)
time.sleep(1)
"""


def test_full_hd_at_30_hz_arrives(probe):
    # As the node subscribes: best effort on both sides; with the default segment of half a MiB more
    # than half is lost.
    got = probe.got["/large"]
    probe.node.create_subscription(Image, "/large", got.append, latest_only(), raw=True)
    with subprocess.Popen([sys.executable, "-c", CAMERA]) as camera:
        try:
            wait_for(lambda: camera.poll() is not None or len(got) == COUNT, 60, "images")
        finally:
            camera.terminate()
    time.sleep(0.2)
    assert len({read_header(data).stamp_ns for data in got}) >= 0.9 * COUNT
    assert read_image(got[0])[1].size == 1920 * 1080 * 3

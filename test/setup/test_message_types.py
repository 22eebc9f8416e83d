"""The built messages."""

import json
import math
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.ros


def test_stand_in_messages_have_the_type_hash_of_the_real_ones() -> None:
    stores = pytest.importorskip("rosbags.typesys", reason="rosbags is not installed")
    real = {
        "tf2_msgs/msg/TFMessage": stores.get_typestore(stores.Stores.ROS2_JAZZY).hash_rihs01(
            "tf2_msgs/msg/TFMessage"
        ),
        # From the code that rosidl generated for ros-perception/vision_msgs.
        "vision_msgs/msg/VisionClass": (
            "RIHS01_1e4a11f0fed50b5623cb8ff26ca0e37952a48a9c074d16f804b44e9164c2037a"
        ),
        "vision_msgs/msg/LabelInfo": (
            "RIHS01_3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783"
        ),
    }
    checked = 0
    for name, expected in real.items():
        description = ROOT / "install" / "share" / f"{name}.json"
        if description.is_file():  # else this ROS has the real one
            hashes = json.loads(description.read_text())["type_hashes"]
            assert {h["type_name"]: h["hash_string"] for h in hashes}[name] == expected
            checked += 1
    if not checked:
        pytest.skip("this ROS has the real packages")


def test_patches_survive_the_wire() -> None:
    pytest.importorskip("rclpy", reason="no ROS in this shell: . ./env.sh")
    from pdn_ros.msg import Patch, PatchArray
    from rclpy.serialization import deserialize_message, serialize_message

    patch = Patch(index=9, x=1792, y=1024, width=128, height=56, weight=0.5, prior=math.nan)
    patch.selected, patch.reason = True, Patch.REASON_LIDAR
    sent = PatchArray(image_width=1920, image_height=1080, patch_size=128, mode="patch")
    sent.patches = [patch]
    received = deserialize_message(serialize_message(sent), PatchArray)
    assert (received.image_width, received.image_height, received.patch_size) == (1920, 1080, 128)
    (back,) = received.patches
    assert (back.index, back.x, back.y, back.width, back.height) == (9, 1792, 1024, 128, 56)
    assert back.selected
    assert back.reason == 2
    assert math.isnan(back.prior)

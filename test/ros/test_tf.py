import math

import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from geometry_msgs.msg import TransformStamped  # noqa: E402
from processes import wait_for  # noqa: E402
from rclpy.serialization import serialize_message  # noqa: E402
from tf2_msgs.msg import TFMessage  # noqa: E402

from pdn_ros.geometry.transform_buffer import wait_for_transform  # noqa: E402
from pdn_ros.ros.qos import LATCHED  # noqa: E402
from pdn_ros.ros.tf import TfListener  # noqa: E402

SECOND = 10**9


def transform(parent, child, seconds, x=0.0, yaw=0.0, w=None) -> TransformStamped:
    one = TransformStamped(child_frame_id=child)
    one.header.frame_id = parent
    one.header.stamp.sec = seconds
    one.transform.translation.x = x
    one.transform.rotation.z = math.sin(yaw / 2)
    one.transform.rotation.w = math.cos(yaw / 2) if w is None else w
    return one


@pytest.fixture(scope="module")
def tf(probe):
    transforms = TfListener(probe.node, lambda kind, line: None)
    probe.do(transforms.open)
    moving = probe.publisher(TFMessage, "/tf", 100)
    fixed = probe.publisher(TFMessage, "/tf_static", LATCHED)

    def send(*messages, static=False):
        (fixed if static else moving).publish(TFMessage(transforms=list(messages)))

    yield transforms, send
    probe.do(transforms.close)


def test_lookup_at_the_stamp(tf):
    transforms, send = tf
    send(transform("base_link", "camera", 0, x=0.5), static=True)
    send(transform("odom", "base_link", 10, x=1.0), transform("odom", "base_link", 11, x=3.0))
    wait_for(lambda: transforms.connected("odom", "camera"), 10, "transforms")
    found = wait_for_transform(transforms, "odom", "camera", 10 * SECOND + SECOND // 4, 0.05)
    np.testing.assert_allclose(found[:3, 3], [2.0, 0, 0])
    np.testing.assert_allclose(transforms.lookup("camera", "camera", 0), np.eye(4))


def test_up_to_when_tf_joins_two_frames(tf):
    transforms, _ = tf
    assert transforms.latest_ns("odom", "camera") == 11 * SECOND
    with pytest.raises(LookupError, match="map"):
        transforms.latest_ns("map", "camera")


def test_what_tf_does_not_say(tf):
    transforms, _ = tf
    assert not transforms.connected("odom", "map")
    with pytest.raises(LookupError, match="map"):
        wait_for_transform(transforms, "map", "odom", 10 * SECOND, 0.05)
    with pytest.raises(LookupError, match=r"known from 10\.000 to 11\.000"):
        wait_for_transform(transforms, "odom", "base_link", 20 * SECOND, 0.05)


def test_a_bad_quaternion_is_ignored(tf):
    transforms, send = tf
    send(transform("odom", "broken", 10, w=math.nan), transform("odom", "fine", 10))
    wait_for(lambda: transforms.connected("odom", "fine"), 10, "the good one")
    assert not transforms.connected("odom", "broken")


def test_a_recording_that_starts_again(tf):
    transforms, send = tf
    send(transform("odom", "base_link", 2, x=7.0))

    def new():
        try:
            return transforms.lookup("odom", "base_link", 2 * SECOND)
        except LookupError:
            return None

    assert wait_for(lambda: new() is not None, 10, "the new start")
    np.testing.assert_allclose(new()[:3, 3], [7.0, 0, 0])
    with pytest.raises(LookupError):
        transforms.lookup("odom", "base_link", 10 * SECOND)
    assert transforms.connected("base_link", "camera")  # static transforms stay


def test_a_clear_keeps_what_is_fresh_and_what_is_static(tf):
    transforms, send = tf
    send(transform("odom", "other", 3))
    wait_for(lambda: transforms.connected("odom", "other"), 10, "the transform")
    send(transform("odom", "base_link", 1), transform("odom", "base_link", 2))
    wait_for(lambda: transforms.latest_ns("odom", "base_link") == 2 * SECOND, 10, "the new start")
    transforms.clear(1 * SECOND)
    assert transforms.latest_ns("odom", "camera") == 2 * SECOND
    assert not transforms.connected("odom", "other")


def test_a_damaged_message_is_ignored(tf, probe):
    transforms, send = tf
    message = serialize_message(TFMessage(transforms=[transform("odom", "base_link", 2)]))
    for damaged in (message[:-9], b"\x00\x01\x00\x00\xff\xff\xff\xff", b""):
        probe.publisher(TFMessage, "/tf", 100).publish(damaged)
    send(transform("odom", "base_link", 3, x=5.0))
    wait_for(lambda: transforms.latest_ns("odom", "base_link") == 3 * SECOND, 10, "the good one")


def test_nothing_is_taken_while_closed(tf, probe):
    transforms, send = tf
    probe.do(transforms.close)
    probe.do(transforms.close)
    count = probe.publisher(TFMessage, "/tf", 100, matched=False).get_subscription_count
    wait_for(lambda: count() == 0, 10, "the end of the subscription")
    assert transforms.connected("base_link", "camera")  # what is known stays
    probe.do(transforms.open)
    wait_for(count, 10, "the subscription")
    send(transform("odom", "base_link", 4))
    wait_for(lambda: transforms.latest_ns("odom", "base_link") == 4 * SECOND, 10, "the transform")


def test_as_many_as_a_robot_with_arms_sends(tf):
    transforms, send = tf
    for i in range(900):
        send(transform("base_link" if i % 9 else "odom", f"joint{i % 9}", 5 + i // 9))
    frames = [f"joint{i}" for i in range(9)]

    def all_there():
        return all(transforms.connected("odom", frame) for frame in frames)

    wait_for(all_there, 10, "the transforms")
    assert transforms.latest_ns("odom", "joint0") == (5 + 99) * SECOND

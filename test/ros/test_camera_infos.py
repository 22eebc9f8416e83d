import numpy as np
import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from rclpy.serialization import serialize_message  # noqa: E402
from sensor_msgs.msg import CameraInfo  # noqa: E402

from pdn_ros.ros.camera_infos import CameraInfos  # noqa: E402


def info(width=640, height=480, focal=500.0, p=0.0) -> bytes:
    message = CameraInfo(width=width, height=height, distortion_model="plumb_bob", d=[0.0] * 5)
    message.k = [focal, 0.0, 319.5, 0.0, focal, 239.5, 0.0, 0.0, 1.0]
    message.header.frame_id = "camera_optical"
    message.p = [p] * 12
    message.header.stamp.sec = 3
    return serialize_message(message)


def test_no_info_yet():
    infos = CameraInfos()
    assert (infos.stamp_ns, infos.frame_id) == (0, "")
    with pytest.raises(ValueError, match="no camera_info yet"):
        infos.camera((640, 480))


def test_camera_is_built_once():
    infos = CameraInfos()
    infos.put(info())
    first = infos.camera((640, 480))
    infos.put(info())
    assert infos.camera((640, 480)) is first
    np.testing.assert_allclose(first.k[0], [500, 0, 319.5])
    assert (infos.stamp_ns, infos.frame_id) == (3_000_000_000, "camera_optical")
    infos.put(info(focal=510.0))
    assert infos.camera((640, 480)).k[0, 0] == 510


def test_a_scaled_image_gets_a_scaled_camera():
    infos = CameraInfos()
    infos.put(info())
    camera = infos.camera((320, 240))
    assert (camera.width, camera.height, camera.k[0, 0]) == (320, 240, 250)


def test_an_image_of_another_shape_is_refused():
    infos = CameraInfos()
    infos.put(info())
    with pytest.raises(ValueError, match="640x480, the image is 640x400"):
        infos.camera((640, 400))


def test_numbers_that_the_camera_does_not_use_build_no_new_one():
    infos = CameraInfos()
    infos.put(info(p=np.nan))
    first = infos.camera()
    infos.put(info(p=np.nan))
    assert infos.camera() is first


def test_a_camera_that_would_fill_the_memory_is_refused():
    infos = CameraInfos()
    infos.put(info(width=20_000, height=20_000))
    with pytest.raises(ValueError, match="20000 x 20000 pixels, more than"):
        infos.camera()
    infos.put(info()[:-60])
    with pytest.raises(ValueError, match="truncated"):
        infos.camera()
    infos.put(info())
    assert infos.camera().width == 640


def test_an_uncalibrated_camera_is_refused():
    infos = CameraInfos()
    infos.put(info(focal=0.0))
    with pytest.raises(ValueError, match="uncalibrated"):
        infos.camera((640, 480))

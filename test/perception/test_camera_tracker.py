import numpy as np
import pytest

from pdn_ros.messages.camera_info import CameraInfo
from pdn_ros.messages.cdr import Header
from pdn_ros.perception.camera_tracker import CameraTracker


def info(
    width: int = 640, height: int = 480, focal: float = 500.0, p: float = 0.0, stamp_s: float = 3.0
) -> CameraInfo:
    return CameraInfo(
        header=Header(round(1e9 * stamp_s), "camera_optical"),
        width=width,
        height=height,
        distortion_model="plumb_bob",
        d=(0.0,) * 5,
        k=(focal, 0.0, 319.5, 0.0, focal, 239.5, 0.0, 0.0, 1.0),
        p=(p,) * 12,
    )


def test_no_info_yet():
    infos = CameraTracker()
    assert (infos.stamp_ns, infos.frame_id) == (0, "")
    with pytest.raises(ValueError, match="no camera_info yet"):
        infos.camera((640, 480))


def test_camera_is_built_once():
    infos = CameraTracker()
    infos.put(info())
    first = infos.camera((640, 480))
    infos.put(info())
    assert infos.camera((640, 480)) is first
    np.testing.assert_allclose(first.k[0], [500, 0, 319.5])
    assert (infos.stamp_ns, infos.frame_id) == (3_000_000_000, "camera_optical")
    infos.put(info(focal=510.0))
    assert infos.camera((640, 480)).k[0, 0] == 510


def test_a_scaled_image_gets_a_scaled_camera():
    infos = CameraTracker()
    infos.put(info())
    camera = infos.camera((320, 240))
    assert (camera.width, camera.height, camera.k[0, 0]) == (320, 240, 250)


def test_an_image_of_another_shape_is_refused():
    infos = CameraTracker()
    infos.put(info())
    with pytest.raises(ValueError, match="640x480, the image is 640x400"):
        infos.camera((640, 400))


def test_numbers_that_the_camera_does_not_use_build_no_new_one():
    infos = CameraTracker()
    infos.put(info(p=np.nan))
    first = infos.camera()
    infos.put(info(p=np.nan))
    assert infos.camera() is first


def test_a_scan_belongs_to_the_newest_image_or_to_the_one_to_come():
    infos = CameraTracker()
    infos.put(info(stamp_s=10.0))
    assert infos.newest_is_nearest(10_090_000_000)  # the rate is not known yet
    infos.put(info(stamp_s=10.1))
    assert infos.newest_is_nearest(10_140_000_000)
    assert not infos.newest_is_nearest(10_160_000_000)
    assert infos.newest_is_nearest(10_020_000_000)

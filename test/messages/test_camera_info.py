import foreign
import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera
from pdn_ros.messages.camera_info import CameraInfo, read_camera_info, write_camera_info
from pdn_ros.messages.cdr import Header

HEADER = Header(foreign.STAMP, "camera")


@pytest.mark.parametrize("big", [False, True])
def test_info_of_another_writer(big):
    message = foreign.camera_info(binning=(2, 3), roi=(10, 20, 300, 200), d=[0.1, 0, 0.2, 0.3])
    info = read_camera_info(foreign.serialize(message, big=big))
    assert info == CameraInfo(
        header=HEADER,
        width=640,
        height=480,
        distortion_model="plumb_bob",
        d=(0.1, 0.0, 0.2, 0.3),
        k=(500, 0, 320, 0, 500, 240, 0, 0, 1),
        p=(400, 0, 310, 0, 0, 400, 230, 0, 0, 0, 1, 0),
        binning_x=2,
        binning_y=3,
        roi=(10, 20, 300, 200, True),
    )
    if not big:
        assert write_camera_info(info) == foreign.serialize(message)


@pytest.mark.parametrize(
    ("model", "d"),
    [("", []), ("plumb_bob", [0.1, -0.2, 0.01, 0.02, 0.3]), ("equidistant", [1e-3] * 4)],
)
def test_a_camera_both_ways(model, d):
    k = np.array([[700.0, 0, 320.5], [0, 710, 240], [0, 0, 1]])
    before = Camera(640, 480, k, np.array(d), model)
    data = write_camera_info(before.info(HEADER))
    message = foreign.deserialize(data, "sensor_msgs/msg/CameraInfo")
    assert message.r.tolist() == np.eye(3).ravel().tolist()
    assert message.p.reshape(3, 4).tolist() == np.c_[k, np.zeros(3)].tolist()
    assert message.distortion_model == (model or "plumb_bob")
    after = Camera.from_info(read_camera_info(data))
    assert (after.width, after.height) == (640, 480)
    assert after.k.tolist() == k.tolist()
    points = np.random.default_rng(1).normal(loc=(0, 0, 4), size=(50, 3))
    a, b = before.project(points), after.project(points)
    assert (a[1] == b[1]).all()
    assert a[0][a[1]] == pytest.approx(b[0][b[1]], abs=1e-3)


def camera(rectified=False, **changes):
    data = foreign.serialize(foreign.camera_info(**changes))
    return Camera.from_info(read_camera_info(data), rectified=rectified)


def test_camera_of_the_rectified_image_is_p():
    found = camera(rectified=True)
    assert found.k[0].tolist() == [400, 0, 310]
    assert not found.d.any()
    assert camera().d[0] == 0.1


def test_camera_with_region_of_interest_and_binning():
    found = camera(roi=(100, 40, 400, 200), binning=(2, 2))
    assert (found.width, found.height) == (200, 100)
    # The pixel at (220, 200) of the region lies between binned columns 109 and 110.
    assert found.k[0, 2] == pytest.approx((220 + 0.5) / 2 - 0.5)
    assert found.k[0, 0] == 250


@pytest.mark.parametrize("changes", [{"k": [0] * 9}, {"model": "odd"}, {"d": [np.nan] * 5}])
def test_a_camera_that_is_none(changes):
    with pytest.raises(InputError, match=r"\Acamera: [^\n]+\Z"):
        camera(**changes)


def test_a_sensor_that_would_fill_the_memory_is_refused():
    data = foreign.serialize(foreign.camera_info(20_000, 20_000))
    with pytest.raises(InputError, match="20000 x 20000 pixels, more than max_pixels = 50000000"):
        read_camera_info(data)
    assert read_camera_info(data, max_pixels=4 * 10**8).width == 20_000


def test_every_truncation_is_refused():
    data = foreign.serialize(foreign.camera_info())
    for end in range(len(data)):
        with pytest.raises(InputError):
            read_camera_info(data[:end])


def test_too_many_coefficients_are_damage():
    with pytest.raises(InputError, match="65 distortion coefficients"):
        camera(d=[0.0] * 65)

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.bags import encode, messages
from pdn_ros.bags.boxes import Box
from pdn_ros.bags.types import typestore
from pdn_ros.errors import InputError
from pdn_ros.geometry.camera import Camera

STAMP = 1_700_000_000_000_000_007
RNG = np.random.default_rng(1)


def travel(message):
    """Send a message through its bytes."""
    store = typestore()
    kind = message.__msgtype__
    return store.deserialize_cdr(store.serialize_cdr(message, kind), kind)


def plane(array, encoding, padding=0, big=0):
    height, width = array.shape
    rows = array.view(np.uint8).reshape(height, -1)
    rows = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        height=height,
        width=width,
        encoding=encoding,
        step=rows.shape[1],
        data=rows.reshape(-1),
        is_bigendian=big,
    )


def test_stamp():
    message = travel(encode.image(STAMP, "f", np.zeros((1, 1), np.uint8), "mono8"))
    assert messages.stamp_ns(message) == STAMP
    assert message.header.stamp.nanosec == 7


@pytest.mark.parametrize(
    ("model", "d"),
    [("", []), ("plumb_bob", [0.1, -0.2, 0.01, 0.02, 0.3]), ("equidistant", [1e-3] * 4)],
)
def test_camera_round_trip(model, d):
    k = np.array([[700.0, 0, 320.5], [0, 710, 240], [0, 0, 1]])
    before = Camera(640, 480, k, np.array(d), model)
    after = messages.camera(travel(encode.camera_info(STAMP, "f", before)))
    assert (after.width, after.height) == (640, 480)
    assert after.k.tolist() == k.tolist()
    points = RNG.normal(loc=(0, 0, 4), size=(50, 3))
    a, b = before.project(points), after.project(points)
    assert (a[1] == b[1]).all()
    assert a[0][a[1]] == pytest.approx(b[0][b[1]], abs=1e-3)


def info(**changes):
    values = {
        "width": 640,
        "height": 480,
        "k": [500, 0, 320, 0, 500, 240, 0, 0, 1],
        "d": [0.1, 0, 0, 0, 0],
        "p": [400, 0, 310, 0, 0, 400, 230, 0, 0, 0, 1, 0],
        "distortion_model": "plumb_bob",
        "binning_x": 0,
        "binning_y": 0,
        "roi": SimpleNamespace(x_offset=0, y_offset=0, width=0, height=0),
    }
    return SimpleNamespace(**(values | changes))


def test_camera_of_the_rectified_image_is_p():
    camera = messages.camera(info(), rectified=True)
    assert camera.k[0].tolist() == [400, 0, 310]
    assert not camera.d.any()
    assert messages.camera(info()).d[0] == 0.1


def test_camera_with_region_of_interest_and_binning():
    roi = SimpleNamespace(x_offset=100, y_offset=40, width=400, height=200)
    camera = messages.camera(info(roi=roi, binning_x=2, binning_y=2))
    assert (camera.width, camera.height) == (200, 100)
    # The pixel at (220, 200) of the region lies between binned columns 109 and 110.
    assert camera.k[0, 2] == pytest.approx((220 + 0.5) / 2 - 0.5)
    assert camera.k[0, 0] == 250


@pytest.mark.parametrize(
    "changes", [{"k": [0] * 9}, {"distortion_model": "odd"}, {"d": [np.nan] * 5}]
)
def test_a_camera_that_is_none(changes):
    with pytest.raises(InputError, match=r"\Acamera_info: [^\n]+\Z"):
        messages.camera(info(**changes))


def test_cloud():
    xyzi = RNG.normal(size=(7, 4)).astype(np.float32)
    xyzi[3, :3] = np.nan
    message = travel(encode.cloud(STAMP, "lidar", xyzi))
    assert not message.is_dense
    np.testing.assert_array_equal(messages.cloud_xyz(message), xyzi[:, :3])
    message.data = message.data[:-1]
    with pytest.raises(InputError, match=r"\Apoints: [^\n]+\Z"):
        messages.cloud_xyz(message)


@given(
    angles=st.tuples(*[st.floats(-3.14, 3.14)] * 3),
    position=st.tuples(*[st.floats(-1e5, 1e5)] * 3),
)
def test_transform_round_trip(angles, position):
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    matrix = np.eye(4)
    matrix[:3, :3] = (
        np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
        @ np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        @ np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    )
    matrix[:3, 3] = position
    (t,) = messages.transforms(travel(encode.tf([encode.transform(STAMP, "a", "b", matrix)])))
    assert (t.parent, t.child, t.stamp_ns) == ("a", "b", STAMP)
    np.testing.assert_allclose(t.matrix, matrix, atol=1e-9)


def test_a_quaternion_that_is_none():
    message = encode.tf([encode.transform(STAMP, "a", "b", np.eye(4))])
    message.transforms[0].transform.rotation.w = 0.0
    with pytest.raises(InputError, match=r"\Atf: [^\n]+\Z"):
        messages.transforms(message)


@pytest.mark.parametrize("padding", [0, 3])
def test_mask(padding):
    ids = RNG.integers(0, 256, (4, 5), dtype=np.uint8)
    message = plane(ids, "mono8", padding)
    found = messages.mask(message)
    assert found.tolist() == ids.tolist()
    assert np.shares_memory(found, message.data)
    with pytest.raises(InputError, match="truncated"):
        messages.mask(SimpleNamespace(**vars(message) | {"height": 5}))
    with pytest.raises(InputError, match="expected mono8"):
        messages.mask(plane(ids, "bgr8"))


@pytest.mark.parametrize("padding", [0, 4])
@pytest.mark.parametrize("order", ["<", ">"])
class TestDepth:
    def test_metres(self, order, padding):
        metres = np.array([[1.5, np.nan, 0], [np.inf, 80, 2]], dtype=order + "f4")
        found = messages.depth(plane(metres, "32FC1", padding, int(order == ">")))
        assert found.tolist() == [[1.5, 0, 0], [0, 80, 2]]
        assert found.dtype == np.float32

    def test_millimetres(self, order, padding):
        depth = np.array([[1500, 0], [65535, 1]], dtype=order + "u2")
        found = messages.depth(plane(depth, "16UC1", padding, int(order == ">")))
        assert found == pytest.approx(np.array([[1.5, 0], [65.535, 0.001]]))


def test_depth_of_another_encoding():
    with pytest.raises(InputError, match="expected 32FC1 or 16UC1"):
        messages.depth(plane(np.zeros((2, 2), np.uint8), "mono8"))


def test_occupancy():
    data = np.array([[-1, 0, 100], [7, 50, 99]], dtype=np.int8)
    message = travel(encode.occupancy(STAMP, "odom", data, (-3.5, 2.0), 0.25))
    found = messages.occupancy(message)
    assert found.data.tolist() == data.tolist()
    assert (found.stamp_ns, found.frame, found.origin_xy) == (STAMP, "odom", (-3.5, 2.0))
    assert found.resolution == 0.25
    message.info.origin.orientation.z = 0.5
    with pytest.raises(InputError, match="rotated"):
        messages.occupancy(message)
    message.info.width = 4
    with pytest.raises(InputError, match="6 cells for 4 x 2"):
        messages.occupancy(message)


@given(yaw=st.floats(-3.14, 3.14))
def test_boxes_round_trip(yaw):
    box = Box((1.0, -2.0, 0.5), yaw, (4.0, 2.0, 1.5), "vehicle", 3)
    (found,) = messages.boxes(travel(encode.boxes(STAMP, "base_link", [box])))
    assert found.yaw == pytest.approx(yaw, abs=1e-9)
    assert (found.center, found.size, found.label, found.id) == (box.center, box.size, "vehicle", 3)


def test_corners_and_contents_of_a_box():
    box = Box((10.0, 5.0, 1.0), np.pi / 2, (4.0, 2.0, 1.0), "vehicle", 0)
    # Turned by 90 degrees the length lies along y.
    assert box.corners().min(axis=0) == pytest.approx([9, 3, 0.5])
    assert box.corners().max(axis=0) == pytest.approx([11, 7, 1.5])
    assert box.corners()[0] == pytest.approx([9, 7, 0.5])  # front left, below
    points = np.array([[10, 6.9, 1], [10, 7.1, 1], [11.1, 5, 1], [10, 5, 1.6]])
    assert box.contains(points).tolist() == [True, False, False, False]
    assert box.contains(points, margin=0.2).all()

import foreign
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.errors import InputError
from pdn_ros.messages.boxes import Box, read_boxes, write_boxes
from pdn_ros.messages.cdr import Header

KIND = "visualization_msgs/msg/MarkerArray"
HEADER = Header(foreign.STAMP, "base_link")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("full", [False, True])
def test_cubes_of_another_writer(full, big):
    message = foreign.markers(
        foreign.marker(full=full, yaw=-2),
        foreign.marker(full=full, kind=2),  # a sphere
        foreign.marker(full=full, action=2),  # a deleted cube
        foreign.marker(full=full, xyz=(4, 5, 6)),
    )
    header, boxes = read_boxes(foreign.serialize(message, big=big))
    assert header == HEADER
    assert [box.center for box in boxes] == [(1, 2, 3), (4, 5, 6)]
    assert boxes[0].yaw == pytest.approx(-2)
    assert (boxes[1].yaw, boxes[1].size, boxes[1].label, boxes[1].id) == (
        0.0, (4, 2, 1.5), "vehicle", 7,
    )  # fmt: skip


@given(yaw=st.floats(-3.14, 3.14), label=st.text("abc_", max_size=9), count=st.integers(0, 3))
def test_boxes_that_we_wrote(yaw, label, count):
    box = Box((1.0, -2.0, 0.5), yaw, (4.0, 2.0, 1.5), label, 3)
    data = write_boxes(HEADER, [box] * count)
    message = foreign.deserialize(data, KIND)
    assert foreign.serialize(message) == data
    for marker in message.markers:
        assert (marker.ns, marker.id, marker.type, marker.action) == (label, 3, 1, 0)
        assert marker.header.frame_id == "base_link"
        lifetime = marker.lifetime.sec, marker.lifetime.nanosec
        assert (lifetime, marker.color.a) == ((0, 300_000_000), pytest.approx(0.4))
        assert marker.texture.header.frame_id == "base_link"
    header, boxes = read_boxes(data)
    assert header == (HEADER if count else Header(0, ""))
    assert len(boxes) == count
    for found in boxes:
        assert found.yaw == pytest.approx(yaw, abs=1e-9)
        assert (found.center, found.size, found.label, found.id) == (
            box.center, box.size, label, 3,
        )  # fmt: skip


def test_a_cube_nowhere_is_refused():
    data = foreign.serialize(foreign.markers(foreign.marker(xyz=(0, np.nan, 0))))
    with pytest.raises(InputError, match="a cube of 'vehicle'"):
        read_boxes(data)


def test_corners_and_contents_of_a_box():
    box = Box((10.0, 5.0, 1.0), np.pi / 2, (4.0, 2.0, 1.0), "vehicle", 0)
    # Turned by 90 degrees the length lies along y.
    assert box.corners().min(axis=0) == pytest.approx([9, 3, 0.5])
    assert box.corners().max(axis=0) == pytest.approx([11, 7, 1.5])
    assert box.corners()[0] == pytest.approx([9, 7, 0.5])  # front left, below
    points = np.array([[10, 6.9, 1], [10, 7.1, 1], [11.1, 5, 1], [10, 5, 1.6]])
    assert box.contains(points).tolist() == [True, False, False, False]
    assert box.contains(points, margin=0.2).all()

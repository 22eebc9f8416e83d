import foreign
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from pdn_ros.errors import InputError
from pdn_ros.messages.transforms import (
    Transform,
    from_quaternion,
    read_transforms,
    to_quaternion,
    write_transforms,
)

KIND = "tf2_msgs/msg/TFMessage"
angles = st.tuples(*[st.floats(-3.14159, 3.14159)] * 3)


@pytest.mark.parametrize("big", [False, True])
def test_transforms_of_another_writer(big):
    turn = np.array([0.1, 0.2, -0.3, 0.9]) / np.linalg.norm([0.1, 0.2, -0.3, 0.9])
    message = foreign.new(
        KIND,
        [
            foreign.transform("/odom", "/base_link", (1, 2, 3), turn),
            foreign.transform("base_link", "a", (4, 5, 6), (0, 0, 0, -1)),
        ],
    )
    first, second = read_transforms(foreign.serialize(message, big=big))
    assert (first.parent, first.child, first.stamp_ns) == ("odom", "base_link", foreign.STAMP)
    np.testing.assert_allclose(first.matrix[:3, :3], Rotation(turn).as_matrix(), atol=1e-15)
    assert first.matrix[:, 3].tolist() == [1, 2, 3, 1]
    assert second.matrix.tolist() == [[1, 0, 0, 4], [0, 1, 0, 5], [0, 0, 1, 6], [0, 0, 0, 1]]


@given(angles, st.tuples(*[st.floats(-1e5, 1e5)] * 3))
@example((np.pi, 0, 0), (0, 0, 0))
@example((0, np.pi, 0), (0, 0, 0))
@example((0, 0, np.pi), (0, 0, 0))
def test_transforms_that_we_wrote(angles, position):
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_euler("xyz", angles).as_matrix()
    matrix[:3, 3] = position
    data = write_transforms([Transform("a", "b", foreign.STAMP, matrix)] * 2)
    found = foreign.deserialize(data, KIND).transforms
    assert [(t.header.frame_id, t.child_frame_id) for t in found] == [("a", "b")] * 2
    q = found[1].transform.rotation
    back = Rotation([q.x, q.y, q.z, q.w]).as_matrix()
    np.testing.assert_allclose(back, matrix[:3, :3], atol=1e-9)
    assert foreign.serialize(foreign.deserialize(data, KIND)) == data
    for one in read_transforms(data):
        np.testing.assert_allclose(one.matrix, matrix, atol=1e-9)


@given(angles)
def test_quaternions_have_the_sign_that_is_expected(angles):
    turn = Rotation.from_euler("xyz", angles)
    found = to_quaternion(turn.as_matrix())
    assert found[3] >= 0
    assert abs(found @ turn.as_quat()) == pytest.approx(1, abs=1e-12)
    back = from_quaternion((0, 0, 0), found)[:3, :3]
    np.testing.assert_allclose(back, turn.as_matrix(), atol=1e-12)


@pytest.mark.parametrize(
    ("xyz", "xyzw"),
    [
        ((0, 0, 0), (0, 0, 0, 0)),
        ((0, 0, 0), (0, 0, 0, 2)),
        ((0, 0, 0), (1e200, 0, 0, 1e200)),
        ((np.nan, 0, 0), (0, 0, 0, 1)),
        ((0, 0, np.inf), (0, 0, 0, 1)),
        ((0, 0, 0), (0, np.nan, 0, 1)),
    ],
)
def test_what_is_no_transform(xyz, xyzw):
    data = foreign.serialize(foreign.new(KIND, [foreign.transform("a\nb", "b", xyz, xyzw)]))
    with pytest.raises(InputError, match=r"\Atf: 'a\\nb' to 'b': [^\n]+\Z"):
        read_transforms(data)


def test_none_at_all():
    assert read_transforms(write_transforms([])) == []
    assert write_transforms([]) == foreign.serialize(foreign.new(KIND, []))

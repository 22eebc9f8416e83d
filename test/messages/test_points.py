import foreign
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.points import (
    FLOAT32,
    FLOAT64,
    Field,
    read_points,
    read_xyz,
    write_organized_cloud,
    write_points,
)


def encode(points, *, offsets, datatypes, point_step, padding=0, big=False):
    """Cloud message fields of points (height, width, 3), written value by value."""
    height, width, _ = points.shape
    row_step = width * point_step + padding
    data = np.random.default_rng(0).integers(0, 256, height * row_step, dtype=np.uint8)
    order = ">" if big else "<"
    for r in range(height):
        for c in range(width):
            for i in range(3):
                kind = f"{order}f{4 if datatypes[i] == FLOAT32 else 8}"
                raw = np.array(points[r, c, i], dtype=kind).tobytes()
                start = r * row_step + c * point_step + offsets[i]
                data[start : start + len(raw)] = np.frombuffer(raw, np.uint8)
    fields = [Field(n, o, t) for n, o, t in zip("xyz", offsets, datatypes, strict=True)]
    return data, {
        "width": width,
        "height": height,
        "point_step": point_step,
        "row_step": row_step,
        "fields": [Field("intensity", 0, 2), *fields],
        "is_bigendian": big,
    }


@st.composite
def layouts(draw):
    datatypes = draw(
        st.one_of(
            st.just([FLOAT32] * 3),
            st.just([FLOAT64] * 3),
            st.lists(st.sampled_from([FLOAT32, FLOAT64]), min_size=3, max_size=3),
        )
    )
    order = draw(st.permutations(range(3)))
    offsets, at = [0, 0, 0], 0
    for i in order:
        at += draw(st.integers(0, 5))
        offsets[i] = at
        at += 4 if datatypes[i] == FLOAT32 else 8
    return {
        "offsets": offsets,
        "datatypes": datatypes,
        "point_step": at + draw(st.integers(0, 7)),
        "padding": draw(st.sampled_from([0, 0, 3, 8])),
        "big": draw(st.booleans()),
    }


@settings(max_examples=80, deadline=None)
@given(layouts(), st.integers(1, 3), st.integers(1, 5))
def test_every_layout_reads_back(layout, height, width):
    points = np.random.default_rng(1).normal(size=(height, width, 3)).astype(np.float32)
    points[0, 0, 1] = np.nan
    data, message = encode(points, **layout)
    found = read_xyz(data, **message)
    assert found.dtype == np.float32 and found.dtype.isnative
    assert np.array_equal(found, points.reshape(-1, 3), equal_nan=True)
    with pytest.raises(InputError, match="truncated"):
        read_xyz(data[: len(data) - layout["padding"] - 1], **message)


def test_the_common_layout_is_a_view():
    points = np.arange(12, dtype=np.float32).reshape(1, 4, 3)
    data, message = encode(
        points, offsets=[0, 4, 8], datatypes=[FLOAT32] * 3, point_step=16, padding=0
    )
    found = read_xyz(data, **message)
    assert np.shares_memory(found, data)
    assert np.array_equal(read_xyz(data.tobytes(), **message), found)


def test_row_step_zero_of_one_row_is_forgiven():
    points = np.ones((1, 2, 3), dtype=np.float32)
    data, message = encode(points, offsets=[0, 4, 8], datatypes=[FLOAT32] * 3, point_step=12)
    assert len(read_xyz(data, **message | {"row_step": 0})) == 2


def test_an_empty_cloud_has_no_points():
    found = read_xyz(
        b"", width=0, height=1, point_step=0, row_step=0, fields=[], is_bigendian=False
    )
    assert found.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"fields": [Field("x", 0, FLOAT32), Field("y", 4, FLOAT32)]}, "no field 'z'"),
        ({"fields": [Field(n, 0, 2) for n in "xyz"]}, "float32 nor float64"),
        ({"fields": [Field(n, 12, FLOAT32) for n in "xyz"]}, "outside"),
        ({"fields": [Field(n, -4, FLOAT32) for n in "xyz"]}, "outside"),
        ({"height": 2, "width": 2, "row_step": 12}, "do not hold"),
        ({"width": -1}, "negative"),
        ({"width": 10**9}, "truncated"),
    ],
)
def test_bad_layouts_are_refused(change, words):
    points = np.ones((1, 4, 3), dtype=np.float32)
    data, message = encode(points, offsets=[0, 4, 8], datatypes=[FLOAT32] * 3, point_step=12)
    with pytest.raises(InputError, match=words):
        read_xyz(data, **message | change)


HEADER = Header(foreign.STAMP, "lidar")


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("big_data", [False, True])
def test_a_cloud_of_another_writer(big, big_data):
    points = np.random.default_rng(2).normal(size=(7, 3)).astype(np.float32)
    points[3] = np.nan
    data = foreign.serialize(foreign.cloud(points, big=big_data), big=big)
    header, found = read_points(data)
    assert header == HEADER
    np.testing.assert_array_equal(found, points)
    for end in range(0, len(data) - 21, 5):
        with pytest.raises(InputError, match=r"\A[^\n]+\Z"):
            read_points(data[:end])


def test_a_scan_that_we_wrote():
    xyzi = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)
    xyzi[3, :3] = np.nan
    data = write_points(HEADER, xyzi)
    message = foreign.deserialize(data, "sensor_msgs/msg/PointCloud2")
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
        ("intensity", 12, 7, 1),
    ]
    assert (message.width, message.height, message.point_step, message.row_step) == (7, 1, 16, 112)
    assert not message.is_dense
    np.testing.assert_array_equal(message.data.view(np.float32), xyzi.ravel())
    np.testing.assert_array_equal(read_points(data)[1], xyzi[:, :3])


def test_a_scan_with_rings_that_we_wrote():
    scan = np.random.default_rng(3).normal(size=(7, 5)).astype(np.float32)
    scan[:, 4] = range(25, 32)
    data = write_points(HEADER, scan)
    message = foreign.deserialize(data, "sensor_msgs/msg/PointCloud2")
    last = message.fields[-1]
    assert (last.name, last.offset, last.datatype, last.count) == ("ring", 16, 4, 1)
    rows = message.data.reshape(7, message.point_step)
    assert rows[:, 16:18].copy().view("<u2").ravel().tolist() == list(range(25, 32))
    np.testing.assert_array_equal(read_points(data)[1], scan[:, :3])


def test_an_organized_cloud_that_we_wrote():
    points = np.random.default_rng(3).normal(size=(2, 3, 3)).astype(np.float32)
    points[0, 1] = np.nan
    data = write_organized_cloud(HEADER, points)
    message = foreign.deserialize(data, "sensor_msgs/msg/PointCloud2")
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, 7, 1),
        ("y", 4, 7, 1),
        ("z", 8, 7, 1),
    ]
    assert (message.height, message.width) == (2, 3)
    assert (message.point_step, message.row_step) == (12, 36)
    assert not message.is_dense
    assert bytes(message.data) == points.tobytes()


def test_an_organized_cloud_with_colors():
    points = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    rgb = np.array([[0x010203, 0, 1], [2, 0x7FC00001, 0xFF8040]], dtype=np.uint32)
    data = write_organized_cloud(HEADER, points, rgb)
    message = foreign.deserialize(data, "sensor_msgs/msg/PointCloud2")
    field = message.fields[3]
    assert (field.name, field.offset, field.datatype, field.count) == ("rgb", 12, 7, 1)
    assert (message.point_step, message.row_step, message.is_dense) == (16, 48, True)
    words = np.frombuffer(message.data, np.uint32).reshape(2, 3, 4)
    np.testing.assert_array_equal(words[..., :3].view(np.float32), points)
    np.testing.assert_array_equal(words[..., 3], rgb)

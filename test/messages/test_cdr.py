import struct

import foreign
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header, Reader, Writer, join_stamp, read_header, split_stamp

names = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)


@given(names, st.floats(allow_nan=False), st.integers(0, 255), st.lists(st.floats(width=32)))
def test_reader_reads_what_the_writer_wrote(text, number, byte, values):
    array = np.array(values, dtype=np.float32)
    data = Writer().scalars("B", byte).string(text).scalars("d", number).array(array).finish()
    reader = Reader(data)
    assert reader.scalar("B") == byte
    assert reader.string() == text
    assert reader.scalar("d") == number
    np.testing.assert_array_equal(reader.array("f4"), array)


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("stamp_ns", [0, foreign.STAMP, -3 * 10**9 + 999_999_999])
def test_header_of_another_writer(stamp_ns, big):
    data = foreign.serialize(foreign.header("frame", stamp_ns), big=big)
    assert read_header(data) == Header(stamp_ns, "frame")
    if not big:
        assert Header(stamp_ns, "frame").write(Writer()).finish() == data


@given(st.integers(-(2**31) * 10**9, 2**31 * 10**9 - 1))
def test_stamps_both_ways(stamp_ns):
    sec, nanosec = split_stamp(stamp_ns)
    assert 0 <= nanosec < 10**9
    assert join_stamp(sec, nanosec) == stamp_ns


def test_damaged_stamp_is_refused():
    data = bytearray(foreign.serialize(foreign.header()))
    data[8:12] = struct.pack("<I", 1_000_000_000)
    with pytest.raises(InputError, match="nanoseconds"):
        read_header(data)


def test_a_string_that_claims_too_much_is_refused():
    with pytest.raises(InputError, match="a string of 4294967295 bytes"):
        read_header(b"\0\1\0\0" + bytes(8) + b"\xff" * 4)


@pytest.mark.parametrize("data", [b"", b"\0\1\0", b"\1\1\0\0" + bytes(20), b"\0\7\0\0" + bytes(20)])
def test_what_ros_did_not_write_is_refused(data):
    with pytest.raises(InputError, match="no CDR encapsulation"):
        Reader(data)


@pytest.mark.parametrize("read", [lambda r: r.array("f8"), lambda r: r.count(1)])
def test_counts_are_not_believed(read):
    with pytest.raises(InputError, match="truncated"):
        read(Reader(b"\0\1\0\0" + b"\xff" * 4 + bytes(100)))


def test_records_need_no_padding_behind_the_last():
    kind = np.dtype(
        {"names": ["a", "b"], "formats": ["<u4", "u1"], "offsets": [0, 4], "itemsize": 8}
    )
    table = np.zeros(2, dtype=kind)
    table[:] = [(1, 2), (3, 4)]
    data = Writer().records(table).finish()
    assert data[4:] == struct.pack("<IIBxxxIB", 2, 1, 2, 3, 4)
    assert Reader(data).records(kind).tolist() == table.tolist()
    big = b"\0\0\0\0" + struct.pack(">IIBxxxIB", 2, 1, 2, 3, 4)
    assert Reader(big).records(kind).tolist() == table.tolist()
    assert Writer().records(table[:0]).finish()[4:] == bytes(4)
    assert len(Reader(b"\0\1\0\0" + bytes(4)).records(kind)) == 0

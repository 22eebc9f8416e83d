"""The parsers of KITTI's files."""

from datetime import datetime, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdn_ros.bags import kitti_files as files
from pdn_ros.bags.conversion import read_scan
from pdn_ros.errors import InputError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parsers")


class TestParsers:
    @pytest.mark.parametrize(
        ("line", "nanoseconds"),
        [
            ("1970-01-01 00:00:00.000000001", 1),
            ("1970-01-01 00:00:01", 10**9),
            ("1970-01-02 00:00:00.5", 86_400 * 10**9 + 5 * 10**8),
            ("2011-09-26 13:04:32.345808896", 1_317_042_272_345_808_896),
        ],
    )
    def test_stamps(self, tmp_path, line, nanoseconds):
        (tmp_path / "t").write_text(line + "\n\n")
        assert files.read_stamps(tmp_path / "t") == {0: nanoseconds}

    def test_an_empty_line_is_a_missed_frame(self, tmp_path):
        (tmp_path / "t").write_text("\n1970-01-01 00:00:01\n  \n\n1970-01-01 00:00:02\n\n")
        assert files.read_stamps(tmp_path / "t") == {1: 10**9, 4: 2 * 10**9}

    @pytest.mark.parametrize("line", ["now", "NaT", "2011", "2011-13-26 13:04:32.3", "x" * 999])
    def test_what_is_no_stamp(self, tmp_path, line):
        (tmp_path / "t").write_text(f"2011-09-26 13:04:32.1\n{line}\n2011-09-26 13:04:32.2\n")
        with pytest.raises(InputError, match="line 2 is no time"):
            files.read_stamps(tmp_path / "t")

    @given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)), st.integers(0, 999))
    def test_all_stamps_are_exact(self, folder, moment, nano):
        (folder / "t").write_text(f"{moment:%Y-%m-%d %H:%M:%S.%f}{nano:03d}\n")
        whole = moment.replace(tzinfo=timezone.utc, microsecond=0)
        expected = int(whole.timestamp()) * 10**9 + moment.microsecond * 1000 + nano
        assert files.read_stamps(folder / "t") == {0: expected}

    @given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=6, max_size=6))
    def test_calibration_numbers_come_back(self, folder, values):
        text = "calib_time: 09-Jan-2012 13:57:47\nA: " + " ".join(map(repr, values)) + "\nB: 1\n"
        (folder / "c.txt").write_text(text)
        calibration = files.Calibration(folder / "c.txt")
        assert calibration.matrix("A", 2, 3).ravel().tolist() == values
        for key, rows, cols in (("A", 3, 3), ("calib_time", 1, 1), ("C", 1, 1)):
            with pytest.raises(InputError, match="numbers"):
                calibration.matrix(key, rows, cols)

    @given(st.binary(max_size=200))
    def test_any_file_is_read_or_one_line(self, folder, data):
        (folder / "any").write_bytes(data)
        readers = [
            lambda p: files.Calibration(p).transform(),
            files.read_stamps,
            files.read_oxts,
            files.read_tracklets,
            lambda p: read_scan(p, 4),
            lambda p: files.read_image(p, (4, 4)),
        ]
        for read in readers:
            try:
                read(folder / "any")
            except InputError as error:
                assert "\n" not in str(error)

    def test_mercator_and_angles(self):
        step = 1e-5  # degrees
        records = np.zeros((3, 6))
        records[:, 0] = [60, 60, 60 + step]
        records[:, 1] = [10, 10 + step, 10]
        records[:, 5] = [0, np.pi / 2, 0]
        records[2, 4] = 0.1
        a, b, c = files.imu_poses(records)
        metre = np.radians(step) * 6378137
        assert (b - a)[:3, 3] == pytest.approx([metre * 0.5, 0, 0], abs=1e-6)  # cos 60 degrees
        assert (c - a)[:3, 3] == pytest.approx([0, metre, 0], rel=1e-5, abs=1e-6)
        assert a[:3, :3].tolist() == np.eye(3).tolist()
        assert b[:3, 0] == pytest.approx([0, 1, 0], abs=1e-12)  # yaw: forward is north
        assert c[2, 0] == pytest.approx(-np.sin(0.1))  # pitch: positive is front down

    def test_tracklets(self, tmp_path):
        (tmp_path / "t.xml").write_text(TRACKLETS)
        first, second = files.read_tracklets(tmp_path / "t.xml")
        assert (first.frame, second.frame) == (5, 6)
        assert (first.kind, first.id, first.size) == ("Van", 0, (4.5, 1.8, 2.0))
        assert (first.bottom, first.yaw) == ((13.0, 4.0, -1.5), 0.25)
        assert (first.visible, second.visible) == (True, False)

    @pytest.mark.parametrize(
        ("state", "occlusion", "truncation", "visible"),
        [
            (2, 0, 0, True),
            (1, 1, 1, True),
            (1, -1, 0, True),
            (0, 0, 0, False),
            (2, 2, 0, False),
            (2, 0, 2, False),
            (2, 0, 99, False),
        ],
    )
    def test_states(self, state, occlusion, truncation, visible):
        box = files.Tracklet(0, 0, "Car", (4, 2, 2), (0, 0, 0), 0, state, occlusion, truncation)
        assert box.visible is visible


TRACKLETS = """<?xml version="1.0" encoding="UTF-8" standalone="yes" ?>
<!DOCTYPE boost_serialization>
<boost_serialization signature="serialization::archive" version="9">
<tracklets class_id="0" tracking_level="0" version="0"><count>1</count>
<item class_id="1"><objectType>Van</objectType><h>2</h><w>1.8</w><l>4.5</l>
<first_frame>5</first_frame><poses><count>2</count><item_version>2</item_version>
<item><tx>13</tx><ty>4</ty><tz>-1.5</tz><rx>0</rx><ry>0</ry><rz>0.25</rz><state>2</state>
<occlusion>0</occlusion><occlusion_kf>1</occlusion_kf><truncation>0</truncation></item>
<item><tx>13</tx><ty>4</ty><tz>-1.5</tz><rx>0</rx><ry>0</ry><rz>0.25</rz><state>1</state>
<occlusion>2</occlusion><occlusion_kf>0</occlusion_kf><truncation>0</truncation></item>
</poses><finished>1</finished></item></tracklets></boost_serialization>
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, read_yaml, require_writable
from pdn_ros.geometry import roles


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "new" / "a.txt"
    for text in ("first", "second"):
        with atomic(target) as part:
            assert part.suffix == ".txt" and part.parent == target.parent
            part.write_text(text)
            assert not target.exists() or target.read_text() == "first"
        assert target.read_text() == text
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "folder"
    target.mkdir()
    (target / "kept").touch()
    with pytest.raises(KeyboardInterrupt), atomic(target) as part:
        part.mkdir()
        raise KeyboardInterrupt
    assert [p.name for p in tmp_path.iterdir()] == ["folder"]
    assert (target / "kept").exists()


def test_a_folder_that_cannot_be_made_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"), atomic(tmp_path / "file" / "x"):
        pass


WRITER = """
import sys, time
from pathlib import Path
from pdn_ros.files import atomic
with atomic(Path(sys.argv[1])) as part:
    if sys.argv[2] == "folder":
        part.mkdir()
    (part / "x" if part.is_dir() else part).touch()
    print(part.name, flush=True)
    sys.stdin.readline()
"""


def begin(path: Path, kind: str) -> tuple[subprocess.Popen, str]:
    """Start a process that is writing `path`, and return the temporary name."""
    command = [sys.executable, "-c", WRITER, str(path), kind]
    process = subprocess.Popen(command, stdin=-1, stdout=-1, text=True)
    return process, process.stdout.readline().strip()


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_a_killed_run_left_is_removed_by_the_next(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "report.html"
    others = [".report-00000000-1-00000000.html", ".gitignore", ".report.html", "kept"]
    for name in others:
        (tmp_path / name).touch()
    alive, working = begin(target, kind)
    killed, left = begin(target, kind)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert {path.name for path in tmp_path.iterdir()} == {*others, working, left}
    again, _ = begin(target, kind)
    again.communicate("\n")
    assert {path.name for path in tmp_path.iterdir()} == {*others, working, target.name}
    alive.communicate("\n")
    assert alive.returncode == again.returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {*others, target.name}


def test_the_longest_name_fits_and_a_longer_one_is_said(tmp_path: Path) -> None:
    target = tmp_path / ("ä" * 125 + ".html")  # 255 bytes
    with atomic(target) as part:
        part.touch()
    assert list(tmp_path.iterdir()) == [target]
    longer = tmp_path / ("x" * 256)
    said = r"xxx: cannot be written \(File name too long\)"
    with pytest.raises(InputError, match=said), atomic(longer):
        pytest.fail("nothing is computed for a name that cannot be written")
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_names_the_file_and_leaves_the_old_one(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    target.write_text("old")
    with pytest.raises(OSError, match="No space left") as caught, atomic(target) as part:
        part.write_text("half")
        with Path("/dev/full").open("w") as full:
            full.write("x")
    assert caught.value.filename == str(target)
    assert list(tmp_path.iterdir()) == [target]
    assert target.read_text() == "old"


def test_seeing_whether_a_folder_can_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "writable").write_text("mine")
    require_writable(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["writable"]
    (tmp_path / "closed").mkdir(mode=0o500)
    if os.geteuid():  # nothing is closed to root
        with pytest.raises(InputError, match="Permission denied"):
            require_writable(tmp_path / "closed")


def test_street_has_the_twelve_classes_of_the_data_sets() -> None:
    street = load_classes("street")
    names = "sky building pole road sidewalk vegetation sign fence vehicle pedestrian cyclist"
    assert " ".join(street.names) == f"{names} lane_marking"
    assert [street.names[i] for i in street.thin] == [
        "pole",
        "sign",
        "pedestrian",
        "cyclist",
        "lane_marking",
    ]
    table = street.role_table()
    assert table[street.id_of("lane_marking")] == roles.GROUND
    assert table[street.id_of("cyclist")] == roles.DYNAMIC
    assert table[255] == table[12] == roles.UNKNOWN


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "no YAML"),
        ("name: x\nclasses: []", "classes: Tuple should have at least 1 item"),
        ("name: x\nclasses: [{name: a, color: [0, 0, 300], role: sky}]", r"color\.2"),
        ("name: x\nclasses: [{name: a, color: [0, 0, 0], role: sea}]", "role"),
        ("", "the file"),
    ],
)
def test_bad_yaml_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        read_yaml(path, ClassSet)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)

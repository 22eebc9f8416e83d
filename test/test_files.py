from pathlib import Path

import pytest

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, read_yaml
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

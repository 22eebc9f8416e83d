"""The checks and their page on a made folder."""

from functools import cache
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from labeled_field import CLASSES, HEIGHT, WIDTH, scene
from PIL import Image

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.cli.app import main
from pdn_ros.errors import InputError
from pdn_ros.labels import check
from pdn_ros.labels.folder import open_folder
from pdn_ros.labels.page import write_check
from pdn_ros.visualization import save_mask

CLASS_SET = ClassSet.model_validate(CLASSES)
STREET = load_classes("street")


READ_ONCE = cache(check.read_checkpoint)


@pytest.fixture(autouse=True)
def weights_read_once(monkeypatch):
    monkeypatch.setattr(check, "read_checkpoint", READ_ONCE)


def write(root, name, label, image=None):
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(sum(map(ord, name))).integers(0, 255, (HEIGHT, WIDTH, 3))
    Image.fromarray((pixels if image is None else image).astype(np.uint8)).save(
        root / "images" / f"{name}.png"
    )
    if label is not None:
        save_mask(root / "labels" / f"{name}.png", label, CLASS_SET)
    (root / "classes.yaml").write_text(yaml.safe_dump(CLASSES))


def inspected(root):
    return check.inspect(open_folder(root), "", lambda done, total: None)


def test_a_sound_folder(tmp_path):
    for name in "ab":
        write(tmp_path, name, scene())
    found = inspected(tmp_path)
    assert not found.problems
    expected = np.array([2 * (scene() == i).sum() for i in (0, 1, 2, 255)])
    np.testing.assert_array_equal(found.pixels, expected)
    assert found.occurs.tolist() == [2, 2, 2, 2]
    assert [row.name for row in found.rows] == ["a", "b"]
    assert list(found.rows[0].pictures) == ["Image", "Label"]
    assert "know none of the classes" in found.note  # a field has no class of the street


def test_whatever_looks_wrong(tmp_path):
    half = np.zeros((12, 16), dtype=np.uint8)
    unknown = scene()[:] * 1
    unknown[5, 7:9] = 9
    write(tmp_path, "half", half)
    write(tmp_path, "unknown", np.where(unknown == 2, 1, unknown).astype(np.uint8))
    write(tmp_path, "empty", np.full((HEIGHT, WIDTH), 255, dtype=np.uint8))
    write(tmp_path, "bare", None)
    same = np.full((HEIGHT, WIDTH, 3), 9)
    write(tmp_path, "one", np.zeros((HEIGHT, WIDTH), np.uint8), same)
    write(tmp_path, "two", np.zeros((HEIGHT, WIDTH), np.uint8), same)
    write(tmp_path, "cut", np.zeros((HEIGHT, WIDTH), np.uint8))
    whole = (tmp_path / "labels/cut.png").read_bytes()
    (tmp_path / "labels/cut.png").write_bytes(whole[:-40])
    save_mask(tmp_path / "labels/lost.png", half, CLASS_SET)
    found = inspected(tmp_path)
    assert {kind: len(lines) for kind, lines in found.problems.items()} == {
        check.NO_IMAGE: 1, check.NO_LABEL: 1, check.DAMAGED: 1, check.EMPTY: 1, check.SIZES: 1,
        check.REPEATED: 1, check.UNKNOWN: 1, check.NOBODY: 1,
    }  # fmt: skip
    assert found.problems[check.UNKNOWN] == ["unknown.png: id 9, 2 pixels, the first at x=7 y=5"]
    assert found.problems[check.SIZES] == ["half.png: label 16x12, image 32x24"]
    assert found.problems[check.REPEATED] == ["two.png: the same as one.png"]
    assert found.problems[check.NOBODY] == ["traffic_light"]
    wrong = {row.name: row.problems for row in found.rows}
    assert wrong["half"] == (check.SIZES,)
    write_check(tmp_path / "check.html", found)
    page = Page()
    page.feed((tmp_path / "check.html").read_text())
    assert page.open == []
    assert page.pictures == sum(len(row.pictures) for row in found.rows)
    assert "unknown.png: id 9" in page.text


def test_the_mask_of_weights_that_know_a_class(tmp_path, monkeypatch):
    class Pipeline:
        def __init__(self, config):
            assert config.weights == ""

        def segment(self, image, *, confidence):
            sky, road = (STREET.names.index(name) for name in ("sky", "road"))
            mask = np.full(image.shape[:2], road, dtype=np.uint8)
            mask[:10] = sky
            mask[:, :10] = STREET.names.index("vehicle")
            return SimpleNamespace(mask=mask)

    monkeypatch.setattr(check, "Pipeline", Pipeline)
    label = np.zeros((40, 50), dtype=np.uint8)  # all road
    write(tmp_path, "a", label, np.zeros((40, 50, 3)))
    (tmp_path / "classes.yaml").write_text(
        yaml.safe_dump(CLASSES).replace("soil", "Road").replace("traffic_light", "sky")
    )
    found = inspected(tmp_path)
    assert found.note == "The network's mask has the classes sky, road."
    # Of the pixels where both have one of these classes, 30 rows of 40.
    assert list(found.rows[0].pictures) == ["Image", "Label", "Network: 75% as labeled"]


def test_the_status_says_whether_something_is_wrong(tmp_path, capsys):
    write(tmp_path, "a", scene())
    assert main(["labels", "check", str(tmp_path)]) == 0
    write(tmp_path, "b", None)
    assert main(["labels", "check", str(tmp_path)]) == 1
    assert "images without a label: b.png" in capsys.readouterr().err
    with pytest.raises(InputError, match="no such folder"):
        open_folder(tmp_path / "none")


class Page(HTMLParser):
    """Counts pictures and finds tags that are not closed."""

    VOID = ("meta", "link", "img")

    def __init__(self):
        super().__init__()
        self.open, self.pictures, self.text = [], 0, ""

    def handle_starttag(self, tag, attrs):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "img":
            assert dict(attrs)["src"].startswith("data:image/")
            self.pictures += 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

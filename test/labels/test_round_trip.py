"""What is exported and imported again is the same."""

import numpy as np
import pytest
import yaml
from labeled_field import CLASSES, read_png, scene, write_images

from pdn_ros.cli.labels import FORMATS as help_text
from pdn_ros.errors import InputError
from pdn_ros.labels.exporting import export_labels
from pdn_ros.labels.formats import FORMATS
from pdn_ros.visualization import save_mask


def make(root, background=False):
    from pdn_ros.classes import ClassSet

    classes = yaml.safe_load(yaml.safe_dump(CLASSES))
    if background:
        classes["classes"][0]["name"] = "background"
    write_images(root / "images", "a.jpg", "b.png", "c.png")
    (root / "frames.csv").write_text("name,topic,stamp_ns\na,/image,5\n")
    (root / "classes.yaml").write_text(yaml.safe_dump(classes))
    noise = np.random.default_rng(0).integers(0, 3, (24, 32)).astype(np.uint8)
    for name, label in (("a", scene()), ("b", noise)):
        save_mask(root / "labels" / f"{name}.png", label, ClassSet.model_validate(classes))
    return root


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_labels_again(tmp_path, take, kind, background):
    data = make(tmp_path / "data", background)
    assert export_labels(kind, data, tmp_path / "out", tolerance=0) == 2
    source = tmp_path / "out" / ("masks" if kind == "colors" else "")
    take(kind, source, classes=data / "classes.yaml")
    made = sorted((tmp_path / "made/labels").iterdir())
    for name, file in zip(("a", "b"), made, strict=True):
        np.testing.assert_array_equal(read_png(file), read_png(data / f"labels/{name}.png"))
    if kind != "cityscapes":  # its images have other names
        assert (tmp_path / "made/frames.csv").read_text() == (data / "frames.csv").read_text()
    assert [f.suffix for f in sorted((tmp_path / "made/images").iterdir())] == [".jpg", ".png"]


def test_help_names_every_format():
    assert set(FORMATS) == set(help_text.replace(" or ", ", ").split(", "))


def test_simplified_outlines_stay_near(tmp_path, take):
    data = make(tmp_path / "data")
    (data / "labels/b.png").unlink()
    export_labels("labelme", data, tmp_path / "out")
    take("labelme", tmp_path / "out", classes=data / "classes.yaml")
    assert (read_png(tmp_path / "made/labels/a.png") == scene()).mean() > 0.95


def test_other_labels_of_the_folder(tmp_path):
    data = make(tmp_path / "data")
    (data / "labels").rename(data / "proposals")
    with pytest.raises(InputError, match="data/labels: no such folder"):
        export_labels("coco", data, tmp_path / "out")
    assert export_labels("coco", data, tmp_path / "out", labels="proposals") == 2


def test_ids_without_a_class_are_refused_with_their_place(tmp_path):
    data = make(tmp_path / "data")
    classes = {**CLASSES, "classes": CLASSES["classes"][:2]}
    (data / "classes.yaml").write_text(yaml.safe_dump(classes))
    with pytest.raises(InputError, match=r"a\.png: pixel x=10 y=8: id 2 has no class"):
        export_labels("coco", data, tmp_path / "out")
    assert not (tmp_path / "out").exists()

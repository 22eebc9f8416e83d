"""Whatever a label file holds: it is imported, or refused in one line, and nothing is left."""

import json
import shutil

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from labeled_field import CLASSES, scene, write_images

from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.labels.exporting import export_labels
from pdn_ros.labels.importing import import_labels
from pdn_ros.visualization import save_mask

FILES = {
    "coco": "panoptic.json",
    "labelme": "a.json",
    "labelstudio": "tasks.json",
    "cityscapes": "gtFine/train/own/a_gtFine_polygons.json",
    "cvat": "annotations.xml",
    "voc": "labelmap.txt",
}
VALUES = st.sampled_from([None, -1, 0, 1e300, 2**70, float("nan"), "", "1,2", [], [[1, 2]], {}])
SCRAPS = st.sampled_from(["", "9", "-", "x", "1e999", '"', "<", "\0"])


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    write_images(root / "images", "a.jpg")
    (root / "classes.yaml").write_text(yaml.safe_dump(CLASSES))
    save_mask(root / "labels/a.png", scene(), ClassSet.model_validate(CLASSES))
    for kind in FILES:
        export_labels(kind, root, root / kind)
    return root


def changed(tree, draw):
    """A tree of lists and mappings with one of its values replaced."""
    if isinstance(tree, dict) and tree and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(tree)))
        return {**tree, name: changed(tree[name], draw)}
    if isinstance(tree, list) and tree and draw(st.integers(0, 9)):
        i = draw(st.integers(0, len(tree) - 1))
        return [*tree[:i], changed(tree[i], draw), *tree[i + 1 :]]
    return draw(VALUES)


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_files(exported, tmp_path, kind, data):
    for folder in ("in", "out"):
        shutil.rmtree(tmp_path / folder, ignore_errors=True)
    shutil.copytree(exported / kind, tmp_path / "in")
    file = tmp_path / "in" / FILES[kind]
    text = file.read_text()
    if file.suffix == ".json":
        file.write_text(json.dumps(changed(json.loads(text), data.draw)))
    else:
        at = data.draw(st.integers(0, len(text)))
        file.write_text(text[:at] + data.draw(SCRAPS) + text[at + data.draw(st.integers(0, 9)) :])
    path = file if kind == "coco" else tmp_path / "in"
    classes = data.draw(st.sampled_from([None, exported / "classes.yaml"]))
    try:
        import_labels(kind, path, tmp_path / "out", classes=classes, report=lambda done, total: 0)
    except InputError as error:
        assert "\n" not in str(error)
        assert sorted(f.name for f in tmp_path.iterdir()) == ["in"]

"""Published data sets on samples made in their layouts (the sets themselves are not here)."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.datasets import LAYOUTS, open_dataset
from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml
from pdn_ros.training.training_config import TrainingConfig

STREET = load_classes("street")


def write(path: Path, pixels) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


def image(path: Path) -> None:
    write(path, np.full((1, 8, 3), 90))


def street(*names) -> list[int]:
    return [255 if name is None else STREET.id_of(name) for name in names]


def read(spec: str, classes=STREET, split="val"):
    data = open_dataset(spec, split, classes)
    samples = [data.sample(i) for i in range(len(data))]
    return data, [sample.name for sample in samples], [s.label[0].tolist() for s in samples]


def test_ade20k(tmp_path):
    label = [[0, 1, 3, 7, 13, 44, 94, 84]]  # void wall sky road person signboard pole truck
    write(tmp_path / "annotations/validation/ADE_val_00000001.png", label)
    image(tmp_path / "images/validation/ADE_val_00000001.jpg")
    data, names, labels = read(f"ade20k:{tmp_path}")
    assert names == ["ADE_val_00000001"]
    expected = street(None, "building", "sky", "road", "pedestrian", "sign", "pole", "vehicle")
    assert labels == [expected]
    assert data.hidden == {"lane_marking": "road"}
    own = load_classes("ade20k")
    _, _, labels = read(f"ade20k:{tmp_path}", own)
    assert labels == [[255, 0, 2, 6, 12, 43, 93, 83]]
    assert [own.names[i] for i in (0, 74, 149)] == ["wall", "computer", "flag"]


def test_coco_stuff(tmp_path):
    # person car "traffic light" tree road sky-other wall-brick unlabeled; id - 1 is stored
    label = [[0, 2, 9, 168, 148, 156, 170, 255]]
    write(tmp_path / "annotations/val2017/000000000139.png", label)
    image(tmp_path / "images/val2017/000000000139.jpg")
    _, names, labels = read(f"coco:{tmp_path}")
    assert names == ["000000000139"]
    assert labels == [
        street("pedestrian", "vehicle", "sign", "vegetation", "road", "sky", "building", None)
    ]
    own = load_classes("coco_stuff")
    _, _, labels = read(f"coco:{tmp_path}", own)
    found = [own.names[i] for i in labels[0][:-1]]
    assert found == [
        "person", "car", "traffic light", "tree", "road", "sky-other", "wall-brick"
    ]  # fmt: skip
    assert (len(own.names), own.names[-1]) == (171, "wood")


@pytest.mark.parametrize(
    ("version", "config", "labels"),
    [
        ("2.0", "config_v2.0.json", "v2.0/labels"),
        ("1.2", "config_v1.2.json", "v1.2/labels"),
        ("", "config.json", "labels"),
    ],
)
def test_vistas(tmp_path, version, config, labels):
    names = [
        "construction--flat--road", "construction--barrier--guard-rail",
        "construction--flat--sidewalk", "marking--discrete--stop-line",
        "object--support--utility-pole", "object--vehicle--bicycle", "object--vehicle--car",
        "void--ego-vehicle",
    ]  # fmt: skip
    text = {"labels": [{"name": name, "readable": "", "color": [0, 0, 0]} for name in names]}
    (tmp_path / config).write_text(json.dumps(text))
    write(tmp_path / f"validation/{labels}/a.png", [range(8)])
    image(tmp_path / "validation/images/a.jpg")
    expected = street(
        "road", "fence", "sidewalk", "lane_marking", "pole", "cyclist", "vehicle", None
    )
    assert read(f"vistas:{tmp_path}")[2] == [expected]
    assert read(f"vistas:{tmp_path}?version={version}")[2] == [expected]
    with pytest.raises(InputError, match=r"no Vistas 3 in it"):
        read(f"vistas:{tmp_path}?version=3")
    (tmp_path / config).write_text("{}")
    with pytest.raises(InputError, match=r"no list of Vistas' labels"):
        read(f"vistas:{tmp_path}")


def test_rellis(tmp_path):
    name = "frame000104-1581624663_170"
    files = f"00000/pylon_camera_node/{name}.jpg", f"00000/pylon_camera_node_label_id/{name}.png"
    # void grass tree pole sky vehicle person rubble
    write(tmp_path / files[1], [[0, 3, 4, 5, 7, 8, 17, 34]])
    image(tmp_path / files[0])
    (tmp_path / "val.lst").write_text(" ".join(files) + "\n")
    _, names, labels = read(f"rellis:{tmp_path}")
    assert names == [f"00000_{name}"]
    assert labels == [
        street(None, "vegetation", "vegetation", "pole", "sky", "vehicle", "pedestrian", None)
    ]
    own = load_classes("rellis")
    _, _, labels = read(f"rellis:{tmp_path}", own)
    found = [own.names[i] for i in labels[0][1:]]
    assert found == ["grass", "tree", "pole", "sky", "vehicle", "person", "rubble"]
    (tmp_path / "val.lst").write_text("one.jpg\n")
    with pytest.raises(InputError, match=r"val\.lst: line 1: expected image and label"):
        read(f"rellis:{tmp_path}")


def test_a2d2(tmp_path):
    text = {"#ff0000": "Car 1", "#c80000": "Car 2", "#ff00ff": "RD normal street",
            "#8000ff": "Dashed line", "#fff68f": "Poles", "#48d1cc": "Ego car",
            "#00ffff": "Traffic sign 1", "#cc99ff": "Pedestrian 1"}  # fmt: skip
    (tmp_path / "class_list.json").write_text(json.dumps(text))
    colors = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in text]
    for drive in ("20180807_145028", "20180810_142822"):
        for camera in ("cam_front_center", "cam_rear_center"):
            stem = f"{drive.replace('_', '')}_{{}}_{camera[4:].replace('_', '')}_000000091.png"
            write(tmp_path / drive / "label" / camera / stem.format("label"), [colors])
            image(tmp_path / drive / "camera" / camera / stem.format("camera"))
    _, names, labels = read(f"a2d2:{tmp_path}?camera=cam_front_center")
    assert names == ["20180810142822_frontcenter_000000091"]
    assert labels == [
        street("vehicle", "vehicle", "road", "lane_marking", "pole", None, "sign", "pedestrian")
    ]
    assert len(read(f"a2d2:{tmp_path}", split="train")[1]) == 2
    (tmp_path / "class_list.json").write_text('{"red": "Car 1"}')
    with pytest.raises(InputError, match=r"class_list\.json: no list of A2D2's colors"):
        read(f"a2d2:{tmp_path}")


def test_bdd100k(tmp_path):
    write(tmp_path / "labels/sem_seg/masks/val/a.png", [[0, 3, 6, 9, 11, 12, 13, 255]])
    image(tmp_path / "images/10k/val/a.jpg")
    data, _, labels = read(f"bdd100k:{tmp_path}")
    assert labels == [
        street("road", "building", "sign", "vegetation", "pedestrian", "cyclist", "vehicle", None)
    ]
    assert data.hidden == {"lane_marking": "road"}


@pytest.mark.parametrize("name", ["ade20k", "coco", "vistas", "rellis", "a2d2", "bdd100k"])
def test_other_folders_are_refused_in_one_line(tmp_path, name):
    with pytest.raises(InputError) as error:
        open_dataset(f"{name}:{tmp_path}", "train", STREET)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)
    with pytest.raises(InputError, match="no option 'size'"):
        open_dataset(f"{name}:{tmp_path}?size=2", "train", STREET)


@pytest.mark.parametrize("name", ["ade20k", "coco_stuff", "rellis", "street"])
def test_class_files_are_sound(name):
    classes = load_classes(name)
    assert classes.name == name
    assert len(set(classes.names)) == len(classes.names)
    assert len({info.color for info in classes.classes}) == len(classes.names)


@pytest.mark.parametrize("name", ["ade20k", "coco_stuff"])
def test_training_configurations_name_a_layout_and_its_classes(name):
    file = Path(__file__).resolve().parents[2] / "config" / "training" / f"{name}.yaml"
    config = read_yaml(file, TrainingConfig)
    assert load_classes(config.classes).name == name
    specs = {data.spec for stage in config.stages for data in (*stage.data, *config.validation)}
    assert {spec.partition(":")[0] for spec in specs} <= set(LAYOUTS)

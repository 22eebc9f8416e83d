"""The layouts on tiny made folders, and on the recorded sets."""

import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.datasets import LAYOUTS, open_dataset
from pdn_ros.errors import InputError

STREET = load_classes("street")
ID = {name: i for i, name in enumerate(STREET.names)}


def write_image(path: Path, size=(8, 6), color=(10, 20, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, color).save(path)


def write_label(path: Path, ids: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(ids.astype(np.uint8))
    picture.putpalette(bytes(range(256)) * 3)
    picture.save(path)


def make_folder(root: Path, names="[road, pole, sky]", ids=None) -> Path:
    ids = np.tile([0, 1, 2, 255], (6, 2)) if ids is None else ids
    (root / "dataset.yaml").parent.mkdir(parents=True, exist_ok=True)
    (root / "dataset.yaml").write_text(f"name: made\nclasses: {names}\nhidden: {{sign: pole}}\n")
    for name in ("b", "a"):
        write_image(root / "train/images" / f"{name}.png")
        write_label(root / "train/labels" / f"{name}.png", ids)
    return root


def test_folder_maps_names_to_the_class_set(tmp_path):
    data = open_dataset(f"folder:{make_folder(tmp_path)}", "train", STREET)
    assert (data.name, data.classes, len(data)) == ("made", STREET.names, 2)
    assert data.hidden == {"sign": "pole"}
    sample = data.sample(0)
    assert sample.name == "a"
    assert sample.image.shape == (6, 8, 3)
    assert sample.image[0, 0].tolist() == [30, 20, 10]  # BGR
    assert sample.label[0, :4].tolist() == [ID["road"], ID["pole"], ID["sky"], 255]


def test_data_sets_travel_to_other_processes(tmp_path):
    data = open_dataset(f"folder:{make_folder(tmp_path)}", "train", STREET)
    again = pickle.loads(pickle.dumps(data))
    np.testing.assert_array_equal(again.sample(1).label, data.sample(1).label)


def test_unknown_ids_are_void_with_one_warning(tmp_path, caplog):
    make_folder(tmp_path, ids=np.tile([0, 7], (6, 4)))
    data = open_dataset(f"folder:{tmp_path}", "train", STREET)
    with caplog.at_level(logging.WARNING):
        labels = [data.sample(i).label for i in (0, 1)]
    assert len(caplog.records) == 1
    assert "a.png" in caplog.text
    assert "[7]" in caplog.text
    for label in labels:
        assert label[0, :2].tolist() == [ID["road"], 255]


def test_classes_outside_the_set_are_void(tmp_path, caplog):
    make_folder(tmp_path, names="[road, unicorn, sky]")
    label = open_dataset(f"folder:{tmp_path}", "train", STREET).sample(0).label
    assert label[0, :3].tolist() == [ID["road"], 255, ID["sky"]]
    assert "unicorn" in caplog.text


def test_labels_only_join_images_of_another_folder(tmp_path):
    make_folder(tmp_path / "half")
    full = make_folder(tmp_path / "full")
    write_label(full / "train_labels_only/b.png", np.zeros((12, 16)))
    data = open_dataset(f"folder:{full}?images={tmp_path / 'half'}", "train", STREET)
    sample = data.sample(0)
    assert (len(data), sample.name) == (1, "b")
    assert (sample.image.shape, sample.label.shape) == ((6, 8, 3), (12, 16))


def test_names_are_taken_or_left_by_how_they_start(tmp_path):
    root = make_folder(tmp_path)
    for name in ("bonn_1", "ulm_1", "ulm_2"):
        Image.new("RGB", (8, 6)).save(root / f"train/images/{name}.png")
        write_label(root / f"train/labels/{name}.png", np.zeros((6, 8)))

    def names(options):
        return [p.name for p in open_dataset(f"folder:{root}?{options}", "train", STREET).pairs]

    assert names("only=ulm,bonn") == ["bonn_1", "ulm_1", "ulm_2"]
    assert names("without=ulm") == ["a", "b", "bonn_1"]
    assert names("only=ulm&without=ulm_1") == ["ulm_2"]
    with pytest.raises(InputError, match="leaves no image"):
        names("only=rome")


def test_greyscale_images_get_three_channels(tmp_path):
    make_folder(tmp_path)
    Image.new("L", (8, 6), 77).save(tmp_path / "train/images/a.png")
    image = open_dataset(f"folder:{tmp_path}", "train", STREET).sample(0).image
    assert image.shape == (6, 8, 3)
    assert (image == 77).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda root: (root / "dataset.yaml").unlink(), r"dataset\.yaml"),
        (lambda root: (root / "dataset.yaml").write_text("classes: ["), r"dataset\.yaml: no YAML"),
        (lambda root: (root / "dataset.yaml").write_text("classes: 3"), "no Description: classes"),
        (lambda root: (root / "dataset.yaml").write_text("classes: [x]"), "shares no class"),
        (lambda root: (root / "train/images/a.png").unlink(), "1 labels have no image, a"),
        (lambda root: [p.unlink() for p in (root / "train/labels").iterdir()], "no labels"),
    ],
)
def test_bad_folders_are_refused_in_one_line(tmp_path, damage, message):
    damage(make_folder(tmp_path))
    with pytest.raises(InputError, match=message) as error:
        open_dataset(f"folder:{tmp_path}", "train", STREET)
    assert "\n" not in str(error.value)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("train/images/a.jpg", truncate),
        ("train/images/a.jpg", lambda p: p.write_bytes(b"")),
        ("train/images/a.jpg", lambda p: p.unlink()),
        ("train/labels/a.png", truncate),
        ("train/labels/a.png", lambda p: Image.new("RGB", (8, 6)).save(p)),
    ],
)
def test_damaged_files_are_named(tmp_path, name, damage):
    make_folder(tmp_path)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "train/images/a.png").unlink()
    Image.fromarray(noise).save(tmp_path / "train/images/a.jpg")
    data = open_dataset(f"folder:{tmp_path}", "train", STREET)
    data.sample(0)
    damage(tmp_path / name)
    with pytest.raises(InputError, match=Path(name).name):
        data.sample(0)
    assert data.sample(1).name == "b"


@pytest.mark.parametrize(
    ("spec", "split", "message"),
    [
        ("{root}", "train", "unknown layout"),
        ("zip:{root}", "train", "unknown layout"),
        ("folder:", "train", "does not exist"),
        ("folder:{root}/none", "train", "does not exist"),
        ("folder:{root}?size=3", "train", "no option 'size'"),
        ("folder:{root}", "test", "test/images: no such folder"),
        ("cityscapes:{root}", "train", "gtFine"),
        ("comma10k:{root}", "train", "masks"),
        ("comma10k:{root}", "test", "no split"),
        ("drive:{root}", "train", "no rosbag2"),
        ("drive:{root}?every=0", "train", "every=0"),
    ],
)
def test_bad_specifications_are_refused(tmp_path, spec, split, message):
    make_folder(tmp_path)
    with pytest.raises(InputError, match=message):
        open_dataset(spec.format(root=tmp_path), split, STREET)


def test_cityscapes(tmp_path):
    write_image(tmp_path / "leftImg8bit/val/ulm/ulm_000000_000019_leftImg8bit.png")
    ids = np.tile([7, 12, 18, 22, 25, 31, 0, 9], (6, 1))
    write_label(tmp_path / "gtFine/val/ulm/ulm_000000_000019_gtFine_labelIds.png", ids)
    data = open_dataset(f"cityscapes:{tmp_path}", "val", STREET)
    sample = data.sample(0)
    assert sample.name == "ulm_000000_000019"
    names = ["road", "building", "pole", "vegetation", "cyclist", "vehicle"]
    assert sample.label[0].tolist() == [*(ID[n] for n in names), 255, 255]
    assert data.hidden == {"lane_marking": "road"}


def test_comma10k(tmp_path, caplog):
    colors = [(0x40, 0x20, 0x20), (0xFF, 0, 0), (0x80, 0x80, 0x60), (0, 0xFF, 0x66)]
    colors += [(0xCC, 0, 0xFF), (1, 2, 3), (0, 0, 0), (0xFF, 0, 0)]
    for stem in ("0000_one_9", "0001_two_1"):
        write_image(tmp_path / "imgs" / f"{stem}.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask = np.tile(np.array(colors, dtype=np.uint8), (6, 1, 1))
        Image.fromarray(mask).save(tmp_path / "masks" / f"{stem}.png")
    data = open_dataset(f"comma10k:{tmp_path}", "val", STREET)
    assert [data.sample(i).name for i in range(len(data))] == ["0000_one_9"]
    road, lane, still, movable = (ID[n] for n in ("road", "lane_marking", "building", "vehicle"))
    assert data.sample(0).label[0].tolist() == [road, lane, still, movable, 255, 255, 255, lane]
    assert "6 pixels" in caplog.text
    assert data.hidden["sky"] == "building"
    assert data.hidden["cyclist"] == "vehicle"


def test_every_layout_states_its_use():
    import sys

    for name, opener in LAYOUTS.items():
        assert f"`{name}:" in (sys.modules[opener.__module__].__doc__ or "")


@pytest.mark.parametrize(
    ("spec", "split", "count", "image", "label"),
    [
        ("camvid_480x360", "train", 367, (360, 480, 3), (360, 480)),
        ("camvid_960x720", "val", 25, (720, 960, 3), (720, 960)),
        ("kitti_semantics", "val", 20, (375, 1242, 3), (375, 1242)),
    ],
)
def test_recorded_sets(shared_data, spec, split, count, image, label):
    data = open_dataset(f"folder:{shared_data / spec}", split, STREET)
    sample = data.sample(0)
    assert len(data) == count
    assert (sample.image.shape, sample.label.shape) == (image, label)
    assert set(np.unique(sample.label)) <= {*range(12), 255}
    # Road lies at the foot of a street scene, sky or what rises at its top.
    assert (sample.label[-label[0] // 4 :] == ID["road"]).mean() > 0.2
    assert not (sample.label[: label[0] // 4] == ID["road"]).any()


def test_half_resolution_labels_are_samples_of_the_full_ones(shared_data):
    full = shared_data / "camvid_960x720"
    joined = open_dataset(f"folder:{full}?images={shared_data / 'camvid_480x360'}", "val", STREET)
    half = open_dataset(f"folder:{shared_data / 'camvid_480x360'}", "val", STREET)
    assert len(joined) == 76
    sample = joined.sample(0)
    twin = next(half.sample(i) for i in range(len(half)) if half.pairs[i].name == sample.name)
    np.testing.assert_array_equal(sample.label[1::2, 0::2], twin.label)
    np.testing.assert_array_equal(sample.image, twin.image)

"""Validation on a tiny made set, against the network's own prediction and scikit-learn."""

import dataclasses
import io
import json

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import jaccard_score

from pdn_ros import PatchDriveNet
from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import write_json
from pdn_ros.metrics.confusion import at_size
from pdn_ros.validation.validate import MODES, Settings, validate

STREET = load_classes("street")
KEYS = {
    "miou",
    "miou_11",
    "thin_miou",
    "boundary_iou",
    "per_class_iou",
    "gmac",
    "refined_share",
    "wasted_share",
    "ms_p50",
    "small",
}


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small images: threads would wait for each other, longer still on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images of 288x160, six patches; the second one's label has twice the size."""
    root = tmp_path_factory.mktemp("set")
    (root / "dataset.yaml").write_text(f"classes: {list(STREET.names)}\n")
    rng = np.random.default_rng(0)
    for part in ("images", "labels"):
        (root / "val" / part).mkdir(parents=True)
    for name, scale in (("a", 1), ("b", 2)):
        field = cv2.GaussianBlur(rng.random((160, 288, 12)), (0, 0), 12)
        label = field.argmax(axis=2).astype(np.uint8)
        image = STREET.colors[label] // 2 + rng.integers(0, 99, (160, 288, 3), dtype=np.uint8)
        label[:20] = 255
        label = label.repeat(scale, 0).repeat(scale, 1)
        Image.fromarray(image).save(root / "val/images" / f"{name}.png")
        Image.fromarray(label).save(root / "val/labels" / f"{name}.png")
    return root


@pytest.fixture(scope="module")
def found(folder):
    return validate(Settings(f"folder:{folder}", backend="torch"))


def truth_and_prediction(folder, mode, **options):
    net = PatchDriveNet.load()
    label, prediction = [], []
    for name in ("a", "b"):
        with Image.open(folder / f"val/images/{name}.png") as image:
            mask = net.predict(np.array(image)[..., ::-1].copy(), mode=mode, **options).mask
        with Image.open(folder / f"val/labels/{name}.png") as picture:
            ids = np.array(picture)
        scale = len(ids) // len(mask)
        label.append(ids[ids != 255])
        prediction.append(mask.repeat(scale, 0).repeat(scale, 1)[ids != 255])
    return np.concatenate(label), np.concatenate(prediction)


@pytest.mark.parametrize(
    ("mode", "network_mode", "options"),
    [
        ("context", "context", {}),
        ("patch", "patch", {}),
        ("dense", "dense", {}),
        ("all_patches", "patch", {"budget": 6}),
    ],
)
def test_scores_are_those_of_the_network(folder, found, mode, network_mode, options):
    label, prediction = truth_and_prediction(folder, network_mode, **options)
    expected = jaccard_score(label, prediction, average=None, labels=range(12), zero_division=0)
    figures = found.modes[mode]
    got = np.array([figures.per_class_iou[name] for name in STREET.names])
    np.testing.assert_allclose(np.nan_to_num(got), expected)
    assert figures.miou == pytest.approx(np.nanmean(got))
    assert figures.thin_miou == pytest.approx(np.nanmean(got[list(STREET.thin)]))
    merged = [np.where(ids == 11, 3, ids) for ids in (label, prediction)]
    eleven = jaccard_score(*merged, average=None, labels=range(11), zero_division=0)
    assert figures.miou_11 == pytest.approx(np.mean(eleven))


def test_shares_and_costs(found):
    figures = found.modes
    assert tuple(figures) == MODES
    shares = [figures[mode].refined_share for mode in MODES]
    assert shares == pytest.approx([0, 2 / 6, 0, 0, 1, 0, 0])
    assert figures["patch"].gmac < figures["all_patches"].gmac
    # By itself the context network sees so small an image at its own size, as dense mode does.
    assert figures["context"].gmac == pytest.approx(figures["dense"].gmac, rel=0.01)
    most = min(figures["patch"].gmac, figures["dense"].gmac)
    assert figures["equal_cost"].gmac == pytest.approx(most, rel=0.05)
    assert figures["best_single"].gmac < most * 1.05
    assert all(found.modes[mode].ms_p50 > 0 for mode in MODES)


def test_file_has_the_keys_of_the_contract(found, tmp_path):
    write_json(tmp_path / "validate.json", found)
    record = json.loads((tmp_path / "validate.json").read_text())
    assert record["images"] == 2
    assert {"dataset", "images", "modes", "gmac_counter"} <= record.keys()
    for mode in ("context", "patch", "dense", "equal_cost"):
        assert record["modes"][mode].keys() >= KEYS
        assert record["modes"][mode]["per_class_iou"].keys() == set(STREET.names)
        small = record["modes"][mode]["small"]
        assert small.keys() == {"recall", "precision", "f1", "by_size"}
        assert list(small["by_size"]) == ["30-100", "100-300", "300-1000"]
    for other in ("context", "best_single"):
        difference = record["differences"][f"patch-{other}"]
        assert difference.keys() == {"miou", "thin_miou", "small_f1"}
        expected = record["modes"]["patch"]["miou"] - record["modes"][other]["miou"]
        assert difference["miou"]["value"] == pytest.approx(expected, abs=2e-6)
        assert difference["miou"]["low"] <= difference["miou"]["high"]


def test_mendable_errors_by_who_chooses(found):
    patch, context = found.modes["patch"], found.modes["context"]
    for kind in ("", "_thin"):
        ours, entropy, oracle = (
            getattr(patch, f"mendable_recall{name}{kind}") for name in ("", "_entropy", "_oracle")
        )
        assert 0 <= ours <= oracle <= 1
        assert 0 <= entropy <= oracle
    assert np.isnan(context.mendable_recall_entropy)


def test_limit_and_modes(folder):
    seen = []
    settings = Settings(f"folder:{folder}", modes=("context",), backend="torch", limit=1)
    found = validate(settings, lambda done, total: seen.append((done, total)))
    assert (found.images, tuple(found.modes), seen) == (1, ("context",), [(1, 1)])


@pytest.mark.parametrize("modes", [(), ("context", "sparse")])
def test_unknown_modes_are_refused(modes):
    with pytest.raises(InputError, match="give some of context,patch"):
        Settings("folder:x", modes=modes)


def test_tables_show_every_mode_and_class(found):
    from rich.console import Console

    console = Console(width=80, record=True, file=io.StringIO())
    gone = dataclasses.replace(found.modes["patch"], miou=float("nan"))
    changed = dataclasses.replace(found, modes={**found.modes, "patch": gone})
    for table in changed.tables():
        console.print(table)
    text = console.export_text()
    assert all(mode in text for mode in MODES)
    assert all(word in text for word in ("patch less others", "small", "entropy", "oracle"))
    assert all(name in text for name in STREET.names)
    assert "…" not in text


@pytest.mark.parametrize("scale", [2, 3])
def test_masks_grow_by_whole_pixels(scale):
    mask = np.random.default_rng(0).integers(0, 12, (9, 7)).astype(np.uint8)
    grown = mask.repeat(scale, 0).repeat(scale, 1)
    np.testing.assert_array_equal(at_size(mask, grown.shape), grown)
    assert at_size(mask, mask.shape) is mask

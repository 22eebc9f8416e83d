import hashlib
import json
import logging
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from pictures import picture

from pdn_ros.errors import InputError
from pdn_ros.network import Options, PatchDriveNet, predict
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.perception.backends import available, compiled_parts, load_parts, pick
from pdn_ros.perception.backends.accuracy import TOLERANCES, InaccurateError, Tolerance
from pdn_ros.perception.backends.accuracy import check as accuracy_check
from pdn_ros.perception.backends.store import (
    Store,
    cache_folder,
    manifest_for,
)
from pdn_ros.perception.export import export

COMPILING = [
    pytest.param(name, marks=pytest.mark.skipif(name not in available(), reason="not installed"))
    for name in ("openvino", "onnxruntime")
]
pytestmark = pytest.mark.usefixtures("own_cache")
openvino = pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")


def at(folder, net, name: str, **options):
    store = Store(manifest_for(net, name, name), (folder,), **options)
    return compiled_parts(name, net, "cpu", store)


@torch.inference_mode()
def run(parts, net, image, mode="patch", budget=3):
    return predict(parts, net.config, image, Options(mode, budget))


@openvino
def test_each_mode_is_torchs_and_comes_back_from_the_store(net, tmp_path) -> None:
    image = picture(256, 384)
    for parts in (at(tmp_path, net, "openvino"), at(tmp_path, net, "openvino")):
        for mode in ("patch", "context", "dense"):
            found, expected = run(parts, net, image, mode), run(net, net, image, mode)
            np.testing.assert_allclose(found.weights, expected.weights, atol=2e-2)
            assert (found.mask == expected.mask).mean() > 0.999
    written = {p.parent.name for p in tmp_path.glob("*/manifest.json")}
    # Context mode sees so small an image at its own size, patch mode at half of it.
    assert len(written) == 4


@pytest.mark.parametrize("name", COMPILING)
def test_one_model_takes_any_budget_and_is_built_once(net, tmp_path, name: str) -> None:
    parts, image = at(tmp_path, net, name), picture(256, 384)
    for budget in (6, 1, 3):
        found, expected = run(parts, net, image, budget=budget), run(net, net, image, budget=budget)
        assert len(found.selected) == budget
        assert (found.mask == expected.mask).mean() > 0.999
    models = {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/model.*")}
    assert len({p.parent for p in models}) == 2
    run(at(tmp_path, net, name), net, image)
    assert models == {p: p.stat().st_mtime_ns for p in tmp_path.glob("*/model.*")}


@openvino
def test_models_in_memory_stay_bounded_while_the_size_changes(net, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pdn_ros.perception.backends.compiled.KEPT", 2)
    parts = at(tmp_path, net, "openvino")
    for width in (64, 96, 64, 128):
        assert run(parts, net, picture(64, width), "context").mask.shape == (64, width)
    # The one that has waited longest went.
    assert [name.split("-")[1] for name in parts._runners] == ["64x64", "128x64"]


@openvino
@pytest.mark.parametrize(
    ("name", "value"),
    [("package_version", "0.0.1"), ("weights", "another"), ("format", 0), ("backend_version", "1")],
)
def test_a_model_of_another_origin_is_refused_or_passed_over(
    net, tmp_path, caplog, name: str, value: object
) -> None:
    exported, image = tmp_path / "exported", picture(64, 64)
    run(at(exported, net, "openvino"), net, image, "context")
    for path in exported.glob("*/manifest.json"):
        record = json.loads(path.read_text())
        record["manifest"][name] = value
        path.write_text(json.dumps(record))
    manifest = manifest_for(net, "openvino", "openvino")
    both = (exported, cache_folder(manifest))
    strict = compiled_parts("openvino", net, "cpu", Store(manifest, both, strict=True))
    with pytest.raises(InputError, match=f"{name.replace('_', ' ')} {value}, .* pdn export") as e:
        run(strict, net, image, "context")
    assert "\n" not in str(e.value)
    with caplog.at_level(logging.WARNING):
        run(compiled_parts("openvino", net, "cpu", Store(manifest, both)), net, image, "context")
    assert f"{name.replace('_', ' ')} {value}" in caplog.text
    assert len(list(both[1].iterdir())) == 1


@openvino
@pytest.mark.parametrize("name", ["model.xml", "model.bin", "probe.npz", "manifest.json"])
def test_a_damaged_cache_is_made_anew(net, caplog, name: str) -> None:
    image = picture(64, 64)
    run(load_parts("auto", net, "cpu"), net, image, "context")
    (file,) = cache_folder(manifest_for(net, "openvino", "openvino")).glob(f"*/{name}")
    whole = file.read_bytes()
    middle = len(whole) // 2
    file.write_bytes(whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :])
    parts = load_parts("auto", net, "cpu")
    found = run(parts, net, image, "context")
    assert (parts.backend, parts.fallback) == ("openvino", "")
    assert (found.mask == run(net, net, image, "context").mask).mean() > 0.95
    assert caplog.text.count("built anew") == 1
    run(load_parts("auto", net, "cpu"), net, image, "context")
    assert caplog.text.count("built anew") == 1


@openvino
def test_a_whole_model_that_the_library_does_not_take_is_made_anew(net, tmp_path, caplog) -> None:
    image = picture(64, 64)
    run(at(tmp_path, net, "openvino"), net, image, "context")
    (model,) = tmp_path.glob("*/model.xml")
    model.write_text("<net")
    rehash(model)
    found = run(at(tmp_path, net, "openvino"), net, image, "context")
    assert (found.mask == run(net, net, image, "context").mask).mean() > 0.999
    assert model.stat().st_size > 1000 and "cannot be used" in caplog.text


@openvino
def test_a_model_that_computes_something_else_is_refused(net, tmp_path) -> None:
    image = picture(64, 64)
    run(at(tmp_path, net, "openvino"), net, image, "context")
    (probe,) = tmp_path.glob("*/probe.npz")
    with np.load(probe) as kept:
        changed = {name: values + 0.1 * np.abs(values).max() for name, values in kept.items()}
    np.savez(probe, **changed)
    rehash(probe)
    with pytest.raises(InputError, match="differ from torch's"):
        run(at(tmp_path, net, "openvino", strict=True), net, image, "context")


def rehash(file: Path) -> None:
    """Make the manifest believe a changed file."""
    manifest = file.with_name("manifest.json")
    record = json.loads(manifest.read_text())
    record["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest.write_text(json.dumps(record))


@openvino
def test_any_flipped_byte_is_noticed(net, tmp_path) -> None:
    image, store = picture(64, 64), Store(manifest_for(net, "openvino", "openvino"), (tmp_path,))
    run(compiled_parts("openvino", net, "cpu", store), net, image, "context")
    (folder,) = tmp_path.iterdir()
    strict = Store(store.manifest, store.folders, strict=True)
    rng = np.random.default_rng(0)
    for file in folder.iterdir():
        whole = file.read_bytes()
        for at in rng.integers(0, len(whole), 5):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
            assert store.find(folder.name) is None
            with pytest.raises(InputError, match="pdn export"):
                strict.find(folder.name)
        file.write_bytes(whole)
        assert strict.find(folder.name) == folder


@openvino
@pytest.mark.parametrize("cache", ["a file", "in /proc"])
def test_a_cache_that_takes_nothing_leaves_the_models_in_memory(
    net, tmp_path, monkeypatch, caplog, cache: str
) -> None:
    if cache == "a file":
        (tmp_path / "cache").write_text("")
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", "/proc/self/cache")
    image = picture(64, 64)
    parts = load_parts("auto", net, "cpu")
    for _ in range(2):
        found = run(parts, net, image)
    assert (found.mask == run(net, net, image).mask).mean() > 0.95
    assert parts.backend == "openvino" and parts.fallback == ""
    assert caplog.text.count("models stay in memory") == 2  # context and refinement


def nothing_allowed(monkeypatch, *precisions: str) -> None:
    for precision in precisions:
        monkeypatch.setitem(TOLERANCES, precision, Tolerance(labels=-1, mean=-1))


@openvino
def test_what_fails_its_check_leads_to_the_next_with_one_warning(net, monkeypatch, caplog) -> None:
    nothing_allowed(monkeypatch, "bfloat16", "float32")
    image = picture(64, 64)
    parts = load_parts("auto", net, "cpu")
    found = run(parts, net, image)
    assert (parts.backend, parts.precision) == ("torch", "float32")
    np.testing.assert_array_equal(found.mask, run(net, net, image).mask)
    run(parts, net, picture(64, 96))
    (warning,) = (r for r in caplog.records if r.name.endswith("fallback"))
    assert "differ from torch's" in warning.getMessage()
    assert warning.getMessage().startswith(parts.fallback)
    for precision in ("auto", "float32"):
        with pytest.raises(InputError, match=r"backend openvino, precision float32: .* differ"):
            run(load_parts("openvino", net, "cpu", precision=precision), net, image)


@openvino
def test_bfloat16_that_fails_its_check_leads_to_float32(net, monkeypatch, caplog) -> None:
    from pdn_ros.perception.backends.openvino import precisions

    if "bfloat16" not in precisions():
        pytest.skip("this processor has no bfloat16")
    nothing_allowed(monkeypatch, "bfloat16")
    image = picture(64, 64)
    parts = load_parts("auto", net, "cpu")
    assert parts.precision == "bfloat16"
    found = run(parts, net, image)
    assert (parts.backend, parts.precision) == ("openvino", "float32")
    assert (found.mask == run(net, net, image).mask).mean() > 0.999
    assert parts.fallback.startswith("backend openvino, precision bfloat16: context-")
    assert "openvino in float32 runs the network" in caplog.text


@pytest.mark.parametrize(
    ("backend", "precision", "message"),
    [
        ("auto", "int8", "precision int8: no backend installed here offers it"),
        ("torch", "bfloat16", "precision bfloat16: backend torch does not offer it"),
    ],
)
def test_a_precision_that_nothing_offers_is_one_line(net, backend, precision, message) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_parts(backend, net, "cpu", precision=precision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("noise", "precision", "good"),
    [(0.0, "float32", True), (0.02, "float32", False), (0.02, "bfloat16", True),
     (0.2, "bfloat16", False), (float("nan"), "bfloat16", False)],
)  # fmt: skip
def test_outputs_are_held_to_what_the_precision_explains(noise, precision, good: bool) -> None:
    rng = np.random.default_rng(0)
    expected = rng.standard_normal((1, 9, 60, 80)).astype(np.float32)
    found = expected + noise * rng.standard_normal(expected.shape).astype(np.float32)
    with nullcontext() if good else pytest.raises(InaccurateError):
        accuracy_check([found], [expected], precision)


def test_few_wrong_labels_are_noticed_though_the_mean_is_small() -> None:
    expected = np.zeros((1, 2, 50, 50), np.float32)
    expected[:, 0] = 1
    found = expected.copy()
    found[:, 1, :2] = 1.001  # 4 % of the pixels
    with pytest.raises(InaccurateError, match=r"4\.00%"):
        accuracy_check([found], [expected], "bfloat16")


@openvino
def test_the_pipeline_takes_what_export_wrote(tmp_path) -> None:
    net = PatchDriveNet.load()
    weights = tmp_path / "mine.safetensors"
    net.save(weights)
    folder = export("openvino", weights=str(weights), sizes=[(256, 128)])
    assert folder == tmp_path / "mine.openvino"
    config = PipelineConfig(weights=str(weights), backend="openvino", device="cpu")
    result = Pipeline(config).segment(picture(128, 256))
    assert result.mask.shape == (128, 256)
    assert not list((tmp_path / "cache").rglob("manifest.json"))


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_export_in_a_precision_that_is_not_offered_is_one_line(precision: str) -> None:
    with pytest.raises(InputError, match=f"precision {precision}: backend onnxruntime does not"):
        export("onnxruntime", precision=precision)


@pytest.mark.parametrize(
    ("name", "message"),
    [("torch", "nothing to export"), ("tensorrt", "tensorrt"), ("abacus", "not known")],
)
def test_what_cannot_be_exported_is_said(name: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        export(name)


@pytest.mark.parametrize("size", [(64, 64), (4320, 7680)])
def test_smallest_and_largest_images(size: tuple[int, int]) -> None:
    config = PipelineConfig(backend="torch", device="cpu", budget=4)
    image = np.broadcast_to(np.uint8(90), (*size, 3))
    assert Pipeline(config).segment(np.ascontiguousarray(image)).mask.shape == size


def test_a_backend_that_cannot_start_leaves_auto_with_torch(net, monkeypatch, caplog) -> None:
    import pdn_ros.perception.backends as backends

    def broken(*_: object) -> None:
        raise ImportError("libtbb.so.12: no such file")

    monkeypatch.setattr(backends, "compiled_parts", broken)
    monkeypatch.setattr(backends, "available", lambda: ("openvino", "torch"))
    parts = load_parts("auto", net, "cpu")
    assert (parts.backend, parts.precision) == ("torch", "float32")
    run(parts, net, picture(64, 64), "context")
    assert "libtbb" in parts.fallback and parts.fallback in caplog.text
    with pytest.raises(InputError, match="backend openvino, precision float32: libtbb"):
        load_parts("openvino", net, "cpu")


@pytest.mark.parametrize(("name", "device"), [("openvino", "cuda"), ("tensorrt", "cpu")])
def test_a_backend_for_another_device_is_refused(net, name: str, device: str, monkeypatch) -> None:
    import pdn_ros.perception.backends as backends

    monkeypatch.setattr(backends, "available", lambda: ("openvino", "tensorrt", "torch"))
    with pytest.raises(InputError, match=f"backend {name}: does not run on {device}"):
        load_parts(name, net, device)


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        (("openvino", "onnxruntime", "torch"), "openvino"),
        (("onnxruntime", "torch"), "onnxruntime"),
        (("torch",), "torch"),
    ],
)
def test_auto_takes_the_fastest_that_is_installed(installed, expected: str, monkeypatch) -> None:
    import pdn_ros.perception.backends as backends

    monkeypatch.setattr(backends, "available", lambda: installed)
    assert pick("cpu") == expected

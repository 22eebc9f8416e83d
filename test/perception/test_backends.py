import hashlib
import json
import logging
import os
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch

from pdn_ros.errors import InputError
from pdn_ros.network import Options, PatchDriveNet, predict
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.perception.backends import available, compiled_parts, load_parts, pick
from pdn_ros.perception.backends.accuracy import TOLERANCES, InaccurateError, Tolerance
from pdn_ros.perception.backends.accuracy import check as accuracy_check
from pdn_ros.perception.backends.store import (
    CACHES,
    GRACE_S,
    Manifest,
    Store,
    cache_folder,
    fingerprint,
    manifest_for,
)
from pdn_ros.perception.export import export

COMPILING = [
    pytest.param(name, marks=pytest.mark.skipif(name not in available(), reason="not installed"))
    for name in ("openvino", "onnxruntime")
]
openvino = pytest.mark.skipif("openvino" not in available(), reason="OpenVINO is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def net() -> PatchDriveNet:
    return PatchDriveNet.load()


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b) * 100 + 128 for a, b in ((30, 50), (70, 20), (15, 90))]
    return np.stack(waves, 2).astype(np.uint8)


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


def cached(weights: str, hours: float) -> Store:
    """A model in the cache, last used so many hours ago."""
    manifest = Manifest(
        format=1, backend="b", backend_version="1", package_version="1", weights=weights
    )
    store = Store(manifest, (cache_folder(manifest),))
    store.add("model", lambda folder: (folder / "weights").write_bytes(b"0"))
    used = time.time() - hours * GRACE_S
    os.utime(store.folders[-1], (used, used))
    return store


def test_the_caches_used_last_stay() -> None:
    stores = {hours: cached(f"{hours} h", hours) for hours in range(9, 1, -1)}
    folders = {hours: store.folders[-1] for hours, store in stores.items()}
    assert [hours for hours, folder in folders.items() if folder.exists()] == [5, 4, 3, 2]
    other = folders[2].with_name("c-0123456789abcdef")  # of another backend
    other.mkdir()
    os.utime(other, (0, 0))
    assert stores[5].find("model") is not None  # used, so that it is the youngest now
    own = cached("own", 99)
    kept = [hours for hours, folder in folders.items() if folder.exists()]
    assert kept == [5, 3, 2]
    # It is the oldest of all, and another model of it comes in: the own folder stays.
    own.add("another", lambda folder: None)
    os.utime(own.folders[-1], (0, 0))
    own._prune()
    assert own.find("model") is not None
    assert sorted(path.name for path in other.parent.iterdir()) == sorted(
        [other.name, own.folders[-1].name, *(folders[hours].name for hours in kept)]
    )
    assert len(kept) + 1 == CACHES


def add_models(store: Store, *names: str, size: int = 1) -> list[str]:
    """Add models, each a minute younger than the one before; return what stays, oldest first."""
    for name in names:
        store.add(name, lambda folder: (folder / "weights").write_bytes(bytes(size)))
        for other in store.folders[-1].iterdir():
            used = other.stat().st_mtime - 60
            os.utime(other, (used, used))
    return [p.name for p in sorted(store.folders[-1].iterdir(), key=lambda p: p.stat().st_mtime)]


def test_the_models_used_last_stay(monkeypatch) -> None:
    monkeypatch.setattr("pdn_ros.perception.backends.store.MODELS", 3)
    store = cached("mine", 0)
    store.drop("model")
    assert add_models(store, "a", "b", "c") == ["a", "b", "c"]
    assert store.find("a") is not None
    assert add_models(store, "d") == ["c", "a", "d"]


def test_models_stay_within_a_size_but_the_latest_always(monkeypatch) -> None:
    monkeypatch.setattr("pdn_ros.perception.backends.store.BYTES", 10_000)
    store = cached("mine", 0)
    store.drop("model")
    assert add_models(store, "a", "b", "c", size=4000) == ["b", "c"]
    assert add_models(store, "d", size=20_000) == ["d"]
    export = Store(store.manifest, (store.folders[-1].parent / "export",))
    assert add_models(export, "a", "b", size=20_000) == ["a", "b"]


def test_caches_that_were_just_used_and_exports_stay(tmp_path) -> None:
    recent = [cached(str(i), 0.5).folders[-1] for i in range(CACHES + 2)]
    assert all(folder.exists() for folder in recent)
    manifest = cached("mine", 0).manifest
    exports = [tmp_path / f"b-{i}" for i in range(CACHES + 2)]
    for folder in exports:
        Store(manifest, (folder,)).add("model", lambda part: None)
        os.utime(folder, (0, 0))
    store = Store(manifest, (exports[0],))
    store.add("another", lambda part: None)
    os.utime(exports[0], (0, 0))
    assert store.find("model") is not None
    assert all((folder / "model").exists() for folder in exports)
    assert exports[0].stat().st_mtime == 0


def test_a_cache_that_another_process_removes_first_is_no_error(monkeypatch) -> None:
    folders = [cached(str(hours), hours).folders[-1] for hours in range(CACHES + 1, 1, -1)]
    rename = Path.rename

    def too_late(self, target):
        rename(self, self.with_name("gone"))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", too_late)
    new = cached("new", 0)
    assert new.find("model") is not None
    assert not folders[0].exists()
    assert not list(folders[0].parent.glob(".old-*"))


def test_the_fingerprint_is_that_of_the_weights(net) -> None:
    other = PatchDriveNet.load()
    assert fingerprint(net) == fingerprint(other)
    with torch.no_grad():
        other.dense.backbone.stem.bias[0] += 1
    assert fingerprint(net) != fingerprint(other)


def test_manifests_name_their_first_difference() -> None:
    mine = Manifest(format=1, backend="b", backend_version="2", package_version="3", weights="abc")
    assert mine.difference(mine) == ""
    other = mine.model_copy(update={"weights": "def"})
    assert mine.difference(other) == "weights def, abc is needed"


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


class Hungry:
    """Parts that fail from a number of patches on; -1: always."""

    backend = "torch"
    models = ("torch", "float32", 0)

    def __init__(self, net: PatchDriveNet, most: int) -> None:
        self.net, self.most = net, most
        self.run_dense = net.run_dense

    def run_context(self, *args):
        if self.most < 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net.run_context(*args)

    def run_refinement(self, crops, *args):
        if len(crops) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net.run_refinement(crops, *args)


def test_memory_that_runs_out_costs_patches_and_is_said(net, caplog) -> None:
    pipeline = Pipeline(PipelineConfig(backend="torch", device="cpu", budget=8))
    pipeline._parts = Hungry(net, most=3)
    image = picture(512, 512)  # 16 patches
    for _ in range(2):
        result = pipeline.segment(image)
        assert (result.budget, len(result.selected)) == (2, 2)
        assert result.budget_reason == "out of GPU memory"
    assert caplog.text.count("at most") == 2  # 8 -> 4 -> 2, and then it is known


def test_memory_that_runs_out_for_good_leads_to_the_cpu(net, caplog) -> None:
    pipeline = Pipeline(PipelineConfig(backend="torch", device="cpu", budget=4))
    pipeline._parts = Hungry(net, most=-1)
    result = pipeline.segment(picture(256, 256))
    assert result.budget_reason == "out of GPU memory: on the CPU"
    assert pipeline.device == "cpu" and len(result.selected) == 4
    assert "runs on the CPU from now on" in caplog.text


def test_cuda_without_a_gpu_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="device cuda: torch sees no GPU"):
        Pipeline(PipelineConfig(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_agrees_with_the_cpu() -> None:
    image = picture(512, 768)
    gpu, cpu = (Pipeline(PipelineConfig(backend="torch", device=d)) for d in ("cuda", "cpu"))
    expected = cpu.segment(image)
    for _ in range(3):  # eager, captured, replayed
        result = gpu.segment(image)
        np.testing.assert_allclose(result.weights, expected.weights, atol=0.02)
        assert (result.mask == expected.mask).mean() > 0.99

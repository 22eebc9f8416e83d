"""Models on disk: which stay, and whose they are."""

import os
import time
from pathlib import Path

import pytest
import torch

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.store import (
    CACHES,
    GRACE_S,
    Manifest,
    Store,
    cache_folder,
    fingerprint,
)

pytestmark = pytest.mark.usefixtures("own_cache")


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

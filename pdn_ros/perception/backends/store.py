"""Models that a backend has built, on disk: exported beside the weights, or in the cache.

One folder a model: what the backend wrote, `probe.npz` (what torch made of a fixed input) and
`manifest.json` with the SHA-256 of each of them. A folder is renamed into place when it is whole,
so that several processes may build the same model at once; the last one stays.
"""

import hashlib
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from pydantic import BaseModel, ConfigDict, ValidationError

from pdn_ros import network
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.network import PatchDriveNet

FORMAT: Final = 2
"""Version of the folders' layout."""
CACHES: Final = 4
"""Folders per backend that the cache keeps, each for other weights or versions."""
MODELS: Final = 16
"""Models that a cache folder keeps: an image size takes two."""
BYTES: Final = 512 * 2**20
"""Bytes that they may take together."""
GRACE_S: Final = 3600.0
"""A folder used within this time stays in any case: another process may be about to read it."""
_MANIFEST: Final = "manifest.json"
_log = logging.getLogger(__name__)


class Manifest(BaseModel):
    """What a stored model was built from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    backend: str
    backend_version: str
    package_version: str
    weights: str
    """`fingerprint` of the network."""

    def difference(self, other: "Manifest") -> str:
        """Return in words where two manifests differ, empty when they do not."""
        for name, mine in self:
            theirs = getattr(other, name)
            if mine != theirs:
                return f"{name.replace('_', ' ')} {theirs}, {mine} is needed"
        return ""


class StoredModel(BaseModel):
    """The content of `manifest.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    manifest: Manifest
    sha256: dict[str, str]
    """File of the folder -> its hash."""


def manifest_for(net: PatchDriveNet, backend: str, module: str) -> Manifest:
    """Describe the models that a backend builds from this network, here and now."""
    return Manifest(
        format=FORMAT,
        backend=backend,
        backend_version=_version(module),
        package_version=_version("pdn_ros"),
        weights=fingerprint(net),
    )


def fingerprint(net: PatchDriveNet) -> str:
    """Return a hash of the network's weights, hyper-parameters and code."""
    found = hashlib.sha256(repr(net.config).encode())
    for name, tensor in sorted(net.state_dict().items()):
        found.update(name.encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    for source in sorted(Path(network.__file__).parent.glob("*.py")):
        found.update(source.read_bytes())
    return found.hexdigest()[:16]


def cache_folder(manifest: Manifest) -> Path:
    """Return where this machine keeps models built for such a manifest."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    key = hashlib.sha256(manifest.model_dump_json().encode()).hexdigest()[:16]
    return root / "pdn_ros" / f"{manifest.backend}-{key}"


def exported_folder(weights: Path, backend: str) -> Path:
    """Return where `pdn export` puts a backend's models by default."""
    return weights.with_suffix(f".{backend}")


@dataclass(frozen=True, slots=True)
class Store:
    """Folders that may hold models; the last one takes new ones.

    Attributes:
        manifest: What models must have been built from.
        folders: Looked through in this order.
        strict: An exported model that is damaged or was built from something else is an error;
            otherwise, as in the cache, it is passed over.
    """

    manifest: Manifest
    folders: Sequence[Path]
    strict: bool = False

    @property
    def is_cache(self) -> bool:
        """Whether new models go to the cache, which belongs to this package alone."""
        return self.folders[-1] == cache_folder(self.manifest)

    def find(self, name: str) -> Path | None:
        """Return the folder of a model; None if none fits.

        Raises:
            InputError: `strict`, and an exported one is damaged or was built from something else.
        """
        for folder in self.folders:
            path = folder / name
            if not path.is_dir():
                continue
            wrong = self._wrong(path)
            if not wrong:
                if self.is_cache and folder == self.folders[-1]:
                    with suppress(OSError):  # read-only, or another process removed it
                        os.utime(folder)
                        os.utime(path)
                return path
            line = f"{path}: {wrong}; write it anew with pdn export"
            exported = not (self.is_cache and folder == self.folders[-1])
            if exported and self.strict:
                raise InputError(line)
            _log.warning("%s", line if exported else f"{path}: {wrong}; built anew")
        return None

    def add(self, name: str, write: Callable[[Path], None]) -> Path:
        """Have a model written into a folder of its own and return that folder.

        Raises:
            InputError: The folder cannot be written.
        """
        path = self.folders[-1] / name
        try:
            with atomic(path) as part:
                part.mkdir()
                write(part)
                hashes = {file.name: _sha256(file) for file in sorted(part.iterdir())}
                record = StoredModel(manifest=self.manifest, sha256=hashes)
                (part / _MANIFEST).write_text(record.model_dump_json(indent=2) + "\n")
        except InputError:
            raise
        except Exception as error:  # a library's writer names neither folder nor reason
            free = shutil.disk_usage(path.parent).free / 2**20
            raise InputError(f"{path}: not written, {free:.0f} MiB free ({error})") from error
        self._prune()
        return path

    def drop(self, name: str) -> None:
        """Remove a model from the folder that takes new ones."""
        shutil.rmtree(self.folders[-1] / name, ignore_errors=True)

    def _prune(self) -> None:
        """Remove the least recently used models, and folders of other weights, from the cache."""
        if not self.is_cache:
            return  # an export is its user's
        own = self.folders[-1]
        size = 0
        for i, (_, model) in enumerate(_by_use(own.glob("*"))):
            with suppress(OSError):  # another process removed it
                size += sum(file.stat().st_size for file in model.iterdir())
            if i and (i >= MODELS or size > BYTES):
                _remove(model)
        others = [f for f in own.parent.glob(f"{self.manifest.backend}-*") if f != own]
        for used, folder in _by_use(others)[CACHES - 1 :]:
            if time.time() - used > GRACE_S:
                _remove(folder)

    def _wrong(self, path: Path) -> str:
        try:
            found = StoredModel.model_validate_json((path / _MANIFEST).read_bytes())
            if difference := self.manifest.difference(found.manifest):
                return difference
            damaged = [name for name, sha in found.sha256.items() if _sha256(path / name) != sha]
        except (OSError, ValidationError) as error:
            return f"cannot be read ({type(error).__name__})"
        return f"{damaged[0]} is damaged" if damaged else ""


def _by_use(folders: Iterable[Path]) -> list[tuple[float, Path]]:
    """Return when each was last used, the latest first, without those being written."""
    found = []
    for folder in folders:
        if not folder.name.startswith("."):
            with suppress(OSError):  # another process removed it
                found.append((folder.stat().st_mtime, folder))
    return sorted(found, reverse=True)


def _remove(folder: Path) -> None:
    # Renamed first: nobody sees half a folder.
    with suppress(OSError), TemporaryDirectory(dir=folder.parent, prefix=".old-") as old:
        folder.rename(Path(old) / folder.name)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _version(module: str) -> str:
    with suppress(metadata.PackageNotFoundError):
        return metadata.version(module)
    # In a package of another name, such as onnxruntime-gpu; looking through all takes a second.
    names = metadata.packages_distributions().get(module)
    return metadata.version(names[0]) if names else "unknown"

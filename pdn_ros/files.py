"""Files: nothing half-written under a final name, YAML checked when read, JSON without NaN."""

import errno
import json
import math
import os
import platform
import re
import shutil
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pdn_ros.errors import InputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` and rename it to `path` on success.

    The caller writes a file or makes a folder under the yielded path, which replaces an existing
    one at `path`. On an error it is removed and `path` stays as it was. Leftovers of killed
    processes are removed.

    Raises:
        InputError: `path` cannot be written: its folder, its name, or a full disk.
        OSError: The disk became full while the caller wrote; it names `path`.
    """
    path = Path(path)
    part = _temporary(path)
    try:
        yield part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        part.replace(path)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        _remove(part)


_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LEFTOVER: Final = r"\..*-{host}-(\d{{1,9}})-[0-9a-f]{{8}}(\..*)?"


def _temporary(path: Path) -> Path:
    """Return a free name beside `path` that names this process, after checking it is usable.

    Raises:
        InputError: `path` cannot be written.
    """
    # The suffix stays last: encoders choose the format by it. Cut, so that it fits where `path`
    # does.
    name = f".{path.stem[:40]}-{_host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}{path.suffix[:20]}"
    part = path.with_name(name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.lstat()  # shows a name that is too long
        part.touch()
        part.unlink()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}): name another place"
        ) from error
    _remove_leftovers(path.parent.absolute())
    return part


@cache
def _host() -> str:
    """Return a hash of this machine and its process-id namespace."""
    namespace = Path("/proc/self/ns/pid")  # a container counts processes anew
    text = f"{platform.node()} {namespace.readlink() if namespace.is_symlink() else ''}"
    return f"{zlib.crc32(text.encode()):08x}"


@cache
def _remove_leftovers(folder: Path) -> None:
    """Remove what killed processes of this machine left behind."""
    leftover = re.compile(_LEFTOVER.format(host=_host()))
    with suppress(OSError):  # a folder that can be written may still not be listed
        for sibling in list(folder.iterdir()):
            match = leftover.fullmatch(sibling.name)
            if match and not _runs(int(match[1])):
                _remove(sibling)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        return True
    return True


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # another process may be removing it, too
    else:
        path.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make a folder and check that files can be made in it.

    Raises:
        InputError: It cannot be made or written.
    """
    _temporary(folder / "file")


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, kind: type[Model]) -> Model:
    """Read a YAML file as a model.

    Raises:
        InputError: The file cannot be read, is not YAML, or does not fit the model.
    """
    try:
        return kind.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); give another") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: no YAML ({str(error).splitlines()[0]})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: no {kind.__name__}: {where}: {first['msg']}") from error


def write_json(path: Path, record: Any) -> None:
    """Write a dataclass as JSON; unknown values (NaN) become null."""
    text = json.dumps(_known(asdict(record)), indent=2, allow_nan=False)
    with atomic(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


def _known(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _known(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_known(item) for item in value]
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    return value

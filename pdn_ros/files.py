"""Files: nothing half-written under a final name, YAML checked when read, JSON without NaN."""

import json
import math
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from pdn_ros.errors import InputError


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling of `path` and rename it to `path` on success.

    The caller writes a file or makes a folder under the yielded path. On an error it is removed
    and whatever stood under `path` before stays. An existing file or folder is replaced.

    Raises:
        InputError: The folder that should hold `path` cannot be made or written.
    """
    path = Path(path)
    # The suffix stays last: encoders choose the format by it.
    part = path.with_name(f".{path.stem}-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise InputError(
            f"{path.parent}: cannot be written ({error.strerror}): name another folder"
        ) from error
    try:
        yield part
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        part.replace(path)
    finally:
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink(missing_ok=True)


def require_writable(folder: Path) -> None:
    """Make a folder and see whether files can be made in it.

    Raises:
        InputError: It cannot be made or written.
    """
    with atomic(folder / "writable") as part:
        part.touch()
    (folder / "writable").unlink()


Model = TypeVar("Model", bound=BaseModel)


def read_yaml(path: Path, kind: type[Model]) -> Model:
    """Read a YAML file as a model.

    Raises:
        InputError: The file cannot be read, is no YAML, or does not fit the model.
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
    """Write a dataclass as JSON; what is not known (NaN) becomes null."""
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

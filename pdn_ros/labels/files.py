"""JSON files of labeling formats, checked when they are read."""

from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from pdn_ros.errors import InputError

T = TypeVar("T")


def read_json(path: Path, adapter: TypeAdapter[T]) -> T:
    """Read a JSON file as a model.

    Raises:
        InputError: The file cannot be read, is not JSON, or does not fit; the line says where.
    """
    try:
        return adapter.validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}): give another") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputError(f"{path}: {where}: {first['msg']}") from error


def one_file(path: Path, suffix: str, what: str) -> Path:
    """Return a file, or the only one with this ending in a folder or below it.

    Raises:
        InputError: There is none, or there are several.
    """
    if path.is_file():
        return path
    found = sorted(f for f in path.rglob(f"*{suffix}") if f.is_file())
    if len(found) != 1:
        names = ", ".join(f.name for f in found[:4]) if found else "none"
        raise InputError(f"{path}: give one {what} ({suffix}); there are {len(found)}: {names}")
    return found[0]

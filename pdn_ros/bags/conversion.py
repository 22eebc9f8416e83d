"""What the conversions of other recordings share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.boxes import Box

Progress = Callable[[int, int], None]
"""Called with the sensor records done and their total."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Conversion:
    """What went into the bag; `notes` has one line for each thing left out."""

    images: int
    scans: int
    poses: int
    boxes: int
    notes: tuple[str, ...]


def attempt(notes: list[str], read: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Read one file of many; note one that fails and return None."""
    try:
        return read(*args, **kwargs)
    except InputError as error:
        notes.append(f"left out: {error}")
        return None


def read_scan(path: Path, columns: int) -> NDArray[np.float32]:
    """Return a scan's file of little-endian float32, (N, columns).

    Raises:
        InputError: The file is absent, empty or cut off.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: scan cannot be read ({error.strerror})") from error
    if not data or len(data) % (4 * columns):
        raise InputError(f"{path}: damaged scan ({len(data)} bytes, not whole points)")
    return np.frombuffer(data, dtype="<f4").reshape(-1, columns)


def leveled(pose: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the frame, (4, 4), that starts at a pose: z up, x along the pose's heading."""
    start = np.eye(4)
    forward = pose[:2, 0]
    start[:2, 0] = forward / np.linalg.norm(forward)
    start[:2, 1] = -start[1, 0], start[0, 0]
    start[:3, 3] = pose[:3, 3]
    return start


def box_at(
    pose: NDArray[np.float64], size: tuple[float, float, float], label: str, number: int
) -> Box:
    """Return the upright box at a pose, (4, 4), of its middle; x is its heading."""
    x, y, z = (float(v) for v in pose[:3, 3])
    yaw = float(np.arctan2(pose[1, 0], pose[0, 0]))
    return Box(center=(x, y, z), yaw=yaw, size=size, label=label, id=number)

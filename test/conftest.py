"""Fixtures shared by all tests."""

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit for each example would measure the load of the machine.
settings.register_profile("pdn", deadline=None)
settings.load_profile("pdn")

# A shell ignores it in what it starts in the background, and so would every process tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_MEMORY = Path("/dev/shm")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recorded data sets, which do not come with the package."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data sets are not beside this checkout")
    return SHARED


@pytest.fixture(scope="module", autouse=True)
def _no_memory_left_behind() -> Iterator[None]:
    """Remove the shared memory of killed nodes: 70 MB each, which nothing else ever frees.

    Only segments, which their owners map; locks and ports are small, and open in other ways.
    """
    yield
    left = [path for path in _segments() - SEGMENTS_BEFORE if _age_s(path) > SETTLED_S]
    if left:
        mapped = _mapped()
        for path in left:
            if path.name not in mapped:
                path.unlink(missing_ok=True)


def _segments() -> set[Path]:
    found = SHARED_MEMORY.glob("fastrtps_*")
    return {path for path in found if re.fullmatch("fastrtps_[0-9a-f]{16}", path.name)}


def _age_s(path: Path) -> float:
    try:
        return time.time() - path.stat().st_ctime
    except FileNotFoundError:
        return 0.0


def _mapped() -> set[str]:
    """Names of the shared memory that some process uses."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            found |= set(re.findall(r"/dev/shm/(\S+)", maps.read_text()))
        except OSError:
            continue  # it has ended, or is another user's
    return found


SEGMENTS_BEFORE = _segments()
SETTLED_S = 5.0
"""A younger segment may belong to a process that has yet to map it, seconds."""

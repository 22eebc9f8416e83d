"""Fixtures shared by all tests."""

import re
import signal
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
    """Remove the shared memory of killed nodes: 70 MB each, which nothing else ever frees."""
    before = set(SHARED_MEMORY.glob("*fastrtps_*"))
    yield
    left = set(SHARED_MEMORY.glob("*fastrtps_*")) - before
    if left:
        used = _mapped()
        for path in left:
            if path.name not in used:
                path.unlink(missing_ok=True)


def _mapped() -> set[str]:
    """Names of the shared memory that some process has open."""
    found: set[str] = set()
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            found |= set(re.findall(r"/dev/shm/(\S+)", maps.read_text()))
        except OSError:
            continue  # it has ended, or is another user's
    return found

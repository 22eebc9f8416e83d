"""Fixtures shared by all tests."""

import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit for each example would measure the load of the machine.
settings.register_profile("pdn", deadline=None)
settings.load_profile("pdn")

# A shell ignores it in what it starts in the background, and so would every process tested here.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the recorded data sets, which do not come with the package."""
    if not SHARED.is_dir():
        pytest.skip("the recorded data sets are not beside this checkout")
    return SHARED

from collections.abc import Iterator

import numpy as np
import pytest

from pdn_ros.simulation import DriveConfig, DriveFrame, render_drive

SMALL = DriveConfig(seconds=20.0, width=320, height=180, seed=3, workers=1)
WANTED = (0, 25, 60, 100, 140, 199)
RIG = SMALL.model_copy(update={"rig": "three"})


@pytest.fixture(scope="session")
def drive() -> list[DriveFrame]:
    return list(render_drive(SMALL, WANTED))


@pytest.fixture(scope="session")
def config() -> DriveConfig:
    return SMALL


@pytest.fixture(scope="session")
def rig_drive() -> list[DriveFrame]:
    return list(render_drive(RIG, (60, 140)))


@pytest.fixture(scope="session")
def rig_config() -> DriveConfig:
    return RIG


@pytest.fixture
def rng() -> Iterator[np.random.Generator]:
    yield np.random.default_rng(0)

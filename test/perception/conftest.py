import pytest

from pdn_ros.network import PatchDriveNet


@pytest.fixture
def own_cache(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def net() -> PatchDriveNet:
    return PatchDriveNet.load()

"""The configuration of a run."""

from pathlib import Path

import pytest
import yaml

from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml
from pdn_ros.training.training_config import TrainingConfig

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "training" / "street.yaml"


def read(folder: Path, name: str) -> TrainingConfig:
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()) | {"name": name}))
    return read_yaml(file, TrainingConfig)


@pytest.mark.parametrize("name", ["street", "two words", "2026-11_b.1", "Straße"])
def test_a_name_is_a_folder_below_runs(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name).name == name


@pytest.mark.parametrize(
    "name", ["../../x", "..", ".", "", "/x", "a/b", "a/", ".hidden", "a\0b", "a\nb"]
)
def test_a_name_does_not_leave_runs(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\A[^\n]*: name: .*one folder[^\n]*\Z"):
        read(tmp_path, name)

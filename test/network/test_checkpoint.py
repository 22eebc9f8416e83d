from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from pdn_ros.network import NetworkConfig, PatchDriveNet


def test_round_trip_keeps_predictions_configuration_and_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = PatchDriveNet(NetworkConfig(num_classes=4), classes='{"name": "x"}').eval()
    for parameter in net.parameters():  # what half precision can hold comes back to the bit
        parameter.data = parameter.data.half().float()
    net.save(tmp_path / "net.safetensors", training="seed: 3")
    again = PatchDriveNet.load(tmp_path / "net.safetensors")
    assert (again.config, again.classes) == (net.config, net.classes)
    image = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        again.predict(image).mask, net.to(memory_format=torch.channels_last).predict(image).mask
    )


def test_bad_files_are_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("no weights")
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors", metadata={"format": "pdn-0"})
    cases = {
        "absent.safetensors": "cannot be read",
        "text.safetensors": "damaged",
        "other.safetensors": "format 'pdn-0'",
    }
    for name, message in cases.items():
        with pytest.raises(ValueError, match=message) as caught:
            PatchDriveNet.load(tmp_path / name)
        assert name in str(caught.value)
        assert "\n" not in str(caught.value)

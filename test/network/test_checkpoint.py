import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.network.checkpoint import SHIPPED

CLASSES = {"classes": [{"name": name} for name in "abcd"]}


def test_round_trip_keeps_predictions_configuration_and_classes(tmp_path: Path) -> None:
    torch.manual_seed(0)
    classes = json.dumps(CLASSES)
    net = PatchDriveNet(NetworkConfig(num_classes=4), classes).eval()
    for parameter in net.parameters():  # what half precision can hold comes back to the bit
        parameter.data = parameter.data.half().float()
    net.save(tmp_path / "net.safetensors", training="seed: 3")
    again = PatchDriveNet.load(tmp_path / "net.safetensors")
    assert (again.config, again.classes) == (net.config, net.classes)
    image = np.random.default_rng(0).integers(0, 256, (128, 256, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        again.predict(image).mask, net.to(memory_format=torch.channels_last).predict(image).mask
    )


def test_a_dense_network_with_the_context_s_weights_is_stored_once(tmp_path: Path) -> None:
    net = PatchDriveNet(NetworkConfig(num_classes=4), json.dumps(CLASSES)).eval()
    net.save(tmp_path / "apart.safetensors")
    net.dense.load_state_dict(net.context.state_dict())
    net.save(tmp_path / "once.safetensors")
    sizes = [(tmp_path / f"{n}.safetensors").stat().st_size for n in ("apart", "once")]
    assert sizes[1] < 0.7 * sizes[0]
    again = PatchDriveNet.load(tmp_path / "once.safetensors")
    for key, value in net.dense.state_dict().items():
        torch.testing.assert_close(again.dense.state_dict()[key], value.half().float())


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


@pytest.fixture(scope="module")
def shipped() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(SHIPPED, framework="pt") as archive:
        return load_file(SHIPPED), archive.metadata()


def spoil(tensor: torch.Tensor, number: float) -> torch.Tensor:
    spoiled = tensor.clone()
    spoiled.view(-1)[-1] = number
    return spoiled


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, shipped, number: float) -> None:
    tensors, metadata = shipped
    name = max(tensors)
    save_file(tensors | {name: spoil(tensors[name], number)}, tmp_path / "x", metadata)
    with pytest.raises(ValueError, match=rf"\A[^\n]*{re.escape(name)}.*not finite[^\n]*\Z"):
        PatchDriveNet.load(tmp_path / "x")


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("network", None, "no 'network' in the metadata"),
        ("classes", None, "no 'classes' in the metadata"),
        ("training", None, "no 'training' in the metadata"),
        ("network", "{", "metadata cannot be read"),
        ("network", '{"num_classes": 12, "wings": 2}', "wings"),
        ("network", '{"num_classes": "12"}', "metadata cannot be read"),
        ("network", "[]", "metadata cannot be read"),
        ("classes", "", "metadata cannot be read"),
        ("classes", '{"classes": [{"name": "sky"}]}', "1 class names for 12 classes"),
        ("classes", '{"classes": [7]}', "metadata cannot be read"),
    ],
)
def test_metadata_that_do_not_fit_are_refused(
    tmp_path: Path, shipped, key: str, value: str | None, message: str
) -> None:
    tensors, metadata = shipped
    changed = {k: v for k, v in {**metadata, key: value}.items() if v is not None}
    save_file(tensors, tmp_path / "x", changed)
    with pytest.raises(ValueError, match=rf"\A[^\n]*{message}[^\n]*\Z"):
        PatchDriveNet.load(tmp_path / "x")


def test_tensors_that_do_not_fit_are_named(tmp_path: Path, shipped) -> None:
    tensors, metadata = shipped
    name = max(tensors)
    save_file({k: v for k, v in tensors.items() if k != name}, tmp_path / "less", metadata)
    wrong = {name: torch.zeros(3, 5, 7)}
    save_file(tensors | wrong, tmp_path / "other", metadata)
    save_file(tensors | {"wings": torch.zeros(2)}, tmp_path / "more", metadata)
    for file, named in {"less": name, "other": name, "more": "wings"}.items():
        with pytest.raises(ValueError, match=rf"\A[^\n]*{re.escape(named)}[^\n]*\Z"):
            PatchDriveNet.load(tmp_path / file)

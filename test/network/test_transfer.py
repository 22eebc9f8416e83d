"""Weights for other classes."""

import json

import pytest
import torch

from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.network.transfer import transfer


def class_set(*names: str) -> str:
    return json.dumps({"name": "made", "classes": [{"name": name} for name in names]})


@pytest.fixture(scope="module")
def source() -> PatchDriveNet:
    torch.manual_seed(1)
    config = NetworkConfig(3, channels=16, mixing_layers=1, context_pixels=1234)
    net = PatchDriveNet(config, class_set("road", "sky", "tree"))
    with torch.no_grad():  # some start as zeros, which tells nothing
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.01)
    return net


def test_equal_class_lists_give_equal_weights(source: PatchDriveNet) -> None:
    net = transfer(source, source.classes)
    assert net.config == source.config
    for (name, old), new in zip(
        source.state_dict().items(), net.state_dict().values(), strict=True
    ):
        assert torch.equal(old, new), name


@pytest.mark.parametrize("part", ["context", "refinement", "dense"])
def test_heads_keep_the_rows_of_namesakes(source: PatchDriveNet, part: str) -> None:
    net = transfer(source, class_set("weed", "tree", "road", "crop"))
    old, new = getattr(source, part).head[1], getattr(net, part).head[1]
    for i, j in ((1, 2), (2, 0)):
        assert torch.equal(new.weight[i], old.weight[j])
        assert torch.equal(new.bias[i], old.bias[j])
    for i in (0, 3):
        assert not any(torch.equal(new.weight[i], row) for row in old.weight)


def test_inputs_of_probabilities_keep_the_columns_of_namesakes(source: PatchDriveNet) -> None:
    net = transfer(source, class_set("weed", "tree", "road", "crop"))
    for old, new, others in (
        (source.driver.embed, net.driver.embed, 2 * 16 + 4),
        (source.refinement.context[0], net.refinement.context[0], 16),
        (source.refinement.context[1], net.refinement.context[1], 16),
    ):
        assert torch.equal(new.weight[:, :others], old.weight[:, :others])
        assert torch.equal(new.weight[:, others + 1], old.weight[:, others + 2])
        assert torch.equal(new.weight[:, others + 2], old.weight[:, others])


def test_as_many_classes_of_other_names_keep_no_row(source: PatchDriveNet) -> None:
    net = transfer(source, class_set("a", "b", "c"))
    assert not torch.equal(net.context.head[1].weight, source.context.head[1].weight)
    assert torch.equal(
        net.context.head[0].pointwise.weight, source.context.head[0].pointwise.weight
    )


def test_everything_else_stays(source: PatchDriveNet) -> None:
    net = transfer(source, class_set("weed", "tree"))
    new = net.state_dict()
    for name, old in source.state_dict().items():
        if old.shape == new[name].shape:
            assert torch.equal(old, new[name]), name
    assert net.config.context_pixels == 1234 and net.config.num_classes == 2

"""Weights for other classes: what does not depend on the classes stays, and so do their namesakes.

Heads have an output for each class, some layers take an input for each. Of both, those of classes
with equal names are kept wherever they stand in the list; those of new classes start afresh.
"""

import json
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from pdn_ros.network.model import PatchDriveNet
from pdn_ros.network.network_config import NetworkConfig

_PROBED: Final = (2, 3)
"""Numbers of classes of two networks: an axis that differs in size is the classes'."""


def transfer(source: PatchDriveNet, classes: str) -> PatchDriveNet:
    """Build a network for other classes from the weights of one that is trained.

    Args:
        source: The trained network.
        classes: The new class set as JSON, as `PatchDriveNet` keeps it.

    Returns:
        A network with the source's hyper-parameters; new entries are random. With the source's
        own class names its weights are the source's.
    """
    old, new = names_of(source.classes), names_of(classes)
    net = PatchDriveNet(replace(source.config, num_classes=len(new)), classes)
    kept = [(i, old.index(name)) for i, name in enumerate(new) if name in old]
    axes = _class_axes(source.config)
    given = source.state_dict()
    state = {
        key: _joined(fresh, given[key], axes[key], kept, (len(new), len(old)))
        if key in axes
        else given[key]
        for key, fresh in net.state_dict().items()
    }
    net.load_state_dict(state)
    return net.channels_last()


def names_of(classes: str) -> list[str]:
    """Return the class names of a class set in JSON, in id order."""
    return [item["name"] for item in json.loads(classes)["classes"]]


def _joined(
    fresh: Tensor, given: Tensor, axis: int, kept: list[tuple[int, int]], counts: tuple[int, int]
) -> Tensor:
    """Take over a tensor along the classes' axis, where the classes are the last entries."""
    new, old = counts
    result = fresh.detach().clone().movedim(axis, 0)
    given = given.movedim(axis, 0)
    others = len(given) - old
    result[:others] = given[:others]
    for i, j in kept:
        result[len(result) - new + i] = given[others + j]
    return result.movedim(0, axis)


def _class_axes(config: NetworkConfig) -> dict[str, int]:
    """Find the tensors that have an entry for each class, and on which axis."""
    with torch.device("meta"):
        few, more = (PatchDriveNet(replace(config, num_classes=n)).state_dict() for n in _PROBED)
    found = {}
    for key, tensor in few.items():
        sizes = enumerate(zip(tensor.shape, more[key].shape, strict=True))
        grown = [axis for axis, (a, b) in sizes if a != b]
        if grown:
            (found[key],) = grown
    return found

"""The score that picks the best weights of a stage."""

from collections.abc import Sequence

import numpy as np
import torch
from lightning_fabric import Fabric

from pdn_ros.classes import ClassSet
from pdn_ros.datasets import open_dataset
from pdn_ros.datasets.base import evenly
from pdn_ros.metrics import Confusion
from pdn_ros.metrics.confusion import at_size
from pdn_ros.network import Options, Parts, PatchDriveNet, predict
from pdn_ros.training.training_config import DataConfig


@torch.inference_mode()
def score(
    net: PatchDriveNet,
    objective: str,
    sets: Sequence[DataConfig],
    classes: ClassSet,
    fabric: Fabric,
    images: int,
) -> float:
    """Return the mIoU averaged over the validation sets.

    The one-pass networks are scored at the images' own size, the patch stages in patch mode,
    on at most so many images of each set, evenly picked.
    """
    parts: Parts = _ContextAtFullSize(net) if objective == "context" else net
    one_pass = objective in ("context", "dense")
    options = Options(mode="dense" if one_pass else "patch", confidence=False)
    means = []
    for config in sets:
        dataset = open_dataset(config.spec, config.split, classes)
        hidden = {classes.id_of(h): classes.id_of(g) for h, g in dataset.hidden.items()}
        confusion = Confusion(len(classes.names), hidden)
        for i in evenly(len(dataset), images)[fabric.global_rank :: fabric.world_size]:
            sample = dataset.sample(i)
            found = predict(parts, net.config, sample.image, options, device=fabric.device)
            confusion.update(at_size(found.mask, sample.label.shape), sample.label)
        counts = fabric.all_reduce(torch.from_numpy(confusion.counts), reduce_op="sum")
        assert isinstance(counts, torch.Tensor)
        confusion.counts = counts.cpu().numpy()
        means.append(confusion.miou())
    return float(np.mean(means)) if means else 0.0


class _ContextAtFullSize:
    """The context network in the place of the dense one: one pass at the image's own size."""

    def __init__(self, net: PatchDriveNet) -> None:
        self._net = net
        self.run_context = net.run_context
        self.run_refinement = net.run_refinement

    def run_dense(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._net.context(self._net.normalise(images)).logits
        return logits

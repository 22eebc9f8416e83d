"""The score that picks the best weights of a stage."""

from collections.abc import Sequence

import numpy as np
import torch
from lightning_fabric import Fabric

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets import open_dataset
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.predict import Options, predict
from pdn_ros.training.config import DataConfig, StageConfig


@torch.inference_mode()
def score(
    net: PatchDriveNet,
    stage: StageConfig,
    sets: Sequence[DataConfig],
    classes: ClassSet,
    fabric: Fabric,
    images: int = 24,
) -> float:
    """Return the mIoU over evenly picked images of the validation sets, averaged over the sets.

    The one-pass stages are scored at the images' own size, the patch stages in patch mode.
    """
    options = Options(mode="patch", confidence=False)
    parts = net
    if stage.objective in ("context", "dense"):
        options = Options(mode="dense", confidence=False)
    means = []
    for config in sets:
        dataset = open_dataset(config.spec, config.split, classes)
        counts = np.zeros((len(classes.names), len(classes.names)), np.int64)
        picked = np.unique(np.linspace(0, len(dataset) - 1, min(images, len(dataset))).astype(int))
        for i in picked[fabric.global_rank :: fabric.world_size].tolist():
            sample = dataset.sample(i)
            mask = predict(
                _AsDense(parts) if stage.objective == "context" else parts,
                net.config,
                sample.image,
                options,
                device=fabric.device,
            ).mask
            for h, g in dataset.hidden.items():
                h_id, g_id = classes.id_of(h), classes.id_of(g)
                mask = np.where((mask == h_id) & (sample.label == g_id), g_id, mask)
            valid = sample.label != VOID
            pairs = sample.label[valid].astype(np.int64) * len(classes.names) + mask[valid]
            counts += np.bincount(pairs, minlength=counts.size).reshape(counts.shape)
        total = fabric.all_reduce(torch.from_numpy(counts), reduce_op="sum")
        assert isinstance(total, torch.Tensor)
        counts = total.cpu().numpy()
        union = counts.sum(0) + counts.sum(1) - counts.diagonal()
        seen = counts.sum(1) > 0
        means.append(float((counts.diagonal()[seen] / union[seen]).mean()))
    return float(np.mean(means)) if means else 0.0


class _AsDense:
    """The context network in the place of the dense one: one pass at the image's own size."""

    def __init__(self, net: PatchDriveNet) -> None:
        self._net = net
        self.run_context = net.run_context
        self.run_refinement = net.run_refinement

    def run_dense(self, images: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._net.context(self._net.normalise(images)).logits
        return logits

"""Samples of a training step: drawn, augmented and stacked, a function of (seed, step) alone.

Nothing here keeps state between steps, so that a resumed run draws what the killed one would have.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets import LabelledImages, Sample, open_dataset
from pdn_ros.errors import InputError
from pdn_ros.metrics.small import SIZES, components
from pdn_ros.training.augment import augment
from pdn_ros.training.training_config import DataConfig

Pairs = tuple[tuple[int, int], ...]
CACHE_BYTES = 1_500_000_000
"""Bytes of decoded images that a process keeps; what is beyond is read anew when it is drawn."""
SMALL_WEIGHT = 1.5
"""What a pixel of a small component of a thin class counts in the task loss."""


@dataclass(slots=True)  # not frozen: Fabric moves the fields to its device in place
class Batch:
    """A step's images.

    Attributes:
        images: (B, 3, H, W) uint8 BGR.
        labels: (B, H, W) int64 class ids, 255 void.
        weights: (B, H, W) float32, what each pixel counts.
        hidden: For each image the pairs (hidden class, class that it is labelled as).
    """

    images: Tensor
    labels: Tensor
    weights: Tensor
    hidden: tuple[Pairs, ...]


class Mixture:
    """Several data sets drawn from by weight; keeps `CACHE_BYTES` of decoded images."""

    def __init__(self, configs: Sequence[DataConfig], classes: ClassSet) -> None:
        self._configs = configs
        self._thin = classes.thin
        self._sets = [open_dataset(c.spec, c.split, classes) for c in configs]
        weights = np.array([c.weight for c in configs])
        self._shares = weights / weights.sum()
        self._pairs = [_hidden_pairs(s, classes) for s in self._sets]
        self._cache: dict[tuple[int, int], Sample | None] = {}
        self._room = CACHE_BYTES

    def batch(self, rng: np.random.Generator, size: int, crop: tuple[int, int]) -> Batch:
        """Draw `size` augmented windows of at most `crop` (height, width).

        Smaller ones are padded, with grey and void, to the largest of the batch.
        """
        windows: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]] = []
        hidden: list[Pairs] = []
        while len(windows) < size:
            which = int(rng.choice(len(self._sets), p=self._shares))
            sample = self._sample(which, int(rng.integers(len(self._sets[which]))))
            if sample is None:
                continue
            windows.append(augment(rng, sample, crop, self._configs[which].scales))
            hidden.append(self._pairs[which])
        height, width = (max(label.shape[axis] for _, label in windows) for axis in (0, 1))
        images = np.full((size, height, width, 3), 128, np.uint8)
        labels = np.full((size, height, width), VOID, np.int64)
        weights = np.ones((size, height, width), np.float32)
        for i, (image, label) in enumerate(windows):
            images[i, : image.shape[0], : image.shape[1]] = image
            labels[i, : label.shape[0], : label.shape[1]] = label
            weights[i, : label.shape[0], : label.shape[1]] = pixel_weights(label, self._thin)
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return Batch(tensor, torch.from_numpy(labels), torch.from_numpy(weights), tuple(hidden))

    def frequencies(self, num_classes: int, samples: int = 200) -> NDArray[np.float64]:
        """Share of each class among the labelled pixels of evenly picked images, (C,)."""
        counts = np.zeros(num_classes)
        for which, images in enumerate(self._sets):
            picked = np.linspace(0, len(images) - 1, min(len(images), samples // len(self._sets)))
            for i in np.unique(picked.astype(int)):
                sample = self._sample(which, int(i))
                if sample is not None:
                    found = np.bincount(sample.label[::4, ::4].ravel(), minlength=256)
                    counts += self._shares[which] * found[:num_classes] / len(picked)
        shares: NDArray[np.float64] = counts / counts.sum()
        return shares

    def _sample(self, which: int, index: int) -> Sample | None:
        """Read a sample once; a damaged file is said once and left out for good."""
        key = (which, index)
        if key in self._cache:
            return self._cache[key]
        sample: Sample | None = None
        try:
            sample = self._sets[which].sample(index)
            self._room -= sample.image.nbytes + sample.label.nbytes
        except InputError as error:
            logging.getLogger(__name__).warning("left out: %s", error)
        if sample is None or self._room >= 0:
            self._cache[key] = sample
        return sample


def _hidden_pairs(images: LabelledImages, classes: ClassSet) -> Pairs:
    return tuple((classes.id_of(h), classes.id_of(g)) for h, g in images.hidden.items())


def pixel_weights(label: NDArray[np.uint8], thin: Sequence[int]) -> NDArray[np.float32]:
    """Weigh pixels, (H, W): `SMALL_WEIGHT` on small components of the thin classes, 1 elsewhere."""
    weights = np.ones(label.shape, np.float32)
    for class_id in thin:
        ids, areas = components(label, class_id)
        small = (areas >= SIZES[0]) & (areas < SIZES[-1])
        weights[np.concatenate([[False], small])[ids]] = SMALL_WEIGHT
    return weights

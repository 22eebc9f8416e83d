"""Samples of a training step: drawn, augmented and stacked, a function of (seed, step) alone.

Nothing here keeps state between steps, so that a resumed run draws what the killed one would have.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets import LabelledImages, Sample, open_dataset
from pdn_ros.errors import InputError
from pdn_ros.network.segmentation import OUTPUT_STRIDE
from pdn_ros.training.training_config import DataConfig

Pairs = tuple[tuple[int, int], ...]
CACHE_BYTES = 1_500_000_000
"""Bytes of decoded images that a process keeps; what is beyond is read anew when it is drawn."""


@dataclass(slots=True)  # not frozen: Fabric moves the fields to its device in place
class Batch:
    """A step's images.

    Attributes:
        images: (B, 3, H, W) uint8 BGR.
        labels: (B, H, W) int64 class ids, 255 void.
        hidden: For each image the pairs (hidden class, class that it is labelled as).
    """

    images: Tensor
    labels: Tensor
    hidden: tuple[Pairs, ...]


class Mixture:
    """Several data sets drawn from by weight; keeps `CACHE_BYTES` of decoded images."""

    def __init__(self, configs: Sequence[DataConfig], classes: ClassSet) -> None:
        self._configs = configs
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
        for i, (image, label) in enumerate(windows):
            images[i, : image.shape[0], : image.shape[1]] = image
            labels[i, : label.shape[0], : label.shape[1]] = label
        tensor = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
        return Batch(tensor, torch.from_numpy(labels), tuple(hidden))

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


def augment(
    rng: np.random.Generator, sample: Sample, crop: tuple[int, int], scales: tuple[float, float]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut a randomly scaled, shifted, mirrored and recoloured window of at most `crop`.

    Returns:
        Image (H, W, 3) uint8 BGR and label (H, W) uint8, H and W in whole output cells.
    """
    height, width = crop
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    label: cv2.typing.MatLike = sample.label
    if label.shape != sample.image.shape[:2]:
        size = sample.image.shape[1::-1]
        label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)
    rows, cols = label.shape
    window_h, window_w = min(rows, round(height / scale)), min(cols, round(width / scale))
    top, left = _corner(rng, label, window_h, window_w)
    window = np.s_[top : top + window_h, left : left + window_w]
    size = tuple(
        max(round(min(most, n * scale)) // OUTPUT_STRIDE, 1) * OUTPUT_STRIDE
        for most, n in ((width, window_w), (height, window_h))
    )
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(sample.image[window], size, interpolation=shrink)
    ids = cv2.resize(label[window], size, interpolation=cv2.INTER_NEAREST_EXACT)
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    return _recolour(rng, image), np.asarray(ids, np.uint8)


def _corner(
    rng: np.random.Generator, label: cv2.typing.MatLike, height: int, width: int
) -> tuple[int, int]:
    """Place a window: anywhere, or every other time on a pixel of a class drawn by equal chances.

    So rare classes are met as often as common ones (Zhu et al., CVPR 2019: class uniform sampling).
    """
    rows, cols = label.shape
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(cols - width + 1))
    present = np.unique(label[::4, ::4])
    present = present[present != VOID]
    if len(present) and rng.random() < 0.5:
        y, x = np.nonzero(label[::4, ::4] == rng.choice(present))
        i = int(rng.integers(len(y)))
        top = min(max(int(y[i]) * 4 - int(rng.integers(height)), 0), rows - height)
        left = min(max(int(x[i]) * 4 - int(rng.integers(width)), 0), cols - width)
    return top, left


def _recolour(rng: np.random.Generator, image: cv2.typing.MatLike) -> NDArray[np.uint8]:
    """Random exposure, contrast, gamma, saturation, white balance, blur and noise."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, gain = np.exp(rng.uniform(-0.35, 0.35)), np.exp(rng.uniform(-0.3, 0.3))
    pivot = rng.uniform(0.3, 0.6)
    curve = (levels**gamma - pivot) * gain + pivot + rng.uniform(-0.08, 0.08)
    balance = np.exp(rng.normal(0, 0.04, 3))
    table = np.clip(curve[:, None] * balance * 255, 0, 255).astype(np.uint8)
    image = cv2.LUT(np.ascontiguousarray(image), table[None])
    saturation = float(np.exp(rng.uniform(-0.5, 0.35)))
    grey = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    image = cv2.addWeighted(image, saturation, grey, 1 - saturation, 0)
    if rng.random() < 0.15:
        image = cv2.GaussianBlur(image, (3, 3), float(rng.uniform(0.4, 1.0)))
    if rng.random() < 0.25:
        noise = rng.standard_normal(image.shape, np.float32) * np.float32(rng.uniform(1, 7))
        image = np.clip(image + noise, 0, 255).astype(np.uint8)
    return np.asarray(image, np.uint8)

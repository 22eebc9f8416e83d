"""What the patch stages read from masks and patches."""

import numpy as np
import torch

from pdn_ros.network.network_config import PatchGrid
from pdn_ros.training.data import SMALL_WEIGHT, Batch, pixel_weights
from pdn_ros.training.patches import label_mask, per_patch


def test_a_hidden_class_is_no_error() -> None:
    # Class 2 wins everywhere; the first image labels it as 0, the second tells them apart.
    logits = torch.zeros(2, 3, 4, 4)
    logits[:, 2] = 1
    labels = torch.zeros(2, 12, 12, dtype=torch.int64)
    images = torch.zeros(2, 3, 12, 12, dtype=torch.uint8)
    batch = Batch(images, labels, torch.ones(2, 12, 12), (((2, 0),), ()))
    found = label_mask(logits, batch)
    assert found.shape == labels.shape
    assert (found[0] == 0).all() and (found[1] == 2).all()


def test_patches_beyond_the_image_count_what_lies_inside() -> None:
    grid = PatchGrid(height=128, width=192, size=128, scale=0.5)
    found = per_patch(torch.ones(1, 128, 192), grid)
    assert found.tolist() == [[[1.0, 0.5]]]


def test_small_components_of_thin_classes_count_more() -> None:
    label = np.full((100, 100), 3, np.uint8)
    label[:10, :10] = 2  # a thin class, 100 px
    label[50:90, 50:90] = 2  # 1600 px: large
    label[0, 50] = 2  # a speck
    label[20:30, 20:30] = 5  # not thin
    weights = pixel_weights(label, [2])
    assert weights[:10, :10].min() == SMALL_WEIGHT
    assert weights.sum() == 100 * 100 + 100 * (SMALL_WEIGHT - 1)

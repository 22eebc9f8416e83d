"""Both sources of pixels against numpy: what a GPU computes is checked here on the CPU."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from pdn_ros.network import NetworkConfig, patch_grid
from pdn_ros.network.pixels import DevicePixels, HostPixels, Pixels

Image = NDArray[np.uint8]
Source = Callable[[Image], Pixels]
SOURCES = pytest.mark.parametrize(
    "source", [HostPixels, lambda image: DevicePixels(image, "cpu")], ids=["host", "device"]
)


def noise(height: int, width: int) -> Image:
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


def as_images(tensor: torch.Tensor) -> Image:
    return tensor.permute(0, 2, 3, 1).numpy()


@SOURCES
def test_crops_repeat_the_edge_beyond_the_image(source: Source) -> None:
    image = noise(300, 200)
    grid = patch_grid(300, 200, NetworkConfig(2))
    padded = np.pad(image, ((8, 128 * 3 + 8 - 300), (8, 256 + 8 - 200), (0, 0)), mode="edge")
    ids = np.array([5, 0, 3], np.int32)
    for patch, crop in zip(ids, as_images(source(image).crops(grid, ids, 8)), strict=True):
        y, x = int(patch) // 2 * 128, int(patch) % 2 * 128
        np.testing.assert_array_equal(crop, padded[y : y + 144, x : x + 144])


@SOURCES
def test_shrunk_takes_the_mean_of_each_area(source: Source) -> None:
    image = noise(64, 96)
    expected = image.reshape(32, 2, 48, 2, 3).mean((1, 3))
    found = as_images(source(image).shrunk((32, 48)))[0]
    assert np.abs(found - expected).max() <= 0.5


@SOURCES
def test_a_broken_factor_keeps_the_place_of_things(source: Source) -> None:
    # A ramp along x: at a scale of 3/8 the mean over each area is the ramp at its centre.
    image = np.repeat(np.arange(128, dtype=np.uint8)[None, :, None], 64, 0).repeat(3, 2)
    found = as_images(source(image).shrunk((24, 48)))[0, 12, :, 1]
    expected = (np.arange(48) + 0.5) * 128 / 48 - 0.5
    assert np.abs(found - expected)[1:-1].max() <= 1.0


@SOURCES
def test_the_whole_image_is_as_it_was(source: Source) -> None:
    image = noise(40, 56)
    np.testing.assert_array_equal(as_images(source(image).whole())[0], image)

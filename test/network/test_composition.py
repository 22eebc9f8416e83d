import numpy as np
import pytest
import torch
from torch.nn import functional

from pdn_ros.network.composition import compose, confidence, decode, feathers, on_cells
from pdn_ros.network.network_config import PatchGrid
from pdn_ros.network.refinement import Refined

GRID = PatchGrid(height=256, width=384, size=128, scale=0.5)


def smooth(channels: int, height: int, width: int, seed: int) -> torch.Tensor:
    noise = torch.randn(channels, height, width, generator=torch.Generator().manual_seed(seed))
    return functional.avg_pool2d(noise, 7, 1, 3) * 5


@pytest.mark.parametrize(("height", "width"), [(120, 160), (119, 157), (4, 4)])
def test_decode_is_the_argmax_of_the_upsampled_logits(height: int, width: int) -> None:
    logits = smooth(12, -(-height // 4), -(-width // 4), seed=height)
    full = functional.interpolate(logits[None], scale_factor=4, mode="bilinear")[0]
    np.testing.assert_array_equal(
        decode(logits, height, width), full.argmax(0)[:height, :width].numpy()
    )


def test_confidence_is_the_winning_probability() -> None:
    logits = torch.log(torch.tensor([0.9, 0.1]))[:, None, None].expand(2, 8, 8)
    assert confidence(logits, 30, 32).shape == (30, 32)
    np.testing.assert_array_equal(np.unique(confidence(logits, 30, 32)), [round(0.9 * 255)])


def test_without_patches_the_coarse_logits_stay() -> None:
    coarse = smooth(3, 64, 96, seed=1)
    none = Refined(torch.zeros(0, 3, 36, 36), torch.zeros(0, 1, 36, 36))
    torch.testing.assert_close(compose(coarse, none, torch.tensor([]).int(), GRID, 8), coarse)


def test_open_gates_replace_patches_and_shut_gates_leave_them() -> None:
    coarse = torch.zeros(2, 64, 96)
    logits = torch.ones(2, 2, 36, 36)
    gate = torch.stack([torch.ones(1, 36, 36), torch.zeros(1, 36, 36)])
    found = compose(coarse, Refined(logits, gate), torch.tensor([1, 5]), GRID, 8)
    # Patch 1, columns 128..255 of the image; at its corner the halo of patch 5 has a say.
    assert found[:, :26, 38:58].min() == 1
    assert found[:, 34:, :].max() == 0  # patch 5 and all beyond patch 1's halo


def test_neighbours_blend_without_a_seam() -> None:
    logits = torch.stack([torch.full((1, 36, 36), 1.0), torch.full((1, 36, 36), 2.0)])
    found = compose(
        torch.zeros(1, 64, 96),
        Refined(logits, torch.ones(2, 1, 36, 36)),
        torch.tensor([0, 1]),
        GRID,
        8,
    )[0]
    row = found[16]
    assert row[0] == 1 and row[57] == 2  # no ramp at the image's border
    step = row[2:57].diff()
    assert step.min() >= 0 and step.max() <= 0.5  # rises from 1 to 2 through the overlap
    # Towards the coarse side the ramp is 8 cells wide, from the halo's rim at cell 66 inwards.
    torch.testing.assert_close(row[58:66], 2 * (torch.arange(8, 0, -1) - 0.5) / 8)
    assert row[66:].max() == 0


def test_feathers_of_refined_neighbours_add_up_to_one() -> None:
    grid = PatchGrid(height=128 * 3, width=128 * 3, size=128, scale=0.5)
    every = feathers(list(range(9)), grid, 8)
    total = np.zeros((3 * 32 + 4, 3 * 32 + 4), np.float32)
    for k, one in enumerate(every):
        y, x = k // 3 * 32, k % 3 * 32
        total[y : y + 36, x : x + 36] += one
    np.testing.assert_allclose(total[2:-2, 2:-2], 1, atol=1e-6)


@pytest.mark.parametrize("scale", [0.5, 0.375, 0.25])
def test_cells_of_a_scaled_pass_lie_where_the_image_is(scale: float) -> None:
    # A logit that equals the full-resolution x of its cell's centre must keep doing so.
    width = round(64 * scale)
    x = (torch.arange(width) + 0.5) * 4 / scale
    found = on_cells(x.expand(1, 1, 8, width), scale, (16, 64))[0, 0]
    expected = (torch.arange(64) + 0.5) * 4
    inner = slice(4, 60)  # the borders are replicated
    torch.testing.assert_close(found[inner], expected[inner])

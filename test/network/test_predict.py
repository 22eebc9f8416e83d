import copy

import numpy as np
import pytest
import torch

from pdn_ros.network import (
    Frame,
    NetworkConfig,
    Options,
    PatchDriveNet,
    patch_grid,
    predict,
    predict_set,
)
from pdn_ros.network.refinement import sample_context


@pytest.fixture(scope="module")
def net() -> PatchDriveNet:
    torch.manual_seed(0)
    return PatchDriveNet(NetworkConfig(num_classes=5)).eval()


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 701), (375, 1242), (720, 130)])
@pytest.mark.parametrize("mode", ["patch", "context", "dense"])
def test_any_size_gives_a_mask_of_that_size(net, height: int, width: int, mode: str) -> None:
    found = net.predict(noise(height, width), mode=mode)
    assert found.mask.shape == found.confidence.shape == (height, width)
    assert found.mask.dtype == found.confidence.dtype == np.uint8
    assert found.mask.max() < 5
    assert len(found.selected) == (max(1, round(found.grid.count / 4)) if mode == "patch" else 0)


def test_only_selected_patches_and_their_halo_change(net) -> None:
    image = noise(256, 512)
    marked = copy.deepcopy(net)
    marked.refinement.head[-1].bias.data[4] += 1000  # what is refined becomes class 4
    patch, context = marked.predict(image, budget=1), marked.predict(image, budget=0)
    row, col = divmod(int(patch.selected[0]), patch.grid.cols)
    outside = np.ones(patch.mask.shape, bool)
    # Halo 8, and the interpolation reaches one cell further.
    outside[max(row * 128 - 12, 0) : row * 128 + 140, max(col * 128 - 12, 0) : col * 128 + 140] = 0
    np.testing.assert_array_equal(patch.mask[outside], context.mask[outside])
    assert (patch.mask[row * 128 : row * 128 + 128, col * 128 : col * 128 + 128] == 4).all()


def test_prior_steers_the_selection(net) -> None:
    image = noise(256, 512)
    prior = np.zeros((2, 4), np.float32)
    prior[1, 2] = 1
    assert net.predict(image, budget=1, prior=prior).selected.tolist() == [6]


def test_the_same_image_gives_the_same_mask(net) -> None:
    image = noise(200, 300)
    np.testing.assert_array_equal(net.predict(image).mask, net.predict(image).mask)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((64, 64), np.uint8),
        np.zeros((64, 64, 3), np.float32),
        np.zeros((8, 64, 3), np.uint8),
    ],
)
def test_bad_images_are_refused_in_one_line(net, image) -> None:
    with pytest.raises(ValueError, match="image of") as caught:
        net.predict(image)
    assert "\n" not in str(caught.value)


def test_context_is_sampled_where_the_crop_looks() -> None:
    # A map that holds each cell's own position in full-resolution pixels.
    scale, stride = 0.25, 16.0
    y, x = torch.meshgrid(torch.arange(20.0), torch.arange(30.0), indexing="ij")
    positions = (torch.stack([x, y]) + 0.5)[None] * stride
    found = sample_context(positions, torch.tensor([[192.0, 160.0]]), scale, extent=64, side=8)
    expected = torch.arange(8) * 8 + 4 - 32.0
    torch.testing.assert_close(found[0, 0], (192 + expected)[None, :].expand(8, 8))
    torch.testing.assert_close(found[0, 1], (160 + expected)[:, None].expand(8, 8))


def test_context_scale_follows_the_image_size() -> None:
    config = NetworkConfig(2)
    assert [
        patch_grid(h, w, config).scale for h, w in ((720, 960), (1080, 1920), (2160, 3840))
    ] == [
        0.5,
        0.375,
        0.25,
    ]
    assert patch_grid(1080, 1920, config).count == 9 * 15
    assert patch_grid(480, 640, config).scale == 0.5
    assert patch_grid(480, 640, config, alone=True).scale == 1.0
    assert patch_grid(720, 960, config, alone=True).scale == 0.5


@torch.inference_mode()
def test_a_set_shares_one_budget_and_each_image_is_refined_by_itself(net) -> None:
    # The first has the higher scores: its patches are bought from the second's budget.
    first, second = noise(256, 512), noise(200, 300)[::-1].copy()
    found = predict_set(net, net.config, [Frame(first, np.ones((2, 4), np.float32)), Frame(second)],
                        Options(budget=5, lidar_weight=1.0))  # fmt: skip
    assert [len(one.selected) for one in found] == [5, 0]
    assert [one.budget for one in found] == [5, 5]
    assert [one.prior_used for one in found] == [True, False]
    prior = np.ones((2, 4), np.float32)
    alone = predict(net, net.config, first, Options(budget=5, lidar_weight=1.0), prior=prior)
    np.testing.assert_array_equal(found[0].mask, alone.mask)
    np.testing.assert_array_equal(found[1].mask, net.predict(second, budget=0).mask)


@torch.inference_mode()
def test_the_set_s_default_budget_is_a_quarter_of_all_patches(net) -> None:
    found = predict_set(
        net, net.config, [Frame(noise(256, 512)), Frame(noise(256, 256))], Options()
    )
    assert sum(len(one.selected) for one in found) == found[0].budget == 3
    for one in found:
        parts = ("preprocess", "context", "select", "refine", "compose")
        assert one.times.total == pytest.approx(sum(getattr(one.times, part) for part in parts))

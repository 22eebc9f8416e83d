"""Scores of the other selectors: hand-computed and against a direct computation."""

import numpy as np
import pytest
import torch

from pdn_ros.network import PatchGrid, patch_grid
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.validation.selectors import coarse_entropy, gain, horizon_band

ROAD, POLE = 3, 2


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_gain_counts_mended_less_made():
    # Two patches of 4. In the first two errors are mended and one is made; in the second one is
    # mended on a pole, and the void pixel counts nowhere.
    label = np.full((4, 8), ROAD, np.uint8)
    label[0, 5], label[3, 7] = POLE, 255
    coarse, refined = label.copy(), label.copy()
    coarse[0, 0] = coarse[1, 1] = coarse[0, 5] = POLE + 3
    refined[2, 2] = POLE
    coarse[3, 7], refined[3, 7] = ROAD, POLE
    grid = PatchGrid(4, 8, 4, 0.5)
    np.testing.assert_array_equal(gain(label, coarse, refined, grid), [[1, 1]])
    weights = np.ones(12)
    weights[POLE] = 5
    np.testing.assert_array_equal(gain(label, coarse, refined, grid, weights), [[1, 5]])


def test_gain_with_a_label_of_twice_the_size():
    label = np.zeros((8, 16), np.uint8)
    coarse = label.copy()
    coarse[:, 8:] = 1
    np.testing.assert_array_equal(gain(label, coarse, label, PatchGrid(4, 8, 4, 0.5)), [[0, 64]])


def test_horizon_band_goes_out_from_the_middle():
    scores = horizon_band(PatchGrid(5 * 8, 4 * 8, 8, 0.5))
    assert scores.shape == (5, 4)
    order = np.argsort(-scores.ravel(), kind="stable")
    assert order[:4].tolist() == [9, 10, 8, 11]
    assert set((order // 4)[4:12].tolist()) == {1, 3}


def test_entropy_is_that_of_the_coarse_logits_and_steers_the_choice():
    config = PipelineConfig(backend="torch", lidar={"weight": 1.0}, budget=2)
    pipeline = Pipeline(config)
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (256, 384, 3), dtype=np.uint8)
    image[:, 128:] //= 8
    scores = coarse_entropy(pipeline.parts, pipeline.network, image)
    assert scores.shape == (2, 3)
    # Half scale at this size.
    small = (image.reshape(128, 2, 192, 2, 3).mean((1, 3)) + 0.5).astype(np.uint8)
    with torch.inference_mode():
        tensor = torch.from_numpy(small).permute(2, 0, 1)[None]
        cell = patch_grid(256, 384, pipeline.network).cell
        logits = pipeline.parts.run_context(tensor, 2, 3, cell)[0].logits
    entropy = torch.distributions.Categorical(logits=logits[0].permute(1, 2, 0)).entropy()
    rows, cols = (n // c for n, c in zip(entropy.shape, (2, 3), strict=True))
    expected = entropy.reshape(2, rows, 3, cols).mean((1, 3)).numpy()
    np.testing.assert_allclose(scores, expected, atol=1e-3)
    chosen = pipeline.segment(image, prior=scores, confidence=False).selected
    assert chosen.tolist() == np.argsort(-scores.ravel(), kind="stable")[:2].tolist()

"""Multiply-accumulates against closed forms and another counter."""

import pytest
import torch

from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.validation.cost import Cost

CONFIG = NetworkConfig(num_classes=12)


@pytest.fixture(scope="module")
def cost() -> Cost:
    return Cost(CONFIG)


def test_more_classes_cost_what_the_last_layer_says(cost):
    # The classifier is a 1x1 convolution from `channels` at stride 4.
    other = Cost(NetworkConfig(num_classes=20))
    assert other.dense(128, 256) - cost.dense(128, 256) == 8 * CONFIG.channels * 32 * 64


@pytest.mark.filterwarnings("ignore")
def test_agrees_with_fvcore(cost):
    fvcore = pytest.importorskip("fvcore.nn")

    class Dense(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = PatchDriveNet(CONFIG).eval()

        def forward(self, images):
            return self.net.run_dense(images)

    images = torch.zeros(1, 3, 96, 160, dtype=torch.uint8)
    count = fvcore.FlopCountAnalysis(Dense(), images)
    count.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    assert cost.dense(96, 160) == count.by_operator()["conv"]


def test_patches_cost_more_with_each_and_no_more_than_there_are(cost):
    none, one, some, all_of_them = (cost.patches(512, 1024, k) for k in (0, 1, 8, 32))
    assert none < one < some < all_of_them == cost.patches(512, 1024, 99)
    assert cost.patches(512, 1024) == some  # a quarter of 32


def test_equal_scale_costs_the_same(cost):
    scale = cost.equal_scale(720, 960)
    assert 0.3 < scale < 1
    assert cost.dense(720, 960, scale) == pytest.approx(cost.patches(720, 960), rel=0.05)
    assert cost.equal_scale(720, 960, 99) == 1.0

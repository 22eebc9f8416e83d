"""The decoder's levels stay in place at any size."""

import pytest
import torch

from pdn_ros.network.segmentation import SegmentationNetwork, double


@pytest.mark.parametrize(("rows", "cols"), [(8, 10), (7, 9), (15, 4)])
def test_doubling_keeps_every_cell_in_its_place(rows, cols):
    # Coarse cell i covers the fine cells 2i and 2i + 1: its centre lies at 2i + 0.5.
    height, width = -(-rows // 2), -(-cols // 2)
    y = (2.0 * torch.arange(height) + 0.5)[:, None].expand(height, width)
    x = (2.0 * torch.arange(width) + 0.5)[None].expand(height, width)
    fine = double(torch.stack([y, x])[None], torch.Size((1, 2, rows, cols)))[0]
    inner = fine[:, 1 : rows - 1, 1 : cols - 1]
    expected = torch.meshgrid(
        torch.arange(1.0, rows - 1), torch.arange(1.0, cols - 1), indexing="ij"
    )
    torch.testing.assert_close(inner, torch.stack(expected))


@pytest.mark.parametrize("size", [(33, 47), (64, 96), (130, 61)])
def test_logits_cover_the_image_at_stride_4(size):
    net = SegmentationNetwork(5, 16).eval()
    with torch.no_grad():
        found = net(torch.zeros(1, 3, *size))
    assert found.logits.shape == (1, 5, -(-size[0] // 4), -(-size[1] // 4))

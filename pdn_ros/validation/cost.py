"""What a prediction costs, in multiply-accumulate operations.

Counted by PyTorch's own `torch.utils.flop_counter` on the meta device, where shapes are computed
and nothing else: convolutions, matrix products and attention. It counts an operation as two
(multiply and add), hence the half. Resizing, activations and pooling are not counted, as is usual.
"""

from functools import lru_cache
from typing import Final

import torch
from torch.utils.flop_counter import FlopCounterMode

from pdn_ros.network import NetworkConfig, PatchDriveNet, patch_grid
from pdn_ros.network.selector import default_budget

COUNTER: Final = "torch.utils.flop_counter.FlopCounterMode / 2"


class Cost:
    """Counts the multiply-accumulates of a network at any image size.

    Args:
        config: The network's hyper-parameters; what its weights are costs nothing.
    """

    def __init__(self, config: NetworkConfig):
        with torch.device("meta"):
            self._net = PatchDriveNet(config).eval()
        self.dense = lru_cache(maxsize=None)(self._dense)
        self.patches = lru_cache(maxsize=None)(self._patches)
        self.equal_scale = lru_cache(maxsize=None)(self._equal_scale)

    def _dense(self, height: int, width: int, scale: float = 1.0) -> int:
        """One pass of the dense network over the image at a scale."""
        size = max(32, round(height * scale)), max(32, round(width * scale))
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            self._net.run_dense(self._images(1, *size))
        return int(counter.get_total_flops()) // 2

    def _patches(self, height: int, width: int, budget: int | None = None) -> int:
        """The context pass, the driver and `budget` refined patches; None: the default budget."""
        grid = patch_grid(height, width, self._net.config, alone=budget == 0)
        count = default_budget(grid.count) if budget is None else min(budget, grid.count)
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            small = self._images(1, *grid.context_size)
            context, _ = self._net.run_context(small, grid.rows, grid.cols, grid.cell)
            if count:
                side = grid.size + 2 * self._net.config.halo
                centres = torch.zeros(count, 2, device="meta")
                self._net.run_refinement(
                    self._images(count, side, side), context, centres, grid.scale
                )
        return int(counter.get_total_flops()) // 2

    def _equal_scale(self, height: int, width: int, budget: int | None = None) -> float:
        """Scale, at most 1, at which a pass of the dense network costs what the patches cost."""
        target = self.patches(height, width, budget)
        scale = 1.0
        # The cost grows with the area, but for the rounding of feature maps.
        for _ in range(3):
            scale = min(1.0, scale * (target / self.dense(height, width, scale)) ** 0.5)
        return scale

    @staticmethod
    def _images(count: int, height: int, width: int) -> torch.Tensor:
        return torch.empty(count, 3, height, width, dtype=torch.uint8, device="meta")

"""PatchDriveNet: all parts together."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from typing_extensions import Self

from pdn_ros.network.backbone import MEAN, STD
from pdn_ros.network.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from pdn_ros.network.driver import DriverModule
from pdn_ros.network.network_config import NetworkConfig
from pdn_ros.network.predict import Options, Prediction, predict
from pdn_ros.network.refinement import PatchRefinement, Refined
from pdn_ros.network.segmentation import Segmentation, SegmentationNetwork


class PatchDriveNet(nn.Module):
    """Global Context Network, Driver Module, Patch Refinement Module, and the dense network.

    >>> net = PatchDriveNet.load()
    >>> prediction = net.predict(image)  # (H, W, 3) uint8 BGR
    >>> prediction.mask  # (H, W) uint8 class ids
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: NetworkConfig, classes: str = "") -> None:
        """Build the network with random weights.

        Args:
            config: Hyper-parameters.
            classes: Description of the class set as JSON, kept with the weights.
        """
        super().__init__()
        self.config = config
        self.classes = classes
        self.context = SegmentationNetwork(config.num_classes, config.channels)
        self.driver = DriverModule(config.num_classes, config.channels)
        self.refinement = PatchRefinement(config)
        self.dense = SegmentationNetwork(config.num_classes, config.channels)
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None] * 255, persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None] * 255, persistent=False)

    @classmethod
    def load(cls, path: str | Path | None = None, device: str = "cpu") -> Self:
        """Read weights (safetensors); without a path those that ship with the package.

        Raises:
            ValueError: The file is absent, damaged, of another format version, or does not fit.
        """
        checkpoint = read_checkpoint(path)
        net = cls(checkpoint.config, checkpoint.classes)
        try:
            net.load_state_dict(checkpoint.state)
        except RuntimeError as error:
            _, line, *_ = [*str(error).splitlines(), ""]  # a title comes first
            raise ValueError(
                f"weights {path}: do not fit the network ({line.strip()[:200]})"
            ) from error
        return net.channels_last().eval().to(device)

    def save(self, path: Path, *, training: str = "", figures: str = "") -> None:
        """Write weights (safetensors, half precision); the caller renames the file into place.

        Args:
            path: File to write.
            training: Training configuration (YAML), kept as metadata.
            figures: Measured figures (JSON), kept as metadata.
        """
        state = dict(self.state_dict())
        write_checkpoint(path, Checkpoint(self.config, self.classes, state, training, figures))

    def channels_last(self) -> Self:
        """Lay the convolutions' weights out as a CPU and tensor cores like them; return self."""
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def normalise(self, images: Tensor) -> Tensor:
        """Map BGR images (B, 3, H, W) uint8 to what the networks expect: RGB, float, unit scale."""
        rgb = images.to(self.mean.dtype).flip(1)
        return ((rgb - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image.

        Args:
            images: (B, 3, h, w) uint8 BGR at the context scale.
            rows: Rows of patches.
            cols: Columns of patches.
            cell: Side of a patch on the stride-4 maps.

        Returns:
            Coarse logits and features, and the weights (B, rows, cols) of the patches.
        """
        context = self.context(self.normalise(images))
        return context, self.driver(context, rows, cols, cell)

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine the selected patches of one image, best first.

        Args:
            crops: (K, 3, p + 2 * halo, p + 2 * halo) uint8 BGR.
            context: Of the same image.
            centres: (K, 2) patch centres (x, y), pixels.
            scale: Scale of the context image.
        """
        refined: Refined = self.refinement(self.normalise(crops), context, centres, scale)
        return refined

    def run_dense(self, images: Tensor) -> Tensor:
        """Map images (B, 3, H, W) uint8 BGR to the dense network's logits at stride 4."""
        logits: Tensor = self.dense(self.normalise(images)).logits
        return logits

    @torch.inference_mode()
    def predict(
        self,
        image: NDArray[np.uint8],
        mode: Literal["patch", "context", "dense"] = "patch",
        budget: int | None = None,
        prior: NDArray[np.float32] | None = None,
    ) -> Prediction:
        """Segment one image.

        Args:
            image: (H, W, 3) uint8 BGR.
            mode: `patch`, `context` (coarse alone) or `dense` (every pixel at full resolution).
            budget: K, patches to refine; None takes a quarter of them.
            prior: (rows, cols) LiDAR prior in [0, 1].

        Raises:
            ValueError: The image is no (H, W, 3) uint8 array of at least 32x32 pixels.
        """
        return predict(self, self.config, image, Options(mode=mode, budget=budget), prior=prior)

"""SegFormer-B0 from the `transformers` library, with random weights, from image to mask."""

import time
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.benchmark.timing import Case, Lap
from pdn_ros.errors import InputError
from pdn_ros.perception.config import Precision

SEGFORMER_BACKENDS: Final = ("torch", "openvino")
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Segformer:
    """Runs SegFormer-B0 on one backend."""

    def __init__(self, backend: str, device: str, precision: Precision) -> None:
        if backend not in SEGFORMER_BACKENDS:
            raise InputError(f"SegFormer on {backend}: one of {', '.join(SEGFORMER_BACKENDS)}")
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        from transformers import logging

        logging.set_verbosity_error()  # it warns of a loss function that is not used
        torch.manual_seed(0)
        self._device = "cuda" if cuda else "cpu"
        self._net = _ToMask().eval().to(self._device)
        self._compiled: dict[tuple[int, ...], _Compiled] = {}
        self._backend, self._precision = backend, _precision(backend, precision)

    @torch.inference_mode()
    def run(self, case: Case, image: NDArray[np.uint8]) -> Lap:
        """Segment one image."""
        del case
        start = time.perf_counter()
        if self._backend == "openvino":
            if image.shape not in self._compiled:
                self._compiled[image.shape] = _Compiled(self._net, image, self._precision)
            self._compiled[image.shape](image)
        else:
            self._net(torch.from_numpy(image[None]).to(self._device)).cpu().numpy()
        return Lap(1e3 * (time.perf_counter() - start), {}, precision=self._precision)


class _ToMask(nn.Module):
    """(1, H, W, 3) uint8 BGR to (1, H, W) uint8 class ids, as the library's processor does it."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        from transformers import SegformerConfig, SegformerForSemanticSegmentation

        super().__init__()
        self.net = SegformerForSemanticSegmentation(SegformerConfig(num_labels=12))  # B0: defaults
        self.register_buffer("mean", 255 * torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(_STD).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        rgb = image.flip(-1).permute(0, 3, 1, 2).float()
        logits = self.net((rgb - self.mean) / self.std).logits
        size = image.shape[1:3]
        full = functional.interpolate(logits, size=size, mode="bilinear", align_corners=False)
        return full.argmax(1).to(torch.uint8)


class _Compiled:
    """The network in OpenVINO at one size."""

    def __init__(self, net: nn.Module, image: NDArray[np.uint8], precision: str) -> None:
        from pdn_ros.perception.backends.openvino import compiled_model, converted

        with torch.inference_mode(False), torch.no_grad():
            model = converted(net, (torch.from_numpy(image[None].copy()),))
        self._run = compiled_model(model, precision)

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        mask: NDArray[np.uint8] = self._run([image[None]])[0]
        return mask


def _precision(backend: str, precision: Precision) -> str:
    """Return what our own backend would compute in."""
    if backend != "openvino":
        return "float32"
    from pdn_ros.perception.backends.openvino import precisions

    return precisions()[0] if precision == "auto" else precision

"""Suite `segformer`: patch mode against SegFormer-B0 as a user runs it, image to mask.

SegFormer is Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, by the `transformers` library. Its weights are random: they change
neither time nor memory.
"""

import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.timing import SEGFORMER, Case, Lap, take_turns
from pdn_ros.benchmark.worker import WorkerProcess
from pdn_ros.errors import InputError
from pdn_ros.perception.backends import available
from pdn_ros.replay.settings import Progress

ALONE: Final = "network_alone"
"""Patch mode in a process that does nothing else, to compare SegFormer with."""
SEGFORMER_BACKENDS: Final = ("torch", "openvino")
SEGFORMER_PATIENCE: Final = 4.0
"""How many times longer SegFormer's timing may take than others that end early."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def against_segformer(
    settings: BenchmarkSettings, progress: Progress
) -> tuple[list[Row], dict[str, float]]:
    """Time patch mode against SegFormer-B0, and their memory, each in a process of its own.

    Raises:
        InputError: The `transformers` library is not installed.
    """
    require_transformers()
    width, height = settings.size
    installed = settings.backends or available()
    rows: list[Row] = []
    steps = count(1)
    backends = [name for name in SEGFORMER_BACKENDS if name in installed]
    for backend in backends:
        ours = Case(ALONE, backend, "patch", width, height)
        theirs = Case(SEGFORMER, backend, "", width, height)
        with ExitStack() as stack:
            workers = {
                case: stack.enter_context(
                    closing(WorkerProcess(case, settings.device, settings.weights))
                )
                for case in (ours, theirs)
            }
            found = take_turns(
                (ours, theirs),
                workers,
                frames=settings.frames,
                seconds=SEGFORMER_PATIENCE * settings.seconds,
                done=lambda: progress(next(steps), 2 * len(backends)),
            )
            rows += [
                _with_memory(row, workers[case])
                for row, case in zip(found, (ours, theirs), strict=True)
            ]
    return rows, segformer_ratios(rows)


def segformer_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return SegFormer / patch mode: latency, peak memory, and peak memory while running."""
    ratios = {}
    theirs = {row.backend: row for row in rows if row.name == SEGFORMER}
    for ours in (row for row in rows if row.name == ALONE and row.backend in theirs):
        other, backend = theirs[ours.backend], ours.backend
        ratios[f"segformer_over_patch.latency.{backend}"] = ratio(other.p50_ms, ours.p50_ms)
        ratios[f"segformer_over_patch.peak_memory.{backend}"] = ratio(other.peak_mb, ours.peak_mb)
        ratios[f"segformer_over_patch.running_memory.{backend}"] = ratio(
            other.running_mb, ours.running_mb
        )
    return ratios


def require_transformers() -> None:
    """Raise InputError unless SegFormer's library is installed."""
    if find_spec("transformers") is None:
        raise InputError(
            "suite segformer: needs the transformers library: pip install pdn_ros[bench]"
        )


class Segformer:
    """Runs SegFormer-B0 on one backend."""

    def __init__(self, backend: str, device: str) -> None:
        if backend not in SEGFORMER_BACKENDS:
            raise InputError(f"SegFormer on {backend}: one of {', '.join(SEGFORMER_BACKENDS)}")
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        from transformers import logging

        logging.set_verbosity_error()  # it warns of a loss function that is not used
        torch.manual_seed(0)
        self._device = "cuda" if cuda else "cpu"
        self._net = _ToMask().eval().to(self._device)
        self._compiled: dict[tuple[int, ...], _Compiled] = {}
        self._backend = backend

    @torch.inference_mode()
    def run(self, case: Case, image: NDArray[np.uint8]) -> Lap:
        """Segment one image."""
        del case
        start = time.perf_counter()
        if self._backend == "openvino":
            if image.shape not in self._compiled:
                self._compiled[image.shape] = _Compiled(self._net, image)
            self._compiled[image.shape](image)
        else:
            self._net(torch.from_numpy(image[None]).to(self._device)).cpu().numpy()
        return Lap(1e3 * (time.perf_counter() - start), {})


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
    """The network in OpenVINO at one size, at the precision that our own backend uses."""

    def __init__(self, net: nn.Module, image: NDArray[np.uint8]) -> None:
        from pdn_ros.perception.backends.openvino import compiled_model, converted, precisions

        with torch.inference_mode(False), torch.no_grad():
            model = converted(net, (torch.from_numpy(image[None].copy()),))
        self._run = compiled_model(model, precisions()[0])

    def __call__(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        mask: NDArray[np.uint8] = self._run([image[None]])[0]
        return mask


def _with_memory(row: Row, worker: WorkerProcess) -> Row:
    if not row.frames:
        return row
    memory = worker.memory()
    return replace(row, peak_mb=memory.peak_mb, running_mb=memory.running_mb)

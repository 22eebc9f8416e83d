"""What a worker process runs: PatchDriveNet on a backend, or a network to compare it with."""

import time
from dataclasses import asdict
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from pdn_ros.benchmark.case import EAGER, SEGFORMER, Case, Lap
from pdn_ros.network import NetworkConfig, PatchDriveNet, patch_grid
from pdn_ros.perception import Frame, Pipeline, PipelineConfig

Image = NDArray[np.uint8]


class Runner(Protocol):
    """Segments images in host memory into masks in host memory."""

    def run(self, case: Case, image: Image) -> Lap:
        """Segment one (H, W, 3) uint8 BGR image."""
        ...


def make_runner(case: Case, device: str, weights: str) -> Runner:
    """Load what `case` needs; it also runs the cases that differ in mode, size and budget alone."""
    if case.name == SEGFORMER:
        from pdn_ros.benchmark.segformer import Segformer

        return Segformer(case.backend, device)
    if case.backend == EAGER:
        return Eager(device, weights)
    return Backend(case.backend, device, weights)


class Backend:
    """The pipeline that the node runs."""

    def __init__(self, backend: str, device: str, weights: str) -> None:
        config = {"backend": backend, "device": device, "weights": weights}
        self._config = PipelineConfig.model_validate(config)
        self._pipeline = Pipeline(self._config)

    def run(self, case: Case, image: Image) -> Lap:
        """Segment one image."""
        budget = _budget(case, self._pipeline.network)
        config = self._config.model_copy(
            update={"mode": case.mode, "budget": budget, "deadline_ms": case.deadline_ms}
        )
        if config != self._pipeline.config:
            self._pipeline.reconfigure(config)
        start = time.perf_counter()
        result = self._pipeline.process(Frame(image), confidence=False)
        spent = 1e3 * (time.perf_counter() - start)
        return Lap(spent, asdict(result.times), len(result.selected))


class Eager:
    """The torch module as it is, float32."""

    def __init__(self, device: str, weights: str) -> None:
        cuda = device == "cuda" or (device == "auto" and torch.cuda.is_available())
        self._net = PatchDriveNet.load(weights or None, "cuda" if cuda else "cpu")

    @torch.inference_mode()
    def run(self, case: Case, image: Image) -> Lap:
        """Segment one image."""
        mode: Any = case.mode
        start = time.perf_counter()
        done = self._net.predict(image, mode, _budget(case, self._net.config) or None)
        spent = 1e3 * (time.perf_counter() - start)
        return Lap(spent, asdict(done.times), len(done.selected))


def _budget(case: Case, network: NetworkConfig) -> int:
    """Return K; 0 stands for the default."""
    if not case.share:
        return 0
    return max(1, round(case.share * patch_grid(case.height, case.width, network).count))

"""What the compiling backends share: parts as plain functions, built once, checked, kept."""

import logging
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import Segmentation
from pdn_ros.perception.backends.store import Store

Arrays = list[NDArray[Any]]
Runner = Callable[[Arrays], Arrays]

KEPT: Final = 8
"""Models that stay in memory: an image size takes two, dense mode one."""
PROBED: Final = 512
"""Values of each output that are kept to check a stored model."""
_PROBE: Final = "probe.npz"
_log = logging.getLogger(__name__)


class CompiledParts(ABC):
    """The network's parts as models of fixed image size; the refinement takes any K.

    A model is looked for in the store, built and put there where it is missing, and compared with
    torch both times: after building with what torch computes, after loading with what torch
    computed then.
    """

    tolerance = 1e-3
    """Largest difference allowed, relative to the largest value of an output (float32)."""

    def __init__(self, net: PatchDriveNet, store: Store) -> None:
        self._net, self._store = net, store
        self._runners: OrderedDict[str, Runner] = OrderedDict()

    def run_context(
        self, images: Tensor, rows: int, cols: int, cell: int
    ) -> tuple[Segmentation, Tensor]:
        """See the whole image at the context scale."""
        height, width = images.shape[2:]
        name = f"context-{width}x{height}-{cols}x{rows}x{cell}"
        part = _Context(self._net, rows, cols, cell)
        logits, features, weights = self._run(name, part, images)
        return Segmentation(logits, features), weights

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine selected patches."""
        height, width = context.features.shape[2:]
        name = f"refinement-{width}x{height}-{scale:g}"
        inputs = (crops, context.logits, context.features, centres)
        logits, gate = self._run(name, _Refinement(self._net, scale), *inputs)
        return Refined(logits, gate)

    def run_dense(self, images: Tensor) -> Tensor:
        """Run the dense network."""
        height, width = images.shape[2:]
        (logits,) = self._run(f"dense-{width}x{height}", _Dense(self._net), images)
        return logits

    @abstractmethod
    def _build(self, part: "Part", examples: tuple[Tensor, ...], folder: Path) -> None:
        """Write the part as a model; axes in `part.free` may change, all others are fixed."""

    @abstractmethod
    def _open(self, folder: Path) -> Runner:
        """Return what runs a model that `_build` wrote."""

    def _run(self, name: str, part: "Part", *inputs: Tensor) -> list[Tensor]:
        runner = self._runners.get(name)
        if runner is None:
            runner = self._runners[name] = self._prepare(name, part, inputs)
            if len(self._runners) > KEPT:
                self._runners.popitem(last=False)
        self._runners.move_to_end(name)
        # One layout whatever made them: a view of the message's rows would be another model.
        found = runner([np.ascontiguousarray(t.cpu().numpy()) for t in inputs])
        return [torch.from_numpy(a).to(inputs[0].device) for a in found]

    def _prepare(self, name: str, part: "Part", inputs: tuple[Tensor, ...]) -> Runner:
        folder = self._store.find(name)
        if folder is not None:
            try:
                return self._checked(folder, part, inputs)
            except Exception as error:
                if folder.parent != self._store.folders[-1] or self._store.strict:
                    raise
                # Whatever a library says of a damaged file: the cache can be made anew.
                _log.warning("%s: cannot be used (%s); built anew", folder, error)
                self._store.drop(name)
        folder = self._store.add(name, lambda f: self._make(part, inputs, f))
        return self._checked(folder, part, inputs)

    def _make(self, part: "Part", inputs: tuple[Tensor, ...], folder: Path) -> None:
        examples = tuple(torch.from_numpy(a) for a in _example(part, inputs))
        with one_thread(), torch.inference_mode(False), torch.no_grad():
            part.eval()
            self._build(part, examples, folder)
            expected = [t.float().cpu().numpy().ravel() for t in part(*examples)]
        kept = {f"output{i}": values[_picked(values.size)] for i, values in enumerate(expected)}
        np.savez(folder / _PROBE, **kept)

    def _checked(self, folder: Path, part: "Part", inputs: tuple[Tensor, ...]) -> Runner:
        runner = self._open(folder)
        found = runner(_example(part, inputs))
        with np.load(folder / _PROBE) as probe:
            for i, output in enumerate(found):
                expected, values = probe[f"output{i}"], output.astype(np.float32).ravel()
                values = values[_picked(values.size)]
                scale = max(1.0, float(np.abs(expected).max()))
                off = float(np.abs(values - expected).max()) / scale
                if not off <= self.tolerance:
                    raise InputError(
                        f"{folder}: output {i} is {off:.2g} away from torch's, {self.tolerance:g} "
                        "is allowed; use backend: torch"
                    )
        return runner


def _example(part: "Part", inputs: tuple[Tensor, ...]) -> Arrays:
    """Return the same noise at every time in the inputs' shapes (two patches of each K)."""
    noise = np.random.default_rng(0)
    arrays: Arrays = []
    for i, t in enumerate(inputs):
        shape = list(t.shape)
        if i in part.free:
            shape[part.free[i]] = 2
        if t.dtype == torch.uint8:
            arrays.append(noise.integers(0, 256, shape, np.uint8))
        elif part.inputs[i] == "centres":  # pixels
            arrays.append((noise.random(shape) * 256).astype(np.float32))
        else:
            arrays.append(noise.standard_normal(shape).astype(np.float32))
    return arrays


def _picked(size: int) -> NDArray[np.int64]:
    return np.linspace(0, size - 1, min(size, PROBED)).astype(np.int64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch's threads asleep: they would spin beside those of the backend from now on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


class Part(nn.Module):
    """A part of the network, tensors in and a tuple of tensors out."""

    free: ClassVar[dict[int, int]] = {}
    """Input -> axis that is K."""
    inputs: ClassVar[tuple[str, ...]] = ("images",)
    outputs: ClassVar[tuple[str, ...]] = ("logits",)

    def __init__(self, net: PatchDriveNet) -> None:
        super().__init__()
        self.net = net


class _Context(Part):
    outputs = ("logits", "features", "weights")

    def __init__(self, net: PatchDriveNet, rows: int, cols: int, cell: int) -> None:
        super().__init__(net)
        self.grid = (rows, cols, cell)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        context, weights = self.net.run_context(images, *self.grid)
        return context.logits, context.features, weights


class _Refinement(Part):
    free: ClassVar[dict[int, int]] = {0: 0, 3: 0}
    inputs = ("crops", "logits", "features", "centres")
    outputs = ("refined", "gate")

    def __init__(self, net: PatchDriveNet, scale: float) -> None:
        super().__init__(net)
        self.scale = scale

    def forward(
        self, crops: Tensor, logits: Tensor, features: Tensor, centres: Tensor
    ) -> tuple[Tensor, Tensor]:
        context = Segmentation(logits, features)
        refined = self.net.run_refinement(crops, context, centres, self.scale)
        return refined.logits, refined.gate


class _Dense(Part):
    def forward(self, images: Tensor) -> tuple[Tensor]:
        return (self.net.run_dense(images),)

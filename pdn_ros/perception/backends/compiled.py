"""Shared by the compiling backends: models of the stages, built once, checked, kept."""

import logging
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any, ClassVar, Final

import numpy as np
import torch
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.accuracy import InaccurateError, check, street_image
from pdn_ros.perception.backends.stages import Stage, StagedParts, Tensors, on
from pdn_ros.perception.backends.store import Store

Arrays = list[NDArray[Any]]
Runner = Callable[[Arrays], Arrays]
Probe = dict[str, NDArray[Any]]
"""Inputs `input0`, ... and torch's outputs for them, `output0`, ..."""

KEPT: Final = 16
"""Models that stay in memory: an image size takes two, dense mode one; a rig may have eight."""
_PROBE: Final = "probe.npz"
_log = logging.getLogger(__name__)


class BackendError(InputError):
    """A backend cannot run the network, or a part of it, in the precision asked for."""


class UnsupportedError(BackendError):
    """The processor lacks what a precision needs."""


class CompiledParts(StagedParts):
    """The network's stages as models of fixed image size; the refinement takes any K.

    A model is taken from the store, or built and added if missing. Either way it is compared with
    torch's output for the shipped image from when the model was built.

    Attributes:
        building: Whether a model is being built now.
        prepared: How many models were taken from the store or built so far.

    Raises:
        UnsupportedError: The processor cannot do the precision.
    """

    file_name: ClassVar[str]
    """Where a model that is bytes is kept."""

    def __init__(self, net: PatchDriveNet, store: Store, precision: str) -> None:
        super().__init__(net)
        self._store, self._precision = store, precision
        self._runners: OrderedDict[str, Runner] = OrderedDict()
        self._failed: dict[str, BackendError] = {}
        self.building = False
        self.prepared = 0

    @abstractmethod
    def _build(self, stage: Stage, examples: Tensors) -> Any:
        """Return a model of a stage.

        Axes in `stage.free` may change, all others are fixed.
        """

    @abstractmethod
    def _compile(self, model: Any) -> Runner:
        """Return what runs a model."""

    def _save(self, model: Any, folder: Path) -> None:
        (folder / self.file_name).write_bytes(model)

    def _load(self, folder: Path) -> Any:
        return (folder / self.file_name).read_bytes()

    def _run(self, stage: Stage, inputs: Tensors) -> Tensors:
        if failed := self._failed.get(stage.name):
            raise failed
        try:
            runner = self._runners.get(stage.name)
            if runner is None:
                runner = self._runners[stage.name] = self._prepare(stage, inputs)
                if len(self._runners) > KEPT:
                    self._runners.popitem(last=False)
            self._runners.move_to_end(stage.name)
            # One layout whatever made them: a view of the message's rows would be another model.
            found = runner([np.ascontiguousarray(t.cpu().numpy()) for t in inputs])
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # libraries raise anything; the caller falls back
            reason = " ".join(str(error).split())[:400] or type(error).__name__
            self._failed[stage.name] = BackendError(f"{stage.name}: {reason}")
            raise self._failed[stage.name] from error
        return tuple(torch.from_numpy(a).to(inputs[0].device) for a in found)

    def _prepare(self, stage: Stage, inputs: Tensors) -> Runner:
        self.prepared += 1
        folder = self._store.find(stage.name)
        if folder is not None:
            try:
                with np.load(folder / _PROBE) as probe:
                    return self._checked(self._load(folder), dict(probe))
            except InaccurateError:
                raise
            except Exception as error:
                if folder.parent != self._store.folders[-1]:
                    raise
                # Whole, and yet this machine's library does not take it.
                _log.warning("%s: cannot be used (%s); built anew", folder, error)
                self._store.drop(stage.name)
        self.building, start = True, perf_counter()
        _log.info("building %s in %s", stage.name, self._precision)
        try:
            model, probe = self._make(stage, inputs)
            self._keep(stage.name, model, probe)
            runner = self._checked(model, probe)
        finally:
            self.building = False
        _log.info("%s built in %.1f s", stage.name, perf_counter() - start)
        return runner

    def _make(self, stage: Stage, inputs: Tensors) -> tuple[Any, Probe]:
        with one_thread(), torch.inference_mode(False), torch.no_grad():
            stage.eval()
            # As they are kept, so that torch sees what the model will see.
            examples = tuple(
                t.half().float() if t.is_floating_point() else t
                for t in stage.example(street_image(), inputs)
            )
            device = next(stage.parameters()).device
            expected = stage(*on(device, examples))
            model = self._build(stage, examples)
        probe = {f"input{i}": _small(t.numpy()) for i, t in enumerate(examples)}
        probe |= {f"output{i}": _small(t.float().cpu().numpy()) for i, t in enumerate(expected)}
        return model, probe

    def _keep(self, name: str, model: Any, probe: Probe) -> None:
        def write(folder: Path) -> None:
            self._save(model, folder)
            np.savez(folder / _PROBE, allow_pickle=False, **probe)

        try:
            self._store.add(name, write)
        except Exception as error:
            if not self._store.is_cache:
                raise
            _log.warning("%s; models stay in memory, the next start builds them anew", error)

    def _checked(self, model: Any, probe: Probe) -> Runner:
        runner = self._compile(model)
        inputs = [values for name, values in probe.items() if name.startswith("input")]
        expected = [values for name, values in probe.items() if name.startswith("output")]
        found = runner([a if a.dtype == np.uint8 else a.astype(np.float32) for a in inputs])
        check(found, expected, self._precision)
        return runner


def _small(array: NDArray[Any]) -> NDArray[Any]:
    return array if array.dtype == np.uint8 else array.astype(np.float16)


@contextmanager
def one_thread() -> Iterator[None]:
    """Keep torch's threads asleep: they would spin beside those of the backend from now on."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

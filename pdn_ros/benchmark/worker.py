"""A process for each backend, with its own threads and memory, and what it runs.

Threads of two runtimes in one process spin against each other, and the system reports peak memory
for whole processes only.
"""

import math
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from functools import lru_cache
from multiprocessing.connection import Connection
from typing import Any, Final, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from pdn_ros.benchmark.measurements import Row
from pdn_ros.benchmark.segformer_model import Segformer
from pdn_ros.benchmark.system import Energy, forget_most_memory, most_memory_mb
from pdn_ros.benchmark.timing import EAGER, SEGFORMER, Case, Lap, Memory
from pdn_ros.network import Frame, NetworkConfig, PatchDriveNet, patch_grid
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.perception.config import Precision
from pdn_ros.replay.results import NAN

WARM_UP: Final = 2
"""Frames before a case's first timed one; one before every later turn of it."""
_END_S: Final = 5.0


class WorkerProcess:
    """Runs one backend's cases in a process of its own.

    Args:
        case: Says which network and backend the process loads.
        device: `auto`, `cpu` or `cuda`.
        weights: Path of the weights; empty: the shipped weights.
        precision: `auto` or what to compute in.
    """

    def __init__(
        self, case: Case, device: str, weights: str, precision: Precision = "auto"
    ) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        arguments = (theirs, case, device, weights, precision)
        self._process = spawn.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        """Time up to `count` frames, after one that is not timed; stop after `seconds`, if any.

        Raises:
            ChildProcessError: The process ended, or the case failed in it.
        """
        return [lap for lap in self._ask((case, count, seconds)) if isinstance(lap, Lap)]

    def memory(self) -> Memory:
        """Return the process's peak memory, in all and since its first timed frame."""
        (memory,) = self._ask(None)
        if not isinstance(memory, Memory):
            raise TypeError("no memory in the answer")
        return memory

    def with_memory(self, row: Row) -> Row:
        """Return the row of a timing with the process's peak memory."""
        if not row.frames:
            return row
        memory = self.memory()
        return replace(row, peak_mb=memory.peak_mb, running_mb=memory.running_mb)

    def close(self) -> None:
        """End the process."""
        with suppress(OSError):
            self._pipe.close()
        self._process.join(_END_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _ask(self, question: tuple[Case, int, float] | None) -> Sequence[Lap | Memory]:
        try:
            self._pipe.send(question)
            answer: list[Lap | Memory] | str = self._pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_END_S)
            status = self._process.exitcode
            raise ChildProcessError(f"a benchmark's process ended with status {status}") from error
        if isinstance(answer, str):
            raise ChildProcessError(answer)
        return answer


def _serve(pipe: Connection, case: Case, device: str, weights: str, precision: Precision) -> None:
    """Answer until the pipe closes; the answer to an error is its line."""
    server: _Server | None = None
    while True:
        try:
            question = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            server = server or _Server(case, device, weights, precision)
            pipe.send([server.memory()] if question is None else server.laps(*question))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            pipe.send(" ".join(f"{type(error).__name__}: {error}".split()))


class _Server:
    """The worker's own end."""

    def __init__(self, case: Case, device: str, weights: str, precision: Precision) -> None:
        from pdn_ros.benchmark.worker import make_runner

        self._runner = make_runner(case, device, weights, precision)
        self._warm: set[Case] = set()
        self._energy = Energy()
        self._before_mb = NAN

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        image = picture(case.width, case.height)
        for _ in range(1 if case in self._warm else WARM_UP):
            self._runner.run(case, image)
        self._warm.add(case)
        if math.isnan(self._before_mb):
            self._before_mb = most_memory_mb()
            forget_most_memory()
        self._energy.lap()
        end = time.monotonic() + seconds
        laps: list[Lap] = []
        while len(laps) < count and not (seconds and laps and time.monotonic() > end):
            laps.append(self._runner.run(case, image))
        joules = self._energy.lap() / len(laps)
        return [replace(lap, joules=joules) for lap in laps]

    def memory(self) -> Memory:
        now = most_memory_mb()
        return Memory(peak_mb=float(np.fmax(self._before_mb, now)), running_mb=now)


Image = NDArray[np.uint8]


class CaseRunner(Protocol):
    """Segments images in host memory into masks in host memory."""

    def run(self, case: Case, image: Image) -> Lap:
        """Segment one (H, W, 3) uint8 BGR image."""
        ...


def make_runner(case: Case, device: str, weights: str, precision: Precision) -> CaseRunner:
    """Load what `case` needs; the runner also runs cases of other modes, sizes and budgets."""
    if case.name == SEGFORMER:
        return Segformer(case.backend, device, precision)
    if case.backend == EAGER:
        return Eager(device, weights)
    return Backend(case.backend, device, weights, precision)


class Backend:
    """The pipeline that the node runs."""

    def __init__(
        self, backend: str, device: str, weights: str, precision: Precision = "auto"
    ) -> None:
        given = {"backend": backend, "device": device, "weights": weights, "precision": precision}
        self._config = PipelineConfig.model_validate(given)
        self._pipeline = Pipeline(self._config)

    def run(self, case: Case, image: Image) -> Lap:
        """Segment one image."""
        budget = _budget(case, self._pipeline.network)
        config = self._config.model_copy(
            update={"mode": case.mode, "budget": budget, "deadline_ms": case.deadline_ms}
        )
        if config != self._pipeline.config:
            self._pipeline.reconfigure(config)
        # Each camera sees another part of the picture.
        frames = [
            Frame(np.roll(image, i * case.width // case.cameras, axis=1) if i else image)
            for i in range(case.cameras)
        ]
        start = time.perf_counter()
        done = self._pipeline.segment_set(frames, confidence=False)
        spent = 1e3 * (time.perf_counter() - start)
        stages = {
            name: sum(getattr(one.times, name) for one in done) for name in asdict(done[0].times)
        }
        k = sum(len(one.selected) for one in done)
        return Lap(spent, stages, k, precision=self._pipeline.precision)


class Eager:
    """The unmodified torch module, float32."""

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
        return Lap(spent, asdict(done.times), len(done.selected), precision="float32")


def _budget(case: Case, network: NetworkConfig) -> int:
    """Return K; 0 means the default."""
    if not case.share:
        return 0
    count = case.cameras * patch_grid(case.height, case.width, network).count
    return max(1, round(case.share * count))


@lru_cache(maxsize=4)
def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Return a colored picture with areas and edges, (H, W, 3) uint8 BGR, the same every time."""
    small = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)
    made = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(made, dtype=np.uint8)

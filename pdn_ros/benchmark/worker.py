"""A process of its own for each backend: its threads and its memory are then its alone.

Threads of two runtimes in one process spin against each other, and the most memory that a process
ever had can be told of whole processes only.
"""

import math
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Final

import numpy as np

from pdn_ros.benchmark.case import Case, Lap, Memory
from pdn_ros.benchmark.energy import Energy
from pdn_ros.benchmark.images import picture
from pdn_ros.benchmark.memory_use import forget_most_memory, most_memory_mb
from pdn_ros.replay.results import NAN

WARM_UP: Final = 2
"""Frames before a case's first timed one; one before every later turn of it."""
_END_S: Final = 5.0


class Worker:
    """Runs one backend's cases in a process of its own.

    Args:
        case: Says which network and backend the process loads.
        device: `auto`, `cpu` or `cuda`.
        weights: Path of the weights; empty for those that ship.
    """

    def __init__(self, case: Case, device: str, weights: str) -> None:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, theirs = spawn.Pipe()
        arguments = (theirs, case, device, weights)
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
        """Return the process's most memory, at all and since its first timed frame."""
        (memory,) = self._ask(None)
        if not isinstance(memory, Memory):
            raise TypeError("no memory in the answer")
        return memory

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


def _serve(pipe: Connection, case: Case, device: str, weights: str) -> None:
    """Answer until the pipe closes; an error is answered as its line."""
    server: _Server | None = None
    while True:
        try:
            question = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            server = server or _Server(case, device, weights)
            pipe.send([server.memory()] if question is None else server.laps(*question))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            pipe.send(" ".join(f"{type(error).__name__}: {error}".split()))


class _Server:
    """The worker's own end."""

    def __init__(self, case: Case, device: str, weights: str) -> None:
        from pdn_ros.benchmark.runners import make_runner

        self._runner = make_runner(case, device, weights)
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

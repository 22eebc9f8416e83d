"""Other processes that want the processor."""

import multiprocessing
import os
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Semaphore
from typing import Final

_START_S: Final = 30.0


@contextmanager
def spinning(count: int) -> Iterator[None]:
    """Keep `count` cores busy with a process each while the block runs.

    Raises:
        ChildProcessError: One did not start.
    """
    spawn = multiprocessing.get_context("spawn")
    busy = spawn.Semaphore(0)
    spinners = [
        spawn.Process(target=_spin, args=(busy, os.getpid()), daemon=True) for _ in range(count)
    ]
    try:
        for spinner in spinners:
            spinner.start()
        for _ in spinners:
            if not busy.acquire(timeout=_START_S):
                raise ChildProcessError(f"a spinning process did not start in {_START_S:.0f} s")
        yield
    finally:
        for spinner in spinners:
            if spinner.pid is not None:
                spinner.kill()
                spinner.join()


def _spin(busy: Semaphore, parent: int) -> None:
    busy.release()
    while os.getppid() == parent:  # a killed parent leaves nothing behind
        for _ in range(100_000):
            pass

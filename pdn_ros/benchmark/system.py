"""Energy and memory as the operating system counts them, and a load to put on the machine."""

from pathlib import Path
from typing import Final

from pdn_ros.errors import InputError
from pdn_ros.replay.results import NAN

try:
    import psutil
except ImportError as error:
    raise InputError("psutil is missing: pip install 'pdn_ros[bench]'") from error

import multiprocessing
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.synchronize import Semaphore

_ROOT: Final = Path("/sys/class/powercap")


class Energy:
    """Counts the joules of all processor packages.

    Attributes:
        source: Where the figure comes from, or why there is none.
    """

    def __init__(self, root: Path = _ROOT) -> None:
        # intel-rapl:0 is a package (on AMD too); intel-rapl:0:1 is a part that it includes.
        zones = sorted(z for z in root.glob("intel-rapl:*") if z.name.count(":") == 1)
        self._zones: list[tuple[Path, int]] = []
        try:
            for zone in zones:
                (zone / "energy_uj").read_text(encoding="ascii")
                limit = int((zone / "max_energy_range_uj").read_text(encoding="ascii"))
                self._zones.append((zone / "energy_uj", limit))
        except OSError as error:
            self._zones = []
            self.source = f"unknown: {zone}: {error.strerror}"
        else:
            self.source = f"RAPL, {len(zones)} packages" if zones else f"unknown: no RAPL in {root}"
        self._last = self._read()

    def lap(self) -> float:
        """Return the joules since the last call; NaN where they are unknown."""
        before, self._last = self._last, self._read()
        if not self._zones:
            return NAN
        # The counters wrap around.
        spent = (
            (now - then) % limit
            for (_, limit), then, now in zip(self._zones, before, self._last, strict=True)
        )
        return sum(spent) / 1e6

    def _read(self) -> list[int]:
        return [int(path.read_text(encoding="ascii")) for path, _ in self._zones]


def most_memory_mb(pid: int | None = None) -> float:
    """Return the peak resident memory of a process, 10^6 bytes; ours by default.

    Not from getrusage(2): its figure starts at the parent process's.
    """
    try:
        text = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="utf-8")
    except OSError:
        return NAN
    found = re.search(r"^VmHWM:\s*(\d+) kB", text, flags=re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else NAN


def forget_most_memory() -> None:
    """Reset `most_memory_mb` of this process, where the system allows it."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def own_memory_mb(pid: int) -> float:
    """Return the private memory of a process, 10^6 bytes, which grows with a leak."""
    return float(psutil.Process(pid).memory_full_info().uss) / 1e6


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

"""Memory of processes, as Linux tells it (proc(5)); NaN elsewhere. In 10^6 bytes."""

import re
from contextlib import suppress
from pathlib import Path

import psutil

from pdn_ros.replay.results import NAN


def most_memory_mb(pid: int | None = None) -> float:
    """Return the most resident memory that a process had; ours by default.

    Not by getrusage(2): its figure starts at that of the process that started this one.
    """
    try:
        text = Path(f"/proc/{pid or 'self'}/status").read_text(encoding="utf-8")
    except OSError:
        return NAN
    found = re.search(r"^VmHWM:\s*(\d+) kB", text, flags=re.MULTILINE)
    return int(found[1]) * 1024 / 1e6 if found else NAN


def forget_most_memory() -> None:
    """Let `most_memory_mb` start anew for this process, where the system allows that."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def own_memory_mb(pid: int) -> float:
    """Return the memory that a process shares with nobody: what a leak adds to."""
    return float(psutil.Process(pid).memory_full_info().uss) / 1e6

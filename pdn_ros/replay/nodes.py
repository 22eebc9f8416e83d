"""The two nodes as processes of their own that never outlive us."""

import ctypes
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Final

from pdn_ros.resources import config_path

_GRACE_S: Final = 3.0
_PR_SET_PDEATHSIG: Final = 1
_ROS_PREFIX: Final = re.compile(r"^(\[[^\]]*\] ?)+: ")
"""Level, time and name, as rclpy prints them."""


@dataclass(slots=True)
class NodeProcess:
    """A running node; what it says goes to `log`."""

    name: str
    process: subprocess.Popen[bytes]
    log: IO[bytes]

    def check(self) -> None:
        """Raise ChildProcessError with the last line it said when the node has ended."""
        status = self.process.poll()
        if status is not None:
            raise ChildProcessError(f"{self.name} ended with status {status}: {self.last_line()}")

    def last_line(self) -> str:
        """Return the last line that says something, the reason of a traceback."""
        self.log.seek(0)
        lines = self.log.read().decode("utf-8", errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")
        return _ROS_PREFIX.sub("", last)


def enter_own_domain() -> int:
    """Give this process and the nodes that it starts a ROS domain on this host; return its id."""
    domain = 1 + os.getpid() % 100
    os.environ.update(
        ROS_DOMAIN_ID=str(domain),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        FASTRTPS_DEFAULT_PROFILES_FILE=str(config_path("fastdds.xml")),
    )
    return domain


@contextmanager
def running(
    modules: Mapping[str, str], arguments: Mapping[str, Sequence[str]]
) -> Iterator[list[NodeProcess]]:
    """Start nodes and end them with the block, whatever happens in it.

    Args:
        modules: Module of each node by name; its `main` runs it.
        arguments: Arguments of each node.
    """
    started: list[NodeProcess] = []
    try:
        for name, module in modules.items():
            log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in _stop
            code = f"import sys; from {module} import main; sys.exit(main())"
            process = subprocess.Popen(
                [sys.executable, "-c", code, *arguments[name]],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us; we pass it on
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
            )
            started.append(NodeProcess(name, process, log))
        yield started
    finally:
        _stop(started)


def _stop(nodes: Sequence[NodeProcess]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        alive = [node.process for node in nodes if node.process.poll() is None]
        for process in alive:
            os.killpg(process.pid, number)
        end = time.monotonic() + _GRACE_S
        for process in alive:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
    for node in nodes:
        node.log.close()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is gone (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

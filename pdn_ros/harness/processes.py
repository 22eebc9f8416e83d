"""Nodes as processes of their own that never outlive this one."""

import ctypes
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

from pdn_ros.errors import InputError
from pdn_ros.resources import config_path

MODULES: Final = {
    "perception": "pdn_ros.ros.perception_node",
    "lidar_projection": "pdn_ros.ros.lidar_projection_node",
}
"""Module of each of our nodes by its name."""
_GRACE_S: Final = 3.0
_PR_SET_PDEATHSIG: Final = 1
_DOMAINS: Final = 100
_ROS_PREFIX: Final = re.compile(r"^(\[[^\]]*\] ?)+: ")
"""Level, time and name, as rclpy prints them."""


class NodeProcess:
    """A running node.

    Args:
        name: Name of the node.
        arguments: Its command line, for example `["--ros-args", "-p", "mode:=context"]`.
        module: Module whose `main` runs it; by default that of our node of this name.
        variables: Environment variables on top of this process's.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str] = (),
        module: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        code = f"import sys; from {module or MODULES[name]} import main; sys.exit(main())"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(variables or {})},
            start_new_session=True,  # Ctrl-C is for this process, which passes it on
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509
        )

    def check(self) -> None:
        """Raise ChildProcessError with the node's last line when it has ended."""
        status = self.process.poll()
        if status is not None:
            raise ChildProcessError(f"{self.name} ended with status {status}: {self.last_line()}")

    def output(self) -> str:
        """Return all that the node has printed so far."""
        # The node writes at the same file offset, so read without moving it.
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode("utf-8", errors="replace")

    def last_line(self) -> str:
        """Return the last non-empty line: in a traceback, the error."""
        lines = (line.strip() for line in reversed(self.output().splitlines()))
        return _ROS_PREFIX.sub("", next(filter(None, lines), "it printed nothing"))

    def send(self, number: int) -> None:
        """Send a signal to the process and its children, unless it has ended."""
        if self.process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def end(self, number: int = signal.SIGINT, within_s: float = 30.0) -> float:
        """Send a signal and wait for the end; return the seconds that took.

        Raises:
            subprocess.TimeoutExpired: The node still runs after `within_s`.
        """
        start = time.monotonic()
        self.send(number)
        self.process.wait(within_s)
        return time.monotonic() - start

    def close(self) -> None:
        """Kill the node if it still runs, and forget its output."""
        self.send(signal.SIGKILL)
        self.process.wait()
        self._log.close()


def enter_own_domain() -> int:
    """Give this process and the nodes that it starts a ROS domain on this host; return its id.

    Raises:
        InputError: Other processes use all domains.
    """
    domain = _take_domain()
    os.environ.update(
        ROS_DOMAIN_ID=str(domain),
        ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST",
        FASTRTPS_DEFAULT_PROFILES_FILE=str(config_path("fastdds.xml")),
    )
    return domain


@cache
def _take_domain() -> int:
    """Return the id of a domain that is reserved for this process until it ends."""
    first = os.getpid()  # spreads processes that start together
    for domain in (1 + (first + i) % _DOMAINS for i in range(_DOMAINS)):
        path = Path(tempfile.gettempdir(), f"pdn_ros-domain-{domain}.lock")
        with suppress(OSError):  # locked, or another user's that cannot be read: taken
            lock = _open_lock(path)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                raise
            return domain  # the lock is held as long as the process lives
    raise InputError(
        f"ROS domains 1 to {_DOMAINS} are all in use on this machine: end other runs "
        f"(their locks are {tempfile.gettempdir()}/pdn_ros-domain-*.lock)"
    )


def _open_lock(path: Path) -> int:
    """Open a file that processes of all users lock; it is never written."""
    try:  # Linux refuses O_CREAT for another user's file in a shared folder
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CREAT, 0o444)


@contextmanager
def running(
    arguments: Mapping[str, Sequence[str]], modules: Mapping[str, str] = MODULES
) -> Iterator[list[NodeProcess]]:
    """Start nodes and end them with the block, whatever happens in it.

    Args:
        arguments: Arguments of each node by its name.
        modules: Module of each node by its name; its `main` runs it.
    """
    started: list[NodeProcess] = []
    try:
        for name, words in arguments.items():
            started.append(NodeProcess(name, words, modules[name]))
        yield started
    finally:
        _stop(started)


def _stop(nodes: Sequence[NodeProcess]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        for node in nodes:
            node.send(number)
        end = time.monotonic() + _GRACE_S
        for node in nodes:
            with suppress(subprocess.TimeoutExpired):
                node.process.wait(max(0.0, end - time.monotonic()))
    for node in nodes:
        node.close()


def _die_with_parent() -> None:
    """Ask the kernel to end this process when the one that started it is gone (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

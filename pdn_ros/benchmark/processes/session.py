"""Nodes and a probe in a ROS domain of their own."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pdn_ros.benchmark.processes.probe import Camera, Listener, Probe, probe_in
from pdn_ros.benchmark.settings import Settings
from pdn_ros.replay import nodes
from pdn_ros.replay.nodes import NodeProcess
from pdn_ros.resources import config_path

PERCEPTION: Final = "perception"
PLAIN: Final = "plain"
READY_S: Final = 120.0
FIRST_S: Final = 120.0
"""How long a first frame may take: backends compile at first use."""
_MODULES: Final = {
    PERCEPTION: "pdn_ros.ros.perception_node",
    PLAIN: "pdn_ros.benchmark.processes.plain_node",
}


@dataclass(frozen=True, slots=True)
class Session:
    """What runs: the nodes and our own end.

    Attributes:
        probe: Our end.
        started: The nodes' processes by name.
        begun_ns: When they were started, by the wall clock.
    """

    probe: Probe
    started: dict[str, NodeProcess]
    begun_ns: int

    def pid(self, name: str) -> int:
        """Return a node's process id."""
        return self.started[name].process.pid

    def check(self) -> None:
        """Raise ChildProcessError when a node has ended."""
        for node in self.started.values():
            node.check()

    def wait_matched(self, camera: Camera, *listeners: Listener) -> None:
        """Wait until the node takes the camera's images and offers what is listened to.

        Raises:
            ChildProcessError: A node ended, or is not ready in time.
        """
        end = time.monotonic() + READY_S
        while not (camera.matched() and all(listener.matched() for listener in listeners)):
            self.check()
            if time.monotonic() > end:
                raise ChildProcessError(f"not ready after {READY_S:.0f} s: {self._last_lines()}")
            time.sleep(0.02)

    def shoot(self, camera: Camera, listener: Listener, patience_s: float) -> int:
        """Publish images, one after the other, until all outputs of one came; return its stamp.

        Raises:
            ChildProcessError: A node ended, or no output came.
        """
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            self.check()
            listener.forget()
            stamp_ns = camera.publish()
            if listener.of(stamp_ns, min(5.0, patience_s)) is not None:
                return stamp_ns
        raise ChildProcessError(f"no output within {patience_s:.0f} s: {self._last_lines()}")

    def _last_lines(self) -> str:
        return "; ".join(f"{node.name}: {node.last_line()}" for node in self.started.values())


@contextmanager
def session(settings: Settings, names: Sequence[str], *parameters: str) -> Iterator[Session]:
    """Start nodes with the shipped settings; each takes its images from `/NAME/image`.

    Args:
        settings: Of the benchmark: device and weights.
        names: `perception`, `plain`.
        parameters: `name:=value`, for the perception node.
    """
    domain = nodes.enter_own_domain()
    arguments = {name: _arguments(name, settings, parameters) for name in names}
    modules = {name: _MODULES[name] for name in names}
    with probe_in(domain) as probe:
        begun_ns = time.time_ns()
        with nodes.running(modules, arguments) as started:
            yield Session(probe, {node.name: node for node in started}, begun_ns)


def _arguments(name: str, settings: Settings, parameters: Sequence[str]) -> list[str]:
    arguments = ["--ros-args"]
    if name == PERCEPTION:
        arguments += ["--params-file", str(config_path("perception.yaml"))]
        for parameter in parameters:
            arguments += ["-p", parameter]
    arguments += ["-p", f"device:={settings.device}"]
    if settings.weights:
        arguments += ["-p", f"weights:={Path(settings.weights).absolute()}"]
    for topic in ("image", "camera_info"):
        arguments += ["-r", f"{topic}:=/{name}/{topic}"]
    return arguments

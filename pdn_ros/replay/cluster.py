"""Bags evaluated on the machines of a Ray cluster."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from pdn_ros.errors import InputError
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.replay.worker import Share, Worker, absolute

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reads it when it is imported
try:
    import ray
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
except ImportError as error:
    raise InputError(
        f"ray: cannot be imported ({error}): pip install ray, on every machine"
    ) from error

_REACHED_S: Final = 10.0


class Remote:
    """A share of a machine of the cluster; evaluates one bag at a time."""

    def __init__(self, node: dict[str, Any], share: Share) -> None:
        self._share = share
        part = {name: node["Resources"].get(name, 0.0) / share.count for name in ("CPU", "GPU")}
        self._task = ray.remote(_evaluate).options(
            # More than one GPU must be a whole number.
            num_gpus=part["GPU"] if part["GPU"] <= 1 else int(part["GPU"]),
            num_cpus=part["CPU"] if part["CPU"] <= 1 else int(part["CPU"]),
            # Another machine takes over when this one is gone.
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=True),
            max_retries=1,
        )
        self._running: Any = None

    def __call__(self, settings: ReplaySettings) -> str:
        """Evaluate a bag; return why that failed in one line, empty when it did not."""
        self._running = self._task.remote(absolute(settings), self._share)
        return str(ray.get(self._running))

    def stop(self) -> None:
        """End what runs: its process ends with the one of Ray that waits for it."""
        if self._running is not None:
            ray.cancel(self._running, force=True)


def _evaluate(settings: ReplaySettings, share: Share) -> str:
    return Worker(share)(settings)


@contextmanager
def on_cluster(address: str, jobs: int) -> Iterator[list[Remote]]:
    """Yield `jobs` places on every machine of a cluster.

    The machines must see the bags and the results under the same paths, and have this package.

    Args:
        address: `auto`, `HOST:PORT`, `ray://HOST:PORT`, or `local` for one of this machine's own.
        jobs: Bags that share a machine's cores and GPUs.

    Raises:
        InputError: No cluster is there.
    """
    _require_open(address)
    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise InputError(f"ray {address}: no cluster is there ({error}): ray start") from error
    try:
        nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        yield [Remote(node, Share(index, jobs)) for node in nodes for index in range(jobs)]
    finally:
        ray.shutdown()


def _require_open(address: str) -> None:
    """Refuse a port that nobody listens at; Ray would try it for many minutes.

    Raises:
        InputError: It cannot be reached.
    """
    host, colon, port = address.rpartition("://")[2].rpartition(":")
    if colon and port.isdecimal():
        try:
            socket.create_connection((host, int(port)), _REACHED_S).close()
        except OSError as error:
            raise InputError(f"ray {address}: cannot be reached ({error}): ray start") from error

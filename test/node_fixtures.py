"""Fixtures with real processes and real DDS, on a domain of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pdn_ros.harness.processes import NodeProcess, enter_own_domain

# Before anything creates a context; the domain differs between test runs on one machine.
enter_own_domain()


@pytest.fixture(scope="module")
def probe() -> Iterator[Any]:
    pytest.importorskip("rclpy", exc_type=ImportError)
    from processes import Probe

    with Probe() as made:
        yield made


@pytest.fixture(scope="session")
def start_node() -> Any:
    """Context manager that runs a node: `with start_node("perception", "-p", "mode:=context")`."""
    pytest.importorskip("rclpy", exc_type=ImportError)

    @contextmanager
    def start(name: str, *arguments: str, **variables: str) -> Iterator[NodeProcess]:
        # Threads that spin while they wait would slow the tests' processes down.
        variables = {"OMP_NUM_THREADS": "1", **variables}
        node = NodeProcess(name, ["--ros-args", *arguments], variables=variables)
        try:
            yield node
        finally:
            node.close()

    return start


@pytest.fixture(scope="module")
def drive(probe, start_node) -> Any:
    """A perception node that is active, and what it needs."""
    from perception_drive import Drive
    from processes import wait_for

    with start_node("perception", "-p", "backend:=torch", "-p", "grid.rate:=0") as process:
        wait_for(lambda: probe.state("perception") == "active", 60, "active")
        yield Drive(probe, process)


@pytest.fixture(scope="module")
def network() -> Any:
    """The same network in this process."""
    import torch

    from pdn_ros import PatchDriveNet

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield PatchDriveNet.load()
    torch.set_num_threads(threads)

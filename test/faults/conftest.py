"""A perception node and its sensors, to which faults happen."""

from collections.abc import Iterator
from typing import Any

import pytest
from node_fixtures import network, probe, start_node

__all__ = ["network", "probe", "robot", "start_node"]


@pytest.fixture(scope="module")
def robot(probe, start_node) -> Iterator[Any]:
    """A perception node that is active, with a camera, camera_infos and odometry at 10 Hz."""
    pytest.importorskip("torch")
    from perception_drive import Drive
    from processes import wait_for
    from sensors import Robot

    quick = ("-p", "backend:=torch", "-p", "mode:=context", "-p", "health.min_rate:=0.5")
    with start_node("perception", *quick) as process:
        wait_for(lambda: probe.state("perception") == "active", 120, "active")
        with Robot(Drive(probe, process)) as made:
            yield made

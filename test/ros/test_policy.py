"""The SROS2 policies allow what the nodes do on the graph, and nothing that they never do."""

import importlib
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from processes import wait_for  # noqa: E402

from pdn_ros.ros.qos import SENSOR  # noqa: E402

POLICIES = Path(__file__).resolve().parents[2] / "config" / "sros2"
# Not met here: other inputs by parameter, the clock of a simulation, nav2's bond.
RARE = {"/clock", "/bond", "/image/compressed", "/image"}


def allowed(node: str, tag: str, what: str) -> set[str]:
    profile = ElementTree.parse(POLICIES / f"{node}.policy.xml").getroot().find(".//profile")
    assert profile.attrib == {"ns": "/", "node": node}
    names = {e.text for group in profile.iter(tag) if what in group.attrib for e in group}
    return {name if name.startswith("/") else f"/{name}" for name in names}


def listen_to_all(probe, node: str) -> None:
    for topic, (kind,) in probe.node.get_publisher_names_and_types_by_node(node, "/"):
        package, _, name = kind.split("/")
        probe.listen(getattr(importlib.import_module(f"{package}.msg"), name), topic, SENSOR)


@pytest.mark.parametrize(
    ("node", "arguments"),
    [("perception", ["-p", "backend:=torch"]), ("lidar_projection", [])],
)
def test_the_policy_is_what_the_node_does(probe, start_node, node, arguments) -> None:
    with start_node(node, *arguments):
        wait_for(lambda: probe.state(node) == "active", 90, "active")
        graph = probe.node
        wait_for(lambda: node in graph.get_node_names(), 20, "its place in the graph")
        listen_to_all(probe, node)

        def names(found: str) -> set[str]:
            return {
                name
                for name, _ in getattr(graph, f"get_{found}_names_and_types_by_node")(node, "/")
            }

        inputs = allowed(node, "topics", "subscribe")
        wait_for(lambda: names("subscriber") >= inputs - RARE, 20, "its subscriptions")
        assert names("subscriber") <= inputs
        outputs = allowed(node, "topics", "publish")
        assert names("publisher") | RARE >= outputs >= names("publisher")
        assert names("service") == allowed(node, "services", "reply")
        assert not names("client")
        probe.unlisten()

"""Our half of a bond against bond_core's own."""

import sys

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytestmark = pytest.mark.ros

from rclpy.duration import Duration  # noqa: E402

from pdn_ros.ros.lifecycle import Bond  # noqa: E402


def test_without_the_package_there_is_no_bond(probe, monkeypatch):
    monkeypatch.setitem(sys.modules, "bond.msg", None)
    bond = Bond(probe.node)
    assert not bond.start()
    bond.stop()


def leave(node, manager):
    """Take down what bondpy leaves in the executor."""
    node.destroy_subscription(manager.sub)
    node.destroy_publisher(manager.pub)
    manager.is_shutdown = True


def test_a_manager_sees_the_bond_form_and_end(probe):
    bondpy = pytest.importorskip("bondpy.bondpy", reason="the wheels have no bondpy")
    bond = Bond(probe.node)
    for _ in range(2):  # each activation
        manager = probe.do(lambda: bondpy.Bond(probe.node, "bond", probe.node.get_name()))
        probe.do(manager.start)
        assert probe.do(bond.start)
        assert manager.wait_until_formed(Duration(seconds=10))
        assert not manager.wait_until_broken(Duration(seconds=1))
        probe.do(bond.stop)
        assert manager.wait_until_broken(Duration(seconds=3))  # sooner than the time-out
        probe.do(lambda: leave(probe.node, manager))  # noqa: B023 - is done before the next


def test_a_managed_node_makes_the_bond_while_it_is_active(probe, start_node):
    bondpy = pytest.importorskip("bondpy.bondpy", reason="the wheels have no bondpy")
    with start_node("lidar_projection", "-p", "autostart:=false", "-r", "__node:=managed"):
        # As nav2's manager starts its nodes: configure, activate, then the bond.
        assert probe.transition("managed", "configure")
        assert probe.transition("managed", "activate")
        manager = probe.do(lambda: bondpy.Bond(probe.node, "bond", "managed"))
        probe.do(manager.start)
        assert manager.wait_until_formed(Duration(seconds=10))
        assert probe.transition("managed", "deactivate")
        assert manager.wait_until_broken(Duration(seconds=3))
        probe.do(lambda: leave(probe.node, manager))

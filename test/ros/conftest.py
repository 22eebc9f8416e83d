"""Real processes and real DDS."""

from node_fixtures import drive, network, probe, start_node

__all__ = ["drive", "network", "probe", "start_node"]

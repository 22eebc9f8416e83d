"""Speed and memory on this machine: the network, the nodes, the way through DDS.

One run makes every figure and every ratio; what is compared takes turns, so that load falls on both
sides alike. `run` is the entry; only `session`, `node_suites` and `plain_node` need ROS 2.
"""

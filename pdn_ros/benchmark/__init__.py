"""Speed and memory on this machine: the network, the nodes, the way through DDS.

One run makes every figure and every ratio; compared cases take turns, so that load affects both
alike. `run` is the entry; only `session`, `node_suites`, `soak` and `plain_node` need ROS 2.
"""

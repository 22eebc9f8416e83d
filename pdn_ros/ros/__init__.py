"""The ROS 2 nodes: convert messages, call the pipeline and the geometry, publish."""

"""Bytes of ROS messages to numpy and back, without ROS and without torch."""

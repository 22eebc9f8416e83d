"""Starts nodes as processes and talks to them: for replay, benchmark and tests.

`processes` starts and ends them and needs no ROS. `participant` is this side of DDS; beside
`pdn_ros.ros` it is what imports rclpy.
"""

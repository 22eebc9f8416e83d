"""Camera, LiDAR, ground, transforms and occupancy, as arrays: without torch, without ROS."""

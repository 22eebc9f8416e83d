"""Camera, LiDAR, ground and occupancy: numpy and OpenCV alone."""

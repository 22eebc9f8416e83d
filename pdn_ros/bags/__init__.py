"""Reading and writing rosbag2 recordings without ROS."""

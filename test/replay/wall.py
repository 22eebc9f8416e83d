"""A standing vehicle before a wall: what its sensors see."""

import numpy as np

from pdn_ros.geometry.camera import Camera

WIDTH, HEIGHT, FRAMES = 320, 192, 5
PERIOD_NS = 100_000_000
START_NS = 1_700_000_000_000_000_000

# Optical axes (z forward) in the base frame (x forward), camera 1.5 m above the ground.
T_BASE_OPTICAL = np.array(
    [[0, 0, 1, 1.0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1]], dtype=np.float64
)
TO_THE_LEFT = np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
NAMES, SETS = ("ahead", "left"), 3
"""Of the rig: its cameras, and how often each took an image."""
BUILDING, ROAD = 1, 3
T_BASE_LIDAR = np.eye(4)
T_BASE_LIDAR[2, 3] = 1.8


def camera() -> Camera:
    k = np.array([[200.0, 0, WIDTH / 2], [0, 200.0, HEIGHT / 2], [0, 0, 1]])
    return Camera(width=WIDTH, height=HEIGHT, k=k, d=np.zeros(5), model="plumb_bob")


def truth_grid() -> tuple[np.ndarray, tuple[float, float], float]:
    """Free ground with a wall 12 m ahead of the base frame; unknown behind it."""
    data = np.zeros((200, 300), dtype=np.int8)  # y from -10 m, x from -10 m, cells of 0.1 m
    data[:, 220:222] = 100
    data[:, 222:] = -1
    return data, (-10.0, -10.0), 0.1


def scan(rng: np.random.Generator) -> np.ndarray:
    """Ground around the vehicle and a wall at x = 12 m, in the LiDAR's frame."""
    ground = rng.uniform((2, -8, -1.8), (11, 8, -1.8), (3000, 3))
    wall = rng.uniform((12, -8, -1.7), (12, 8, 0.5), (1500, 3))
    points = np.concatenate([ground, wall]).astype(np.float32)
    return np.column_stack([points, np.ones(len(points), np.float32)])

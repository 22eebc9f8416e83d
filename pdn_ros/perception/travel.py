"""Where the robot is going, and how much more the cameras count that look there."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.transform_buffer import Transforms
from pdn_ros.perception.config import PerceptionConfig

SPAN_NS: Final = 300_000_000
"""Time over which the speed is measured."""
OLD_NS: Final = 1_000_000_000
"""Odometry that ended longer ago than this says nothing of the present."""
HALF: Final = 1.0
"""Speed at which half of `rig.speed_weight` counts, meters per second."""


def velocity(
    transforms: Transforms, config: PerceptionConfig, stamp_ns: int
) -> NDArray[np.float64]:
    """Return the robot's speed at a time along x and y of its own frame, m/s; zeros if unknown.

    It is that of the latest odometry until then: waiting for later one would cost time.
    """
    fixed, base = config.grid.frame, config.base_frame
    try:
        end_ns = min(stamp_ns, transforms.latest_ns(fixed, base))
        if stamp_ns - end_ns > OLD_NS:
            return np.zeros(2)
        end = transforms.lookup(fixed, base, end_ns)
        start = transforms.lookup(fixed, base, end_ns - SPAN_NS)
    except LookupError:
        return np.zeros(2)
    moved = end[:3, :3].T @ (end[:3, 3] - start[:3, 3])
    return np.asarray(moved[:2] / (SPAN_NS * 1e-9))


def importance(axis: NDArray[np.float64], speed: NDArray[np.float64], weight: float) -> float:
    """Return the factor on the scores of a camera's patches, 1 to 1 + `weight`.

    Args:
        axis: (3,) unit vector in the robot's frame, where the camera looks.
        speed: (2,) of the robot along x and y, m/s.
        weight: How much more a camera counts that looks where a fast robot goes.
    """
    toward = max(0.0, float(axis[:2] @ speed))
    return 1.0 + weight * toward / (HALF + float(np.hypot(*speed)))

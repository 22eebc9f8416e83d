"""Which returns of a LiDAR lie on the ground, and the plane through them.

Points are in the base frame (REP 105 `base_link`: x forward, y left, z up).
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pdn_ros.geometry.transforms import Matrix, finite

try:
    import pypatchworkpp
except ImportError:  # no wheel for this machine: a single plane has to do
    pypatchworkpp = None

CLEARANCE: Final = 0.2  # metres: what is lower counts as ground
STEEPEST: Final = np.cos(np.radians(25))
_FEWEST: Final = 30  # points that make a plane


@dataclass(frozen=True, eq=False)
class GroundPlane:
    """The plane `normal . p + offset = 0`; the normal is a unit vector that points up."""

    normal: NDArray[np.float64]
    offset: float

    @classmethod
    def flat(cls) -> Self:
        """Return the plane z = 0."""
        return cls(np.array([0.0, 0.0, 1.0]), 0.0)

    def heights(self, points: NDArray[np.floating]) -> NDArray[np.floating]:
        """Signed distances of points (N, 3) above the plane, (N,) metres."""
        return points @ self.normal.astype(points.dtype) + points.dtype.type(self.offset)

    def moved(self, transform: Matrix) -> Self:
        """Return the plane in frame a, given `T_a_b` and this plane in frame b."""
        normal = transform[:3, :3] @ self.normal
        return type(self)(normal, float(self.offset - normal @ transform[:3, 3]))


def split_ground(
    points: NDArray[np.floating], origin: ArrayLike = (0, 0, 1.723)
) -> NDArray[np.bool_]:
    """Tell the returns from the ground.

    Patchwork (Lim et al., RA-L 2021) where pypatchworkpp is installed: planes by polar cells, so
    that slopes and kerbs hold. Each scan is judged by itself: equal scans give equal results.

    Args:
        points: (N, 3) metres in the base frame; NaN and infinities are never ground.
        origin: Position of the LiDAR in the base frame. Where it is not above the base frame (so
            that the frame can't stand on the ground), its height is taken from the lowest points.

    Returns:
        (N,) bool, true on the ground.
    """
    ground = np.zeros(len(points), dtype=np.bool_)
    usable = np.flatnonzero(finite(points))
    if len(usable) < _FEWEST:
        return ground
    here = np.asarray(origin, dtype=np.float64)
    local = points[usable].astype(np.float32) - here.astype(np.float32)
    height = here[2]
    if height < CLEARANCE:
        height = np.clip(-np.percentile(local[:, 2], 5), CLEARANCE, 5.0)
    if pypatchworkpp is None:
        plane = fit_plane(local[local[:, 2] < 0.5 - height])
        if plane is not None:
            ground[usable] = plane.heights(local) < CLEARANCE
        return ground
    settings = pypatchworkpp.PatchworkParams()
    settings.ATAT_ON = False  # it would carry the sensor's height from scan to scan
    settings.sensor_height = float(height)
    settings.using_global_thr = False  # a slope's far end is higher than the sensor
    blind = settings.min_range
    segmenter = pypatchworkpp.patchwork(settings)
    segmenter.estimateGround(local)
    ground[usable[segmenter.getGroundIndices()]] = True
    near = np.maximum(np.abs(local[:, 0]), np.abs(local[:, 1])) < blind
    near[near] = np.abs(local[near, 2] + height) < CLEARANCE
    ground[usable[near]] = True
    return ground


def fit_plane(points: NDArray[np.floating]) -> GroundPlane | None:
    """Fit a plane to ground points by iteratively reweighted least squares (Tukey's weights).

    Args:
        points: (N, 3) metres; NaN are left out.

    Returns:
        The plane, or None where the points are few, lie on a line or the plane is a wall.
    """
    points = points[:: max(1, len(points) // 2000)].astype(np.float64)
    points = points[finite(points)]
    if len(points) < _FEWEST:
        return None
    centre = np.median(points, axis=0)
    local = points - centre
    design = np.column_stack((local[:, :2], np.ones(len(local))))
    weights = np.ones(len(local))
    for _ in range(6):
        weighted = design * weights[:, None]
        normal = weighted.T @ design
        if np.linalg.cond(normal) > 1e8:
            return None
        solution = np.linalg.solve(normal, weighted.T @ local[:, 2])
        residual = np.abs(local[:, 2] - design @ solution)
        scale = max(4.7 * 1.48 * np.median(residual), 0.05)
        weights = np.square(np.clip(1 - np.square(residual / scale), 0, None))
        if np.count_nonzero(weights) < _FEWEST:
            return None
    up = np.array([-solution[0], -solution[1], 1.0])
    up /= np.linalg.norm(up)
    if up[2] < STEEPEST:
        return None
    return GroundPlane(up, float(-up @ (centre + np.array([0, 0, solution[2]]))))

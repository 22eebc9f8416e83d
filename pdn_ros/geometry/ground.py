"""Which returns of a LiDAR lie on the ground, and the plane through them.

Points are in the base frame (REP 105 `base_link`: x forward, y left, z up).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from typing_extensions import Self

from pdn_ros.geometry.transforms import Matrix, finite

try:
    import pypatchworkpp
except ImportError:  # no wheel for this machine: use a single plane
    pypatchworkpp = None

CLEARANCE: Final = 0.2  # meters: anything lower counts as ground
STEEPEST: Final = np.cos(np.radians(25))
OFF: Final = (0.25, 0.03)  # meters, and per meter of distance: how far ground leaves its plane
_NARROWEST: Final = 0.3  # meters of spread: less does not determine the cross slope
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
        """Signed distances of points (N, 3) above the plane, (N,) meters."""
        return points @ self.normal.astype(points.dtype) + points.dtype.type(self.offset)

    def moved(self, transform: Matrix) -> Self:
        """Return the plane in frame a, given `T_a_b` and this plane in frame b."""
        normal = transform[:3, :3] @ self.normal
        return type(self)(normal, float(self.offset - normal @ transform[:3, 3]))


def find_ground(
    points: NDArray[np.floating], origin: ArrayLike = (0, 0, 1.723)
) -> tuple[NDArray[np.bool_], GroundPlane | None]:
    """Find the returns from the ground, and fit a plane to them.

    With pypatchworkpp installed this uses Patchwork (Lim et al., RA-L 2021), which fits planes to
    polar cells and so copes with slopes and curbs; returns too far off the common plane (a car's
    roof, a hedge) are removed again. Each scan is judged by itself: equal scans, equal results.

    Args:
        points: (N, 3) meters in the base frame; NaN and infinities are never ground.
        origin: Position of the LiDAR in the base frame, meters. If it is not above the frame's
            origin, which then cannot be on the ground, the lowest points give its height.

    Returns:
        (N,) bool, true on the ground; and the plane, None where there is too little of it.
    """
    ground = np.zeros(len(points), dtype=np.bool_)
    usable = np.flatnonzero(finite(points))
    if len(usable) < _FEWEST:
        return ground, None
    here = np.asarray(origin, dtype=np.float64)
    local = points.take(usable, axis=0).astype(np.float32) - here.astype(np.float32)
    height = here[2]
    if height < CLEARANCE:
        height = np.clip(-np.percentile(local[:, 2], 5), CLEARANCE, 5.0)
    low = _segment(local, float(height))
    plane = fit_plane(local[low])
    if plane is None:
        return ground, None
    heights = plane.heights(local)
    if pypatchworkpp is None:
        low = heights < CLEARANCE
    low &= np.abs(heights) < OFF[0] + OFF[1] * np.hypot(local[:, 0], local[:, 1])
    ground[usable] = low
    return ground, GroundPlane(plane.normal, float(plane.offset - plane.normal @ here))


def split_ground(
    points: NDArray[np.floating], origin: ArrayLike = (0, 0, 1.723)
) -> NDArray[np.bool_]:
    """Return which returns come from the ground: the first result of `find_ground`."""
    return find_ground(points, origin)[0]


def _segment(local: NDArray[np.float32], height: float) -> NDArray[np.bool_]:
    """Candidates for the ground among points around a LiDAR at this height (meters)."""
    if pypatchworkpp is None:
        return np.asarray(local[:, 2] < 0.5 - height)
    settings = pypatchworkpp.PatchworkParams()
    settings.ATAT_ON = False  # it would carry the sensor's height from scan to scan
    settings.sensor_height = height
    settings.using_global_thr = False  # a slope's far end is higher than the sensor
    segmenter = pypatchworkpp.patchwork(settings)
    segmenter.estimateGround(local)
    low = np.maximum(np.abs(local[:, 0]), np.abs(local[:, 1])) < settings.min_range
    low &= np.abs(local[:, 2] + height) < CLEARANCE  # Patchwork leaves the nearest out
    low[segmenter.getGroundIndices()] = True
    return np.asarray(low)


def fit_plane(points: NDArray[np.floating]) -> GroundPlane | None:
    """Fit a plane to ground points by iteratively reweighted least squares (Tukey's weights).

    Args:
        points: (N, 3) meters; NaN are ignored.

    Returns:
        The plane, or None if the points are too few or on a line, or the plane is a wall.
    """
    points = points[:: max(1, len(points) // 1000)].astype(np.float64)
    points = points[finite(points)]
    if len(points) < _FEWEST:
        return None
    center = np.median(points, axis=0)
    local = points - center
    design = np.column_stack((local[:, :2], np.ones(len(local))))
    if np.linalg.eigvalsh(np.cov(local[:, :2].T))[0] < _NARROWEST**2:
        return None
    weights = np.ones(len(local))
    for _ in range(4):
        weighted = design * weights[:, None]
        normal = weighted.T @ design + 1e-6 * np.eye(3)
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
    return GroundPlane(up, float(-up @ (center + np.array([0, 0, solution[2]]))))

"""From a LiDAR scan to depth images and to the patches of the images that are worth precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import NEAREST, Camera
from pdn_ros.geometry.ground import CLEARANCE, OFF, GroundPlane, find_ground
from pdn_ros.geometry.transforms import Matrix, move_points

FARTHEST: Final = 120.0  # meters
_FEW: Final = 25.0  # returns in a 64 px patch above which an object counts as well sampled
_FAR: Final = (20.0, 40.0)  # meters over which the need for precision rises
_JUMP: Final = 0.25  # spread of the ranges' logarithms that is a discontinuity
_TILT: Final = 0.01  # meters per meter by which the ground may leave its plane
_SEARCHED: Final = 0.5  # of the points one camera sees: so many show several cameras' ground
_CELL: Final = 2.0  # meters: a cell of ground, with which the points above it are compared
_CELLS: Final = 128  # cells along a side, after which they repeat
_LEVEL: Final = 0.15  # meters above its cell's ground up to which a point lies on it
_NARROW: Final = 5  # cells, eighths of a patch: anything narrower counts as thin
_CLEAR: Final = 0.3  # by how much of its distance a thin thing stands before the background
_ENOUGH: Final = 3.0  # cells of a patch that make it as thin as can be
_NEAR_THIN: Final = 0.3  # weight of near thin things relative to far ones: the camera sees them
_SUPPORT: Final = 1.0  # returns: a single one may be dust
_ALL: Final = 3.0  # sum of the reasons that makes a patch worth as much as can be
_ABOVE: Final = 0.8  # share of a patch's thinness that continues above the scanner's view


@dataclass(frozen=True, slots=True, eq=False)
class LidarView:
    """A scan as the camera sees it.

    Attributes:
        depth: (H, W) float32 meters along the optical axis, nearest return; 0 = none.
        weights: (rows, cols) float32 in [0, 1], how much precision a patch is worth; for patch size
            p, patch (r, c) covers `[r * p : (r + 1) * p, c * p : (c + 1) * p]`.
        returns: How many returns fall into the image.
    """

    depth: NDArray[np.float32]
    weights: NDArray[np.float32]
    returns: int


def project_scan(
    points: NDArray[np.floating],
    *,
    camera: Camera,
    T_camera_lidar: Matrix,  # noqa: N803
    T_base_lidar: Matrix,  # noqa: N803
    patch_size: int,
) -> LidarView:
    """Project a scan into one camera, as `project_scans` does."""
    (view,) = project_scans(
        points,
        cameras=[(camera, T_camera_lidar)],
        T_base_lidar=T_base_lidar,
        patch_size=patch_size,
    )
    return view


def project_scans(
    points: NDArray[np.floating],
    *,
    cameras: Sequence[tuple[Camera, Matrix]],
    T_base_lidar: Matrix,  # noqa: N803
    patch_size: int,
) -> list[LidarView]:
    """Project a scan into cameras and weigh their images' patches.

    The ground is found once, in all that the cameras see.

    Args:
        points: (N, 3) meters in the LiDAR's frame; NaN and infinities are ignored (REP 117).
        cameras: Each with `T_camera_lidar`, from the LiDAR at the scan's stamp to the optical frame
            at the image's.
        T_base_lidar: From the LiDAR to the base frame.
        patch_size: Side of a patch in pixels.
    """
    seen = []
    for camera, pose in cameras:
        optical = move_points(points, pose)
        ids = _in_view(optical, camera)
        seen.append((ids, optical.take(ids, axis=0)))
    above = _above_ground(points, [ids for ids, _ in seen], T_base_lidar)
    # One block: the C library gives several large ones back to the system, which brings new pages
    # for each scan, and takes longer for that than everything here.
    ends = np.cumsum([camera.height * camera.width for camera, _ in cameras])
    depths = np.split(np.zeros(ends[-1], dtype=np.float32), ends[:-1])
    return [
        _view(optical, above.take(ids), camera, depth, patch_size)
        for (camera, _), (ids, optical), depth in zip(cameras, seen, depths, strict=True)
    ]


def _view(
    optical: NDArray[np.float32],
    above: NDArray[np.bool_],
    camera: Camera,
    depth: NDArray[np.float32],
    patch_size: int,
) -> LidarView:
    """Project points (N, 3) of the optical frame, of which some stand above the ground.

    `depth` becomes the depth image; it is (H * W,) zeros.
    """
    pixels, valid = camera.project(optical)
    ids = np.flatnonzero(valid)
    z, above = optical[:, 2].take(ids), above.take(ids)
    u, v = np.rint(pixels.take(ids, axis=0)).astype(np.int32).T
    index = v * camera.width + u
    depth[index] = np.inf
    np.minimum.at(depth, index, z)
    nearest = np.flatnonzero(above & (z == depth.take(index)))
    weights, thin = _weigh(u.take(nearest), v.take(nearest), z.take(nearest), camera, patch_size)
    weights = _continue_upward(weights, thin, _patches(u, v, camera, patch_size))
    return LidarView(depth.reshape(camera.height, camera.width), weights, len(z))


def _above_ground(
    points: NDArray[np.floating],
    seen: Sequence[NDArray[np.intp]],
    T_base_lidar: Matrix,  # noqa: N803
) -> NDArray[np.bool_]:
    """Which points (N, 3), of those that cameras see, belong to something above the ground, (N,).

    Of several cameras' points a sample is searched for the ground, which takes most of the time;
    the others are compared with the ground that was found.
    """
    above = np.zeros(len(points), np.bool_)
    most = max(len(ids) for ids in seen)
    above[np.concatenate(seen)] = True
    ids = np.flatnonzero(above)
    based = move_points(points.take(ids, axis=0), T_base_lidar)
    if most == len(ids):
        sample = np.arange(most)
    else:  # random, as every third may be a third of the scanner's rings; the same each time
        drawn = np.random.default_rng(0).random(len(ids), np.float32)
        sample = np.flatnonzero(drawn < _SEARCHED * most / len(ids))
    searched = based.take(sample, axis=0)
    ground, plane = find_ground(searched, T_base_lidar[:3, 3])
    if plane is None:
        above[ids[sample]] = ~ground
        return above
    heights, distances = plane.heights(based), np.hypot(based[:, 0], based[:, 1])
    # Far away the ground has too few returns to be recognized by them alone.
    standing = heights > CLEARANCE + _TILT * distances
    if most < len(ids):
        doubtful = np.flatnonzero(standing & (heights < OFF[0] + OFF[1] * distances))
        level = _levels(searched[ground], plane)[_cells(based.take(doubtful, axis=0))]
        standing[doubtful] = heights[doubtful] > level + _LEVEL
    standing[sample[ground]] = False
    above[ids] = standing
    return above


def _levels(ground: NDArray[np.float32], plane: GroundPlane) -> NDArray[np.float32]:
    """Heights of the ground's cells above its plane, meters, by `_cells`; -inf without ground."""
    cell, cells = _cells(ground), _CELLS**2
    count = np.bincount(cell, minlength=cells)
    sums = np.bincount(cell, plane.heights(ground), minlength=cells)
    return np.where(count > 0, sums / np.maximum(count, 1), -np.inf).astype(np.float32)


def _cells(points: NDArray[np.float32]) -> NDArray[np.int32]:
    """Numbers of the cells below points (N, 3) of the base frame, (N,)."""
    x, y = np.floor(points[:, :2] / np.float32(_CELL)).astype(np.int32).T % _CELLS
    numbers: NDArray[np.int32] = y * _CELLS + x
    return numbers


def _patches(
    u: NDArray[np.int32], v: NDArray[np.int32], camera: Camera, side: int
) -> NDArray[np.int32]:
    """Row-major patch ids of pixels."""
    patch: NDArray[np.int32] = v // side * -(-camera.width // side) + u // side
    return patch


def _weigh(
    u: NDArray[np.int32], v: NDArray[np.int32], z: NDArray[np.float32], camera: Camera, side: int
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Weights and thinness (rows, cols) of patches, from returns that stand on the ground.

    Four reasons add up: most patches on the horizon have one or two of them, so if one were enough,
    all would rank alike.
    """
    rows, cols = -(-camera.height // side), -(-camera.width // side)
    patch, log = _patches(u, v, camera, side), np.log(z)
    count = np.bincount(patch, minlength=rows * cols)
    many = np.maximum(count, 1)
    mean = np.bincount(patch, log, rows * cols) / many
    spread = np.sqrt(np.maximum(np.bincount(patch, log * log, rows * cols) / many - mean**2, 0))

    thin = _thin_share(u, v, log, camera, side)
    few = np.exp(-count / (_FEW * (side / 64) ** 2))
    jump = np.clip(spread / _JUMP, 0, 1)
    far = _farness(mean)
    support = 1 - np.exp(-count / _SUPPORT)
    reasons = np.minimum((few + 0.5 * jump + far + thin) / _ALL, 1)
    weights = (support * reasons).astype(np.float32)
    return weights.reshape(rows, cols), thin.reshape(rows, cols)


def _continue_upward(
    weights: NDArray[np.float32], thin: NDArray[np.float64], patches: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Weigh patches without returns by the thin things just below them.

    A scanner hardly looks upward: the poles and signs that it sees continue above its view.
    """
    seen = np.bincount(patches, minlength=weights.size).reshape(weights.shape) > 0
    below = np.zeros_like(weights)
    below[:-1] = _ABOVE * thin[1:]
    return np.where(seen, weights, below)


def _thin_share(
    u: NDArray[np.int32], v: NDArray[np.int32], log: NDArray[np.float32], camera: Camera, side: int
) -> NDArray[np.float64]:
    """How much of each patch, row-major, is narrow, clear of its background, and far.

    In an image of the nearest ranges, coarse enough to have no holes between the beams, a
    horizontal closing fills narrow near things: a black-hat filter finds them.
    """
    cell = max(side // 8, 4)
    height, width = -(-camera.height // cell), -(-camera.width // cell)
    near = np.full(height * width, np.log(FARTHEST), dtype=np.float32)
    np.minimum.at(near, v // cell * width + u // cell, log)
    kernel = np.ones((1, _NARROW), dtype=np.uint8)
    clear = cv2.morphologyEx(near.reshape(height, width), cv2.MORPH_BLACKHAT, kernel)
    part = _NEAR_THIN + (1 - _NEAR_THIN) * _farness(near)
    row = ((np.arange(height) + 0.5) * cell / side).astype(np.int64)
    column = ((np.arange(width) + 0.5) * cell / side).astype(np.int64)
    rows, cols = -(-camera.height // side), -(-camera.width // side)
    patch = np.minimum(row, rows - 1)[:, None] * cols + np.minimum(column, cols - 1)
    thin = part * np.clip(clear / _CLEAR, 0, 1).ravel()
    cells = np.bincount(patch.ravel(), thin, rows * cols)
    return np.clip(cells / _ENOUGH, 0, 1)


def _farness(log: NDArray[np.floating]) -> NDArray[np.floating]:
    """How much precision distances, given as logarithms, need, 0 to 1."""
    return np.asarray(np.clip((np.exp(log) - _FAR[0]) / (_FAR[1] - _FAR[0]), 0, 1))


def _in_view(optical: NDArray[np.float32], camera: Camera) -> NDArray[np.intp]:
    """Indices of the points within a pyramid around the camera's view."""
    left, right, top, bottom = (np.float32(bound) for bound in camera.bounds)
    x, y, z = np.ascontiguousarray(optical.T)
    with np.errstate(invalid="ignore"):  # NaN is on no side
        seen = (z > NEAREST) & (z < FARTHEST)
        seen &= (x > left * z) & (x < right * z) & (y > top * z) & (y < bottom * z)
    return np.flatnonzero(seen)

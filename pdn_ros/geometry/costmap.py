"""A cloud aligned pixel by pixel with a mask, as nav2's semantic segmentation layer reads it."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry import roles as role
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import GroundPlane, fit_plane
from pdn_ros.geometry.ground_view import HORIZON
from pdn_ros.geometry.transforms import Matrix, invert, move_points

_REACH: Final = 4  # pixels within which a return counts for its neighbors
_AGREE: Final = 1.3  # largest ratio of ranges on one surface
_BESIDE: Final = 1  # pixels within which a return counts for its neighbors at an outline
_FARTHEST: Final = 40.0  # meters: beyond, flat ground is a guess
_HIGHEST: Final = 2.2  # meters above the ground: anything higher is not in the way


def aligned_cloud(
    roles: NDArray[np.uint8],
    camera: Camera,
    T_base_camera: Matrix,  # noqa: N803
    depth: NDArray[np.float32] | None = None,
    plane: GroundPlane | None = None,
    *,
    max_range: float = _FARTHEST,
    max_height: float = _HIGHEST,
) -> NDArray[np.float32]:
    """Give each pixel of a mask a point.

    Ground pixels lie on the ground plane; obstacles have the range of the nearest LiDAR return on a
    nearby pixel of the same role. Everything else has no trusted range. The layer marks the cell
    below a point whatever its height, so obstacles above `max_height` get no point either.

    Args:
        roles: (h, w) uint8 codes of `pdn_ros.geometry.roles`.
        camera: Camera of that size.
        T_base_camera: From the optical frame to the base frame.
        depth: (h, w) float32 meters along the optical axis, 0 = none.
        plane: The ground in the base frame; where not given, fitted to the LiDAR's ranges on
            ground pixels, else z = 0.
        max_range: Distance up to which the plane is trusted, meters.
        max_height: Height above the plane up to which obstacles get points, meters.

    Returns:
        (h, w, 3) float32 in the optical frame, meters, NaN where no range is trusted.

    Raises:
        ValueError: The arrays' sizes differ from the camera's.
    """
    size = (camera.height, camera.width)
    if roles.shape != size or (depth is not None and depth.shape != size):
        raise ValueError(f"cloud: mask and depth must have the camera's size {size}")
    rays = camera.rays()
    if plane is None and depth is not None:
        hit = (roles == role.GROUND) & (depth > 0) & np.isfinite(rays[..., 0] * depth)
        plane = fit_plane(move_points(rays[hit] * depth[hit, None], T_base_camera))
    ground = (plane or GroundPlane.flat()).moved(invert(T_base_camera))
    z = _ground_depth(rays, ground, max_range)
    z[roles != role.GROUND] = np.nan
    if depth is not None:
        for kind in (role.STATIC, role.DYNAMIC):
            _fill(z, roles == kind, depth)
        rise = rays @ ground.normal.astype(np.float32)
        z[z * rise + np.float32(ground.offset) > max_height] = np.nan
    return rays * z[..., None]


def shrink_depth(depth: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Scale a sparse depth image down, keeping the nearest return of each new pixel."""
    rows, columns = depth.shape
    returns = np.flatnonzero(depth > 0)
    v, u = np.divmod(returns, columns)
    index = (v * height // rows) * width + u * width // columns
    small = np.zeros(width * height, dtype=np.float32)
    small[index] = np.inf
    np.minimum.at(small, index, depth.ravel()[returns])
    return small.reshape(height, width)


def _ground_depth(
    rays: NDArray[np.float32], plane: GroundPlane, max_range: float
) -> NDArray[np.float32]:
    """Depth of an optical-frame plane along each ray, NaN toward the horizon and out of range."""
    if plane.offset <= 0:  # the camera is below the plane
        return np.full(rays.shape[:2], np.nan, dtype=np.float32)
    down = -(rays @ plane.normal.astype(np.float32))
    length = np.sqrt(np.einsum("hwc,hwc->hw", rays, rays))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.float32(plane.offset) / down
        z[~((down > HORIZON * length) & (z * length < max_range))] = np.nan
    return z


def _fill(z: NDArray[np.float32], pixels: NDArray[np.bool_], depth: NDArray[np.float32]) -> None:
    """Give pixels the depth of the nearest return on any of them, where one is close.

    At an outline, returns from the background lie among those from the foreground, which hides them
    from the camera. There only pixels beside the foreground's returns are given a depth.
    """
    hit = pixels & (depth > 0) & np.isfinite(depth)
    if not hit.any():
        return
    distance, labels = cv2.distanceTransformWithLabels(
        np.where(hit, np.uint8(0), np.uint8(1)),
        cv2.DIST_L2,
        cv2.DIST_MASK_5,
        labelType=cv2.DIST_LABEL_PIXEL,
    )
    ranges = np.zeros(labels.max() + 1, dtype=np.float32)
    ranges[labels[hit]] = depth[hit]
    around = np.ones((2 * _REACH + 1, 2 * _REACH + 1), dtype=np.uint8)
    front = cv2.erode(np.where(hit, depth, np.float32(np.inf)), around)
    behind = cv2.dilate(np.where(hit, depth, np.float32(0)), around)
    found = ranges[labels]
    outline = behind / _AGREE > front
    near = pixels & (distance <= np.where(outline, np.float32(_BESIDE), np.float32(_REACH)))
    near &= found / _AGREE <= front
    z[near] = found[near]

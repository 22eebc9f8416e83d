"""Where the patches of an image lie on the ground, for display."""

import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import GroundPlane
from pdn_ros.geometry.level import HORIZON
from pdn_ros.geometry.transforms import Matrix


def patch_corners(camera: Camera, patch_size: int, ids: NDArray[np.integer]) -> NDArray[np.float32]:
    """Corners of patches as directions with z = 1 in the optical frame.

    Args:
        camera: Of the image; patches count row by row, those at the border are cut.
        patch_size: Side in pixels.
        ids: (K,) row-major numbers.

    Returns:
        (K, 4, 3) float32: top left, top right, bottom right, bottom left; NaN where the camera sees
        nothing.

    Raises:
        ValueError: There is no such patch.
    """
    rows, columns = -(-camera.height // patch_size), -(-camera.width // patch_size)
    ids = np.asarray(ids, dtype=np.int64)
    if len(ids) and not (ids.min() >= 0 and ids.max() < rows * columns):
        raise ValueError(f"patches: numbers outside 0..{rows * columns - 1}")
    left, top = ids % columns * patch_size, ids // columns * patch_size
    right = np.minimum(left + patch_size, camera.width) - 1
    bottom = np.minimum(top + patch_size, camera.height) - 1
    u = np.stack((left, right, right, left), axis=1)
    v = np.stack((top, top, bottom, bottom), axis=1)
    corners: NDArray[np.float32] = camera.rays()[v, u]
    return corners


def patch_footprints(
    camera: Camera,
    T_base_camera: Matrix,  # noqa: N803
    patch_size: int,
    ids: NDArray[np.integer],
    plane: GroundPlane | None = None,
    *,
    max_range: float = 40.0,
) -> NDArray[np.float32]:
    """Corners of patches on the ground, (K, 4, 3) float32 metres in the base frame.

    Order as in `patch_corners`. A patch that reaches above the horizon or beyond the range is NaN.
    """
    plane = plane or GroundPlane.flat()
    directions = patch_corners(camera, patch_size, ids) @ T_base_camera[:3, :3].T
    centre = T_base_camera[:3, 3]
    height = plane.normal @ centre + plane.offset
    down = -(directions @ plane.normal)
    length = np.linalg.norm(directions, axis=2)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = height / down
        good = (height > 0) & (down > HORIZON * length) & (reach * length < max_range)
        points = centre + directions * reach[..., None]
    points[~good.all(axis=1)] = np.nan
    return points.astype(np.float32)

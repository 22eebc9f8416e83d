"""A virtual camera, level with the ground, whose rows run straight away from the camera.

A pinhole image whose y axis is the ground's normal has the camera's foot as the vanishing point of
all verticals: a column shows what stands in one direction, and the row alone gives the distance
ahead, `x = height / Y`. Roll, pitch and slope are gone from it. The image is stored transposed, so
that the way from the camera's foot to the horizon is a contiguous row.

In a large image one cell of the grid spans many directions even at the farthest range. There are
only as many rows as cells, and each row takes the safest of its pixels (`roles`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import GroundPlane
from pdn_ros.geometry.roles import UNKNOWN
from pdn_ros.geometry.transforms import Matrix

HORIZON: Final = np.tan(np.radians(0.5))  # directions closer to the horizon have no distance
_WIDEST: Final = 3.0  # largest |x| / z and y / z that are used
_LOWEST: Final = 0.05  # meters: a camera nearer to the ground sees no ground


@dataclass(frozen=True, slots=True, eq=False)
class GroundView:
    """Where the rows and columns of the leveled image lie.

    Attributes:
        to_source: From leveled pixels (j, a, 1) to pixels of the (undistorted) image, (3, 3).
        from_frame: From the frame's (x, y, 1), on the plane, to leveled pixels (j, a, 1), (3, 3).
        axes: Right, down and ahead as the columns of a rotation into the frame.
        center: The camera in the frame, meters.
        plane: The ground in the frame.
        height: Of the camera above the plane, meters.
        focal: Columns per unit of y / z.
        across: Rows per unit of x / z.
        pooled: Pixels of the image side by side that share a row.
        kernel: Columns and rows of the image around a pixel that its code stands for.
        source: Rows of the image that are used.
        left: Smallest x / z: that of row a = 0.
        bottom: Largest y / z: that of column j = 0.
        shape: Number of rows a and columns j.
    """

    to_source: NDArray[np.float64]
    from_frame: NDArray[np.float64]
    axes: NDArray[np.float64]
    center: NDArray[np.float64]
    plane: GroundPlane
    height: float
    focal: float
    across: float
    pooled: int
    kernel: tuple[int, int]
    source: slice
    left: float
    bottom: float
    shape: tuple[int, int]

    @classmethod
    def of(
        cls,
        camera: Camera,
        pose: Matrix,
        plane: GroundPlane,
        *,
        max_range: float,
        resolution: float,
    ) -> Self | None:
        """Level a pinhole camera's view.

        Args:
            camera: Without distortion.
            pose: `T_frame_camera`.
            plane: The ground in the same frame.
            max_range: How far to look, meters.
            resolution: Distance to be resolved there, meters.

        Returns:
            The view, or None where the camera sees no ground: it looks up, straight down, or is not
            above the plane.
        """
        center = pose[:3, 3]
        height = float(plane.normal @ center + plane.offset)
        ahead = pose[:3, 2] - (plane.normal @ pose[:3, 2]) * plane.normal
        length = np.linalg.norm(ahead)
        if height < _LOWEST or length < 0.2:
            return None
        down, ahead = -plane.normal, ahead / length
        axes = np.column_stack((np.cross(down, ahead), down, ahead))
        turn = axes.T @ pose[:3, :3]  # optical to leveled

        border = np.linalg.inv(camera.k) @ _border(camera.width, camera.height)
        right, low, depth = turn @ border
        depth = np.maximum(depth, 1e-3)
        right, low = (np.clip(x / depth, -_WIDEST, _WIDEST) for x in (right, low))
        top = max(height / max_range, HORIZON)
        if low.max() <= top:
            return None
        focal = camera.k[0, 0]
        focal *= min(1, 2 * camera.width / np.ptp(right) / focal)
        focal *= min(1, 3 * camera.height / (low.max() - top) / focal)
        pooled = max(1, int(focal * resolution / max_range))
        across = focal / pooled
        shape = (int(np.ptp(right) * across) + 1, int((low.max() - top) * focal) + 1)
        left, bottom = right.min(), low.max()
        # Leveled pixel (j, a) is the direction (left + a / across, bottom - j / focal, 1).
        directions = np.array([[0, 1 / across, left], [-1 / focal, 0, bottom], [0, 0, 1]])
        normal = plane.normal
        on_plane = np.array(
            [
                [1, 0, -center[0]],
                [0, 1, -center[1]],
                [-normal[0] / normal[2], -normal[1] / normal[2], -plane.offset / normal[2]]
                - np.array([0, 0, center[2]]),
            ]
        )
        to_source = camera.k @ turn.T @ directions
        kernel, source = _source_area(to_source, shape, pooled, camera.height)
        return cls(
            to_source=to_source,
            from_frame=np.linalg.inv(directions) @ axes.T @ on_plane,
            axes=axes,
            center=center,
            plane=plane,
            height=height,
            focal=float(focal),
            across=float(across),
            pooled=pooled,
            kernel=kernel,
            source=source,
            left=float(left),
            bottom=float(bottom),
            shape=shape,
        )

    def warp(self, codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Level the rows `source` of a straight image, (rows a, columns j) role codes.

        Unknown where the image shows nothing.
        """
        if self.kernel != (1, 1):
            codes = np.asarray(
                cv2.dilate(codes, np.ones(self.kernel[::-1], np.uint8)), dtype=np.uint8
            )
        rows, columns = self.shape
        to_source = self.to_source.copy()
        to_source[1] -= self.source.start * to_source[2]
        level = cv2.warpPerspective(
            codes,
            to_source,
            (columns, rows),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(UNKNOWN,),
        )
        w = to_source[2]
        if min(w[2], w[2] + w[0] * columns, w[2] + w[1] * rows, w @ (columns, rows, 1)) <= 0:
            # The homography mirrors what lies behind the camera into the image.
            behind = w[0] * np.arange(columns) + w[1] * np.arange(rows)[:, None] + w[2] <= 0
            level[behind] = UNKNOWN
        return np.asarray(level, dtype=np.uint8)

    def side(self, a: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """X / z of rows."""
        return np.asarray(self.left + a / self.across, dtype=np.float64)

    def ahead(self, j: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """Distance ahead of the ground seen at columns, meters."""
        drop = np.maximum(self.bottom - j / self.focal, HORIZON / 2)
        return np.asarray(self.height / drop, dtype=np.float64)

    def column(self, ahead: NDArray[np.floating]) -> NDArray[np.floating]:
        """Column at which the ground lies so far ahead: the inverse of `ahead`."""
        return (self.bottom - self.height / ahead) * self.focal

    def in_frame(
        self, side: NDArray[np.floating], ahead: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """X and y in the frame, (..., 2), of ground points at x / z and distance ahead."""
        right, down, forward = self.axes[:2].T
        foot = self.center[:2] + self.height * down
        direction = side[..., None] * right + forward
        xy: NDArray[np.float64] = ahead[..., None] * direction + foot
        return xy


def _source_area(
    to_source: NDArray[np.float64], shape: tuple[int, int], pooled: int, height: int
) -> tuple[tuple[int, int], slice]:
    """Columns and rows to pool around a pixel, and which rows of the image are used."""
    rows, columns = shape
    corners = np.array([(0, columns, 0, columns), (0, 0, rows, rows), (1, 1, 1, 1)])
    here, beside = to_source @ corners, to_source @ (corners + np.array([[0], [1], [0]]))
    if min(here[2].min(), beside[2].min()) <= 0:  # the view reaches behind the camera
        size = 2 * (pooled // 2) + 1
        return (size, size), slice(0, height)
    here, beside = here[:2] / here[2], beside[:2] / beside[2]
    low, high = here[1].min() - pooled - 2, here[1].max() + pooled + 3
    source = slice(int(np.clip(low, 0, height - 1)), int(np.clip(high, 1, height)))
    if pooled == 1:
        return (1, 1), source
    across, along = (2 * int(step / 2 + 0.5) + 1 for step in np.abs(beside - here).max(axis=1))
    return (across, along), source


@lru_cache(maxsize=8)
def _border(width: int, height: int) -> NDArray[np.float64]:
    """Homogeneous pixels along an image's border, (3, n)."""
    u, v = np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 17)
    pixels = [(x, y, 1.0) for x in u for y in (v[0], v[-1])]
    pixels += [(x, y, 1.0) for y in v for x in (u[0], u[-1])]
    return np.array(pixels).T

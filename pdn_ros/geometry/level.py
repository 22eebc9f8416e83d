"""An image's view of the ground, turned so that its rows run straight away from the camera.

A pinhole image whose y axis is the ground's normal has the camera's foot as the vanishing point of
all verticals: a column shows what stands in one direction, and the row alone gives the distance
ahead, `x = height / Y`. Roll, pitch and slope are gone from it. The image is stored transposed, so
that the way from the camera's foot to the horizon is a contiguous row.
"""

from dataclasses import dataclass
from typing import Final, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import GroundPlane
from pdn_ros.geometry.transforms import Matrix

OUTSIDE: Final = 255
HORIZON: Final = np.tan(np.radians(0.5))  # what is closer to the horizon has no distance
_WIDEST: Final = 3.0  # largest |x| / z and y / z that are looked at
_LOWEST: Final = 0.05  # metres: a camera nearer to the ground sees no ground


@dataclass(frozen=True, slots=True, eq=False)
class LevelView:
    """Where the rows and columns of the levelled image lie.

    Attributes:
        to_source: From level pixels (j, a, 1) to pixels of the (undistorted) image, (3, 3).
        from_frame: From the frame's (x, y, 1), on the plane, to level pixels (j, a, 1), (3, 3).
        axes: Right, down and ahead as the columns of a rotation into the frame.
        centre: The camera in the frame, metres.
        plane: The ground in the frame.
        height: Of the camera above the plane, metres.
        focal: Level pixels per unit of x / z.
        left: Smallest x / z: that of row a = 0.
        bottom: Largest y / z: that of column j = 0.
        shape: Number of rows a and columns j.
    """

    to_source: NDArray[np.float64]
    from_frame: NDArray[np.float64]
    axes: NDArray[np.float64]
    centre: NDArray[np.float64]
    plane: GroundPlane
    height: float
    focal: float
    left: float
    bottom: float
    shape: tuple[int, int]

    @classmethod
    def of(cls, camera: Camera, pose: Matrix, plane: GroundPlane, max_range: float) -> Self | None:
        """Level a pinhole camera's view.

        Args:
            camera: Without distortion.
            pose: `T_frame_camera`.
            plane: The ground in the same frame.
            max_range: How far to look, metres.

        Returns:
            The view, or None where the camera sees no ground: it looks up, straight down, or is not
            above the plane.
        """
        centre = pose[:3, 3]
        height = float(plane.normal @ centre + plane.offset)
        ahead = pose[:3, 2] - (plane.normal @ pose[:3, 2]) * plane.normal
        length = np.linalg.norm(ahead)
        if height < _LOWEST or length < 0.2:
            return None
        down, ahead = -plane.normal, ahead / length
        axes = np.column_stack((np.cross(down, ahead), down, ahead))
        turn = axes.T @ pose[:3, :3]  # optical to level

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
        shape = (int(np.ptp(right) * focal) + 1, int((low.max() - top) * focal) + 1)
        left, bottom = right.min(), low.max()
        # Level pixel (j, a) is the direction (left + a / focal, bottom - j / focal, 1).
        directions = np.array([[0, 1 / focal, left], [-1 / focal, 0, bottom], [0, 0, 1]])
        normal = plane.normal
        on_plane = np.array(
            [
                [1, 0, -centre[0]],
                [0, 1, -centre[1]],
                [-normal[0] / normal[2], -normal[1] / normal[2], -plane.offset / normal[2]]
                - np.array([0, 0, centre[2]]),
            ]
        )
        return cls(
            to_source=camera.k @ turn.T @ directions,
            from_frame=np.linalg.inv(directions) @ axes.T @ on_plane,
            axes=axes,
            centre=centre,
            plane=plane,
            height=height,
            focal=float(focal),
            left=float(left),
            bottom=float(bottom),
            shape=shape,
        )

    def warp(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Level a straight image of codes, (rows a, columns j); 255 where it shows nothing."""
        rows, columns = self.shape
        level = cv2.warpPerspective(
            image,
            self.to_source,
            (columns, rows),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(OUTSIDE,),
        )
        w = self.to_source[2]
        if min(w[2], w[2] + w[0] * columns, w[2] + w[1] * rows, w @ (columns, rows, 1)) <= 0:
            # The homography mirrors what lies behind the camera into the image.
            behind = w[0] * np.arange(columns) + w[1] * np.arange(rows)[:, None] + w[2] <= 0
            level[behind] = OUTSIDE
        return np.asarray(level, dtype=np.uint8)

    def side(self, a: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """X / z of rows."""
        return np.asarray(self.left + a / self.focal, dtype=np.float64)

    def ahead(self, j: NDArray[np.floating] | NDArray[np.integer]) -> NDArray[np.float64]:
        """Distance ahead of the ground seen at columns, metres."""
        drop = np.maximum(self.bottom - j / self.focal, HORIZON / 2)
        return np.asarray(self.height / drop, dtype=np.float64)

    def column(self, ahead: NDArray[np.floating]) -> NDArray[np.floating]:
        """Column at which the ground lies so far ahead: the inverse of `ahead`."""
        return (self.bottom - self.height / ahead) * self.focal

    def in_frame(
        self, side: NDArray[np.floating], ahead: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """X and y in the frame, (..., 2), of ground points at x / z and distance ahead."""
        side, ahead = np.broadcast_arrays(side, ahead)
        offset = np.stack((side * ahead, np.full(ahead.shape, self.height), ahead), axis=-1)
        xy: NDArray[np.float64] = offset @ self.axes[:2].T + self.centre[:2]
        return xy


def _border(width: int, height: int) -> NDArray[np.float64]:
    """Homogeneous pixels along an image's border, (3, n)."""
    u, v = np.linspace(0, width - 1, 17), np.linspace(0, height - 1, 17)
    pixels = [(x, y, 1.0) for x in u for y in (v[0], v[-1])]
    pixels += [(x, y, 1.0) for y in v for x in (u[0], u[-1])]
    return np.array(pixels).T

"""Camera model of a `sensor_msgs/CameraInfo`: points to pixels and pixels to rays.

The optical frame is REP 103's: z forward, x right, y down. Pixel centers lie at integers.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from pdn_ros.errors import InputError
from pdn_ros.geometry import distortion
from pdn_ros.messages.camera_info import CameraInfo
from pdn_ros.messages.cdr import Header

_WIDEST: Final = 3.0  # |x| / z and |y| / z up to which images are undistorted
_ALL: Final = slice(None)
NEAREST: Final = 1e-3  # meters: points closer along z are not in front


@dataclass(frozen=True, eq=False)
class Camera:
    """An image's camera.

    Attributes:
        width: Columns of the image.
        height: Rows of the image.
        k: Camera matrix of this image, (3, 3) float64.
        d: Distortion coefficients in OpenCV's order, (n,) float64; empty for rectified images.
        model: As in CameraInfo: `plumb_bob`, `rational_polynomial`, `equidistant`,
            or empty for a pinhole camera.
    """

    width: int
    height: int
    k: NDArray[np.float64]
    d: NDArray[np.float64]
    model: str = ""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(
                f"camera: image size {self.width}x{self.height}: width and height must be positive"
            )
        if self.k.shape != (3, 3) or not np.isfinite(self.k).all():
            raise ValueError("camera: K must be nine finite numbers; calibrate the camera")
        if self.k[0, 0] <= 0 or self.k[1, 1] <= 0:
            raise ValueError(
                f"camera: focal lengths {self.k[0, 0]:g}, {self.k[1, 1]:g} are not positive; "
                "the camera is uncalibrated"
            )
        distortion.check(self.model, self.d)

    @classmethod
    def from_info(cls, info: CameraInfo, *, rectified: bool = False) -> Self:
        """Make the camera of an image from its CameraInfo.

        CameraInfo describes the full sensor; the image is its region of interest, binned. A binned
        pixel is the mean of its pixels, so its center lies in their middle.

        Args:
            info: The calibration.
            rectified: Whether the image is the rectified one: P then takes the place of K and D.

        Raises:
            InputError: The camera is uncalibrated, the model unknown, or a number not finite.
        """
        x, y, w, h = info.roi[:4]
        w, h = w or info.width - x, h or info.height - y
        if x < 0 or y < 0 or w < 1 or h < 1 or x + w > info.width or y + h > info.height:
            raise InputError(
                f"camera: region {w}x{h} at ({x}, {y}) lies outside the "
                f"{info.width}x{info.height} sensor"
            )
        if np.size(info.k) != 9:
            raise InputError(f"camera: K has {np.size(info.k)} numbers in place of nine")
        k = np.reshape(info.p, (3, 4))[:, :3] if rectified else np.reshape(info.k, (3, 3))
        bx, by = max(info.binning_x, 1), max(info.binning_y, 1)
        shift = np.array([[0, 0, x], [0, 0, y], [0, 0, 0]])
        try:
            return cls(
                width=w // bx,
                height=h // by,
                k=_scale(1 / bx, 1 / by) @ (k - shift),
                d=np.array(() if rectified else info.d, dtype=np.float64),
                model="" if rectified else info.distortion_model,
            )
        except ValueError as error:
            raise InputError(str(error)) from error

    def info(self, header: Header) -> CameraInfo:
        """Return the CameraInfo of this camera, without rectification: R = I, P = [K | 0]."""
        projection = np.zeros((3, 4))
        projection[:, :3] = self.k
        # An empty model means unknown to most readers: a pinhole camera is plumb_bob with zeros.
        return CameraInfo(
            header=header,
            width=self.width,
            height=self.height,
            distortion_model=self.model or "plumb_bob",
            d=tuple(self.d.tolist()) or (0.0,) * 5,
            k=tuple(self.k.ravel().tolist()),
            p=tuple(projection.ravel().tolist()),
        )

    def resized(self, width: int, height: int) -> Self:
        """Return the camera of this image scaled to `width` x `height`."""
        if (width, height) == (self.width, self.height):
            return self
        k = _scale(width / self.width, height / self.height) @ self.k
        return type(self)(width=width, height=height, k=k, d=self.d, model=self.model)

    @property
    def pinhole(self) -> bool:
        """Whether pixels are a linear map of directions: no distortion at all."""
        return self.model != "equidistant" and not self.d.any()

    def project(
        self, points: NDArray[np.floating]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Project points of the optical frame.

        Args:
            points: (N, 3) meters; NaN and infinities are allowed and invalid.

        Returns:
            Pixels (u, v), (N, 2) float32, undefined where invalid; and whether the point is in
            front of the camera, on the unfolded side of the distortion and inside the image,
            (N,) bool.
        """
        x, y, z = np.ascontiguousarray(points.T, dtype=np.float32)
        valid = (z > NEAREST) & np.isfinite(z)
        depth = np.where(valid, z, np.float32(1))
        with np.errstate(all="ignore"):  # what overflows is outside the image
            x, y = x / depth, y / depth
            if not self.pinhole:
                valid &= np.hypot(x, y) < self.fold
                x, y = distortion.distort(x, y, self.model, self.d)
            k = self.k.astype(np.float32)
            u = k[0, 0] * x + k[0, 1] * y + k[0, 2]
            v = k[1, 1] * y + k[1, 2]
            valid &= (u >= -0.5) & (u < self.width - 0.5) & (v >= -0.5) & (v < self.height - 0.5)
        return np.stack((u, v), axis=1), valid

    def rays(self) -> NDArray[np.float32]:
        """Directions of the pixels, (H, W, 3) float32 with z = 1; NaN where undefined.

        Computed once and read-only.
        """
        return self._rays

    def rays_of(self, index: NDArray[np.integer]) -> NDArray[np.float32]:
        """Directions of some pixels, (N, 3) as in `rays`, if possible without its table.

        Args:
            index: (N,) row-major numbers of the pixels.
        """
        if not self.pinhole:
            rays: NDArray[np.float32] = self._rays.reshape(-1, 3)[index]
            return rays
        v, u = np.divmod(index, self.width)
        k = self.k.astype(np.float32)
        y = (v.astype(np.float32) - k[1, 2]) / k[1, 1]
        x = (u.astype(np.float32) - k[0, 2] - k[0, 1] * y) / k[0, 0]
        return np.stack((x, y, np.ones_like(x)), axis=1)

    @property
    def straight(self) -> Self:
        """The pinhole camera of `undistort`'s images; this camera if it has no distortion."""
        return self._straight[0]

    def undistort(
        self, labels: NDArray[np.uint8], outside: int = 255, rows: slice = _ALL
    ) -> NDArray[np.uint8]:
        """Undistort an image of codes, nearest pixel; `outside` where it shows nothing.

        Only `rows` of the undistorted image are made.
        """
        maps = self._straight[1]
        if maps is None:
            return labels[rows]
        straight = cv2.remap(
            labels,
            maps[rows],
            np.empty(0, dtype=np.uint16),
            cv2.INTER_NEAREST,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(outside,),
        )
        return np.asarray(straight, dtype=np.uint8)

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """Smallest and largest x / z, then y / z, in the image: a cheap first test."""
        xy: NDArray[np.floating]
        if self.pinhole:
            corners = np.array(
                [(u, v, 1) for u in (-1, self.width) for v in (-1, self.height)], dtype=np.float64
            )
            xy = (np.linalg.inv(self.k) @ corners.T)[:2].T
        else:
            xy = self._rays[..., :2].reshape(-1, 2)
            xy = xy[np.isfinite(xy).all(axis=1)]
            if not len(xy):
                return (0.0, 0.0, 0.0, 0.0)
        low, high = xy.min(axis=0), xy.max(axis=0)
        pad = 0.0 if self.pinhole else 0.02 * (high - low)
        low, high = low - pad, high + pad
        return float(low[0]), float(high[0]), float(low[1]), float(high[1])

    @cached_property
    def fold(self) -> float:
        """Radius |(x, y)| / z beyond which the distortion folds the image."""
        return np.inf if self.pinhole else distortion.fold(self.model, self.d)

    @cached_property
    def _straight(self) -> tuple[Self, NDArray[np.int16] | None]:
        """Pinhole camera with the same view, and OpenCV's map from its pixels to this image."""
        if self.pinhole:
            return self, None
        left, right, top, bottom = np.clip(self.bounds, -_WIDEST, _WIDEST)
        focal = min(
            self.k[0, 0],
            2 * self.width / max(right - left, 1e-6),
            2 * self.height / max(bottom - top, 1e-6),
        )
        k = np.array([[focal, 0, -left * focal], [0, focal, -top * focal], [0, 0, 1]])
        width, height = int((right - left) * focal) + 1, int((bottom - top) * focal) + 1
        camera = type(self)(width=width, height=height, k=k, d=np.zeros(0))
        pixels, valid = self.project(camera.rays().reshape(-1, 3))
        pixels[~valid] = -10
        pixels = pixels.reshape(height, width, 2)
        rounded = cv2.convertMaps(pixels[..., 0], pixels[..., 1], cv2.CV_16SC2, None, None, True)
        return camera, np.asarray(rounded[0], dtype=np.int16)

    @cached_property
    def _rays(self) -> NDArray[np.float32]:
        v, u = np.mgrid[: self.height, : self.width].astype(np.float64)
        pixels = np.stack((u.ravel(), v.ravel()), axis=1)
        if self.pinhole:
            inverse = np.linalg.inv(self.k)
            flat = np.asarray(pixels @ inverse[:2, :2].T + inverse[:2, 2], dtype=np.float64)
        else:
            flat = distortion.straighten(pixels, self.k, self.model, self.d)
        rays = np.ones((self.height, self.width, 3), dtype=np.float32)
        rays[..., :2] = flat.reshape(self.height, self.width, 2)
        rays[np.isnan(rays[..., 0])] = np.nan
        rays.setflags(write=False)
        return rays


def _scale(sx: float, sy: float) -> NDArray[np.float64]:
    """Pixel coordinates after scaling, with pixel centers at integers, (3, 3)."""
    return np.array([[sx, 0, (sx - 1) / 2], [0, sy, (sy - 1) / 2], [0, 0, 1]])

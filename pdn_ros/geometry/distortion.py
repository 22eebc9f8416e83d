"""Lens distortion of `sensor_msgs/CameraInfo`, as OpenCV defines it, for many points at once.

Vectorized in float32: on 20,000 points several times faster than `cv2.projectPoints`, which the
tests take as the reference.
"""

from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import ArrayLike, NDArray

Coordinates: TypeAlias = NDArray[np.float32]

LENGTHS: Final = {
    "": (0,),
    "plumb_bob": (0, 4, 5),
    "rational_polynomial": (0, 4, 5, 8, 12, 14),
    "equidistant": (0, 4),
}
"""Numbers of coefficients each model may have."""


def check(model: str, d: NDArray[np.float64]) -> None:
    """Raise ValueError if the coefficients do not describe a lens."""
    if model not in LENGTHS:
        raise ValueError(
            f"camera: distortion model {model!r} is unknown; use one of {tuple(LENGTHS)[1:]}"
        )
    if d.ndim != 1 or not np.isfinite(d).all():
        raise ValueError("camera: D must be finite numbers; calibrate the camera")
    if len(d) not in LENGTHS[model]:
        raise ValueError(
            f"camera: {model or 'no distortion model'} with {len(d)} coefficients; "
            f"it has one of {LENGTHS[model]}"
        )
    if len(d) == 14 and d[12:].any():
        raise ValueError("camera: tilted sensors (coefficients 13 and 14) are not supported")


def distort(
    x: Coordinates, y: Coordinates, model: str, d: NDArray[np.float64]
) -> tuple[Coordinates, Coordinates]:
    """Bend normalized coordinates x / z, y / z, (N,) each."""
    s = x * x + y * y
    if model == "equidistant":
        k1, k2, k3, k4 = _padded(d, 4)
        r = np.sqrt(s)
        theta = np.arctan(r)
        t = theta * theta
        bent = theta * (1 + t * (k1 + t * (k2 + t * (k3 + t * k4))))
        scale = np.where(r > 1e-6, bent / np.maximum(r, np.float32(1e-6)), np.float32(1))
        return x * scale, y * scale
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4 = _padded(d, 12)
    radial = 1 + s * (k1 + s * (k2 + s * k3))
    if k4 or k5 or k6:
        radial /= 1 + s * (k4 + s * (k5 + s * k6))
    xy = 2 * x * y
    bent_x = x * radial + p1 * xy + p2 * (s + 2 * x * x)
    bent_y = y * radial + p2 * xy + p1 * (s + 2 * y * y)
    if s1 or s2 or s3 or s4:
        bent_x += s * (s1 + s2 * s)
        bent_y += s * (s3 + s4 * s)
    return bent_x, bent_y


def fold(model: str, d: NDArray[np.float64]) -> float:
    """Radius |(x, y)| / z up to which the distortion grows; farther out the image folds back."""
    if model == "equidistant":
        k1, k2, k3, k4 = _padded(d, 4).astype(np.float64)
        # Derivative of theta (1 + k1 theta^2 + ... + k4 theta^8), a polynomial in theta^2.
        theta = np.sqrt(_first_root([1, 3 * k1, 5 * k2, 7 * k3, 9 * k4]))
        return float(np.tan(theta)) if theta < np.pi / 2 else np.inf
    k1, k2, _, _, k3, k4, k5, k6 = _padded(d, 8).astype(np.float64)
    top, bottom = Polynomial([1, k1, k2, k3]), Polynomial([1, k4, k5, k6])
    s = Polynomial([0, 1])  # the radius squared
    slope = (top + 2 * s * top.deriv()) * bottom - 2 * s * top * bottom.deriv()
    return float(np.sqrt(min(_first_root(slope.coef), _first_root(bottom.coef))))


def straighten(
    pixels: NDArray[np.float64], k: NDArray[np.float64], model: str, d: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Normalized coordinates (N, 2) of distorted pixels (N, 2); NaN where undefined."""
    stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 100, 1e-9)
    bent = (pixels - k[:2, 2]) / k[(0, 1), (0, 1)]
    bent[:, 0] -= k[0, 1] / k[0, 0] * bent[:, 1]
    coefficients = _padded(d, 4 if model == "equidistant" else 12).astype(np.float64)
    arguments = (bent[:, None], np.eye(3), coefficients)
    if model == "equidistant":
        flat = cv2.fisheye.undistortPoints(*arguments, criteria=stop)
    elif hasattr(cv2, "undistortPointsIter"):  # OpenCV before 5; in 4.6 only this takes criteria
        flat = cv2.undistortPointsIter(*arguments, None, None, stop)
    else:
        flat = cv2.undistortPoints(*arguments, criteria=stop)
    flat = flat.reshape(-1, 2)
    # Beyond the fold OpenCV's iterations diverge silently: only what maps back is a solution.
    with np.errstate(all="ignore"):
        x, y = flat.T.astype(np.float32)
        back = np.stack(distort(x, y, model, d), axis=1)
        good = np.hypot(x, y) < fold(model, d)
        good &= (np.abs(back - bent) * k[(0, 1), (0, 1)]).max(axis=1) < 0.1
    flat[~good] = np.nan
    return np.asarray(flat, dtype=np.float64)


def _padded(d: NDArray[np.float64], length: int) -> NDArray[np.float32]:
    """Coefficients with zeros for those not given."""
    c = np.zeros(length, dtype=np.float32)
    c[: min(len(d), length)] = d[:length]
    return c


def _first_root(coefficients: ArrayLike) -> float:
    """Smallest positive real root of a polynomial (constant term first); infinity if none."""
    roots = Polynomial(np.trim_zeros(np.asarray(coefficients, dtype=np.float64), "b")).roots()
    real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real > 0)]
    return float(real.min()) if len(real) else np.inf

"""From light to the 8-bit picture that a camera delivers."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.light import Light

Floats = NDArray[np.float32]
CURVE_STEPS, CURVE_TOP = 8192, 4.0
NOISE_SIDE = 512


class Film:
    """Develops pictures of one size."""

    def __init__(self, light: Light, h: int, w: int) -> None:
        self._light = light
        y, x = np.mgrid[:h, :w].astype(np.float32)
        radius = np.hypot((x - w / 2) / w, (y - h / 2) / w)
        self._vignette = (1 - 0.55 * radius**2).astype(np.float32)
        linear = np.arange(CURVE_STEPS, dtype=np.float32) * np.float32(CURVE_TOP / CURVE_STEPS)
        # Hable's filmic curve: a toe for deep shadows, a shoulder for the sky.
        a, b, c, d, e, f = 0.22, 0.30, 0.10, 0.20, 0.01, 0.30

        def filmic(x: Floats | float) -> Floats:
            return np.asarray((x * (a * x + c * b) + d * e) / (x * (a * x + b) + d * f) - e / f)

        toned = filmic(2.2 * linear) / filmic(2.2 * CURVE_TOP * 0.6)
        self._curve = (255 * np.clip(toned, 0, 1) ** (1 / 2.2)).astype(np.float32)
        tile = np.random.default_rng(1).standard_normal(
            (h + NOISE_SIDE // 2, w + NOISE_SIDE // 2, 3), np.float32
        )
        self._grain = tile

    def develop(self, picture: Floats, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Return the 8-bit image: lens blur, vignette, exposure, tone curve, noise."""
        light = self._light
        picture = np.asarray(cv2.GaussianBlur(np.minimum(picture, 4.0), (3, 3), 0.6))
        bright = float(np.mean(np.sqrt(picture[::8, ::8, 1])))
        exposure = (np.sqrt(light.target) / max(bright, 1e-3)) ** 1.4
        gain = self._vignette * np.float32(exposure)
        # A filmic curve as a table: linear light to display values, gamma included.
        index = cv2.multiply(picture, cv2.merge([gain] * 3), scale=CURVE_STEPS / CURVE_TOP)
        index = np.minimum(index, CURVE_STEPS - 1).astype(np.int16)
        display = self._curve[index]
        # The noise of one tile, shifted anew for each picture.
        rows, columns = rng.integers(0, NOISE_SIDE // 2, 2)
        grain = self._grain[rows : rows + display.shape[0], columns : columns + display.shape[1]]
        display = np.asarray(cv2.scaleAdd(grain, light.noise, display))
        return np.asarray(cv2.convertScaleAbs(np.maximum(display, 0, out=display)))

"""Weather and time of day: sun, sky, haze; and the sky's picture."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.simulation.textures import noise

Floats = NDArray[np.float32]


def _bgr(r: float, g: float, b: float) -> Floats:
    return np.array([b, g, r], np.float32)


@dataclass(frozen=True, slots=True)
class Light:
    """Sun, sky and haze. Radiances are linear BGR; a white surface in full sun has about 2.

    Attributes:
        sun: (3,) unit vector toward the sun.
        sunlight: (3,), zero when overcast.
        zenith: (3,) sky above.
        horizon: (3,) sky at the horizon, also the haze's color.
        bounce: (3,) light from below.
        haze: meters at which 63 % of the light is the haze's.
        dome: (256, 1025, 3) picture of the sky: rows by elevation, columns by azimuth.
        noise: deviation of the image noise in gray levels.
        target: brightness that the exposure aims at.
    """

    sun: Floats
    sunlight: Floats
    zenith: Floats
    horizon: Floats
    bounce: Floats
    haze: float
    dome: Floats
    noise: float
    target: float

    @property
    def dome_mean(self) -> Floats:
        """Light from the whole sky on a surface that looks up, (3,)."""
        mixed = 0.45 * self.zenith + 0.55 * self.horizon
        # Half as blue as the sky: the camera balances its white.
        return np.asarray(0.5 * mixed + 0.5 * mixed.mean(), np.float32)

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Light":
        """Draw the light: mostly sun with clouds, sometimes overcast, hazy or dusk."""
        kind = rng.choice(
            ["clear", "cloudy", "overcast", "hazy", "dusk"], p=[0.3, 0.25, 0.2, 0.1, 0.15]
        )
        azimuth = rng.uniform(0, 2 * np.pi)
        elevation = {"dusk": rng.uniform(0.1, 0.24), "hazy": rng.uniform(0.25, 0.8)}.get(
            str(kind), rng.uniform(0.4, 1.1)
        )
        sun = np.array(
            [
                np.cos(azimuth) * np.cos(elevation),
                np.sin(azimuth) * np.cos(elevation),
                np.sin(elevation),
            ]
        ).astype(np.float32)
        clouds, haze, grain, target = 0.35, 1500.0, 1.6, 0.2
        sunlight, zenith, horizon = (
            _bgr(2.1, 1.9, 1.6),
            _bgr(0.16, 0.32, 0.66),
            _bgr(0.62, 0.72, 0.84),
        )
        if kind == "cloudy":
            clouds, sunlight, zenith = 0.75, 0.8 * sunlight, _bgr(0.25, 0.37, 0.6)
        elif kind == "overcast":
            clouds, sunlight = 1.0, 0.0 * sunlight
            zenith, horizon, haze, grain = _bgr(0.66, 0.69, 0.73), _bgr(0.8, 0.82, 0.84), 500.0, 2.4
        elif kind == "hazy":
            sunlight, zenith, horizon = 0.75 * sunlight, _bgr(0.4, 0.5, 0.62), _bgr(0.8, 0.8, 0.79)
            haze = 260.0
        elif kind == "dusk":
            sunlight, zenith = _bgr(1.9, 1.1, 0.55), _bgr(0.17, 0.22, 0.4)
            horizon, haze, grain, target = _bgr(0.85, 0.6, 0.42), 500.0, 3.2, 0.15
        bounce = 0.16 * (sunlight * max(float(sun[2]), 0.1) + 1.1 * zenith)
        dome = _dome(rng, sun, sunlight, zenith, horizon, clouds)
        return cls(
            sun, sunlight, zenith, horizon, bounce.astype(np.float32), haze, dome, grain, target
        )

    def sky(self, directions: Floats) -> Floats:
        """Return the sky's radiance (3, N) along unit directions (3, N)."""
        rows, columns = self.dome.shape[0], self.dome.shape[1] - 1
        azimuth = np.arctan2(directions[1], directions[0])
        x = (azimuth * np.float32(columns / (2 * np.pi))) % columns
        y = np.sqrt(np.clip(directions[2], 0, 1)) * (rows - 1)
        # cv2.remap wants maps of two dimensions whose sides fit 16 bits.
        width = 1024
        pad = -len(x) % width
        maps = [np.pad(m, (0, pad)).reshape(-1, width).astype(np.float32) for m in (x, y)]
        out = cv2.remap(
            self.dome, maps[0], maps[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(out.reshape(-1, 3)[: len(x)].T, np.float32)


def _dome(
    rng: np.random.Generator,
    sun: Floats,
    sunlight: Floats,
    zenith: Floats,
    horizon: Floats,
    clouds: float,
) -> Floats:
    """Return the sky's picture: gradient, clouds on a plane above, glow around the sun."""
    rows, columns = 256, 1024
    up = (np.arange(rows) / (rows - 1))[:, None] ** 2
    azimuth = (np.arange(columns) / columns * 2 * np.pi)[None]
    flat = np.sqrt(1 - up**2)
    direction = np.stack(
        np.broadcast_arrays(flat * np.cos(azimuth), flat * np.sin(azimuth), up), axis=-1
    ).astype(np.float32)
    blend = np.clip(up, 0, 1)[..., None] ** 0.45
    sky = horizon * (1 - blend) + zenith * blend + 0 * direction
    field = noise(rng, 512, 1.25)
    reach = 1.0 / (up + 0.12)
    cx = (direction[..., 0] * reach * 62) % 512
    cy = (direction[..., 1] * reach * 62) % 512
    value = field[cy.astype(int) % 512, cx.astype(int) % 512]
    value = cv2.GaussianBlur(value, (3, 3), 0)
    cover = np.clip((value - (1.25 - 2.2 * clouds)) * 0.9, 0, 1)[..., None]
    toward = np.clip(direction @ sun, 0, 1)[..., None]
    white = 0.55 * horizon + 0.35 + 0.2 * sunlight * (0.4 + 0.6 * toward**2)
    shade = 1 - 0.3 * np.clip(value[..., None] - 0.6, 0, 1)
    fade = np.clip(up * 9, 0, 1)[..., None]
    sky = sky * (1 - cover * fade * 0.9) + white * shade * cover * fade * 0.9
    glow = sunlight * (0.2 * toward**12 + 0.6 * toward**120 + 6.0 * (toward > 0.9996))
    sky = sky + glow * (1 - 0.6 * cover)
    # The first column is repeated at the end, so that interpolation wraps around.
    return np.ascontiguousarray(np.concatenate([sky, sky[:, :1]], axis=1), dtype=np.float32)

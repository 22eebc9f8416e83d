"""Rendering a camera image: light on surfaces, then lens, exposure and noise."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.geometry.camera import Camera
from pdn_ros.simulation.light import Light
from pdn_ros.simulation.rays import Caster, Surfaces, dot, interpolated
from pdn_ros.simulation.scene import StreetScene
from pdn_ros.simulation.textures import GROUND_LABEL, LEVELS

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


AO_REACH = 2.5
BAND = 40_000
"""Pixels that are rendered together."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """What one exposure gives.

    Attributes:
        image: (H, W, 3) uint8 BGR.
        mask: (H, W) uint8 class ids.
        depth: (H, W) float32 meters along the optical axis, 0 for the sky.
        instance: (H, W) int32 object ids, 0 for none.
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    depth: Floats
    instance: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class _Buffers:
    """What the bands of a picture are written to, by pixel; `open` has half the size."""

    direct: Floats
    ambient: Floats
    open: Floats
    mask: NDArray[np.uint8]
    depth: Floats
    instance: NDArray[np.int32]

    @classmethod
    def of(cls, h: int, w: int, sky: int) -> "_Buffers":
        return cls(
            direct=np.zeros((3, h * w), np.float32),
            ambient=np.zeros((3, h * w), np.float32),
            open=np.ones(((h + 1) // 2, (w + 1) // 2), np.float32),
            mask=np.full(h * w, sky, np.uint8),
            depth=np.zeros(h * w, np.float32),
            instance=np.zeros(h * w, np.int32),
        )


class Renderer:
    """Renders one scene with one camera."""

    def __init__(
        self, scene: StreetScene, camera: Camera, caster: Caster, surfaces: Surfaces
    ) -> None:
        self._scene, self._camera = scene, camera
        self._caster, self._surfaces = caster, surfaces
        self._rays = np.ascontiguousarray(camera.rays().reshape(-1, 3).T, np.float32)
        self._length = np.sqrt(dot(self._rays, self._rays))
        h, w = camera.height, camera.width
        self._film = Film(scene.light, h, w)
        # Sixteen directions that tile the image: averaging 4 x 4 pixels averages all of them.
        k = np.arange(16) + 0.5
        z, turn = 1 - k / 8, k * np.pi * (3 - np.sqrt(5))
        ring = np.sqrt(1 - z**2)
        ball = np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1).astype(np.float32)
        self._ball = ball[(np.arange(16) * 7) % 16] * np.float32(0.999)

    def render(
        self,
        pose: NDArray[np.float64],
        where: NDArray[np.intp] | None,
        rng: np.random.Generator,
    ) -> Rendering:
        """Take one picture.

        Args:
            pose: T_world_optical, 4x4.
            where: Pixels (row-major, sorted) that may show something that moves.
            rng: Draws the noise.
        """
        h, w = self._camera.height, self._camera.width
        out = _Buffers.of(h, w, self._scene.labels.sky)
        band = max(2, 2 * round(BAND / (2 * w)))
        for row in range(0, h, band):
            first, last = row * w, min(row + band, h) * w
            part = (
                None
                if where is None
                else where[slice(*np.searchsorted(where, (first, last)))] - first
            )
            self._band(pose, first, last, part, out, rng)
        # Averaged over 4 x 4 samples: all sixteen directions once.
        open_ = cv2.resize(cv2.blur(out.open, (4, 4)), (w, h), interpolation=cv2.INTER_LINEAR)
        np.multiply(out.ambient, open_.reshape(-1), out=out.ambient)
        np.add(out.direct, out.ambient, out=out.direct)
        image = self._film.develop(np.asarray(cv2.merge(list(out.direct.reshape(3, h, w)))), rng)
        size = (h, w)
        return Rendering(
            image, out.mask.reshape(size), out.depth.reshape(size), out.instance.reshape(size)
        )

    def _band(
        self,
        pose: NDArray[np.float64],
        first: int,
        last: int,
        where: NDArray[np.intp] | None,
        out: "_Buffers",
        rng: np.random.Generator,
    ) -> None:
        """Render the pixels from `first` to `last`: rows few enough for the processor's cache."""
        rays = np.asarray(pose[:3, :3].astype(np.float32) @ self._rays[:, first:last], np.float32)
        origin = pose[:3, 3].astype(np.float32)
        count = last - first
        hits = self._caster.first(np.tile(origin, (count, 1)), np.ascontiguousarray(rays.T), where)
        seen = np.flatnonzero(hits.triangle >= 0)
        missed = np.flatnonzero(hits.triangle < 0)
        length = self._length[first:last]
        if len(missed):
            sky = np.asarray(rays[:, missed] / length[missed], np.float32)
            out.direct[:, first + missed] = self._scene.light.sky(sky)
        if not len(seen):
            return
        pixel, triangle, t = first + seen, hits.triangle[seen], hits.t[seen]
        out.depth[pixel] = t
        out.instance[pixel] = self._surfaces.instance[triangle]
        distance = t * length[seen]
        directions = np.asarray(rays[:, seen] / length[seen], np.float32)
        inner = interpolated(self._surfaces.shape[triangle], hits.u[seen], hits.v[seen])
        self._shade(origin, directions, distance, t, inner, triangle, pixel, out, rng)

    def _shade(
        self,
        origin: Floats,
        directions: Floats,
        distance: Floats,
        t: Floats,
        inner: Floats,
        triangle: NDArray[np.int32],
        pixel: NDArray[np.intp],
        out: "_Buffers",
        rng: np.random.Generator,
    ) -> None:
        """Write light and class ids of the pixels that see something."""
        table, light, atlas = self._surfaces, self._scene.light, self._scene.atlas
        normals = inner[2:]
        normals /= np.sqrt(dot(normals, normals))
        facing = -dot(normals, directions)
        material = table.material[triangle]
        albedo, painted = self._texture(inner[:2], material, triangle, t, facing, rng)
        albedo *= table.tint[triangle].T
        out.mask[pixel] = np.where(painted != VOID, painted, table.label[triangle])

        lift = 0.004 + np.float32(0.0004) * distance
        starts = directions * (distance - lift) + normals * lift
        starts = np.ascontiguousarray((starts + origin[:, None]).T)
        soft = atlas.diffuse[material]
        sunny = np.maximum(dot(normals, light.sun) * (1 - soft) + soft, 0.0)
        if light.sunlight.any():
            lit = np.flatnonzero(sunny > 0.01)
            spread = light.sun + rng.standard_normal((len(lit), 3), np.float32) * np.float32(0.003)
            sunny[lit[self._caster.blocked(starts[lit], spread)]] = 0.0
        self._probe(starts, normals, pixel, out)
        clear = np.exp(distance * np.float32(-1 / light.haze))
        up = (0.5 + 0.5 * normals[2]) * clear
        above, below = light.dome_mean[:, None], light.bounce[:, None]
        ambient = albedo * (below * clear + (above - below) * up)
        direct = albedo * (light.sunlight[:, None] * (sunny * clear))
        glow = atlas.glow[material]
        bright = np.flatnonzero(glow)
        direct[:, bright] += albedo[:, bright] * (3 * glow * clear)[bright]
        gloss = atlas.gloss[material]
        shiny = np.flatnonzero(gloss > 0)
        if len(shiny):
            share, mirrored = self._mirror(
                directions[:, shiny], normals[:, shiny], gloss[shiny], facing[shiny], sunny[shiny]
            )
            keep = 1 - 0.4 * share
            direct[:, shiny] = direct[:, shiny] * keep + mirrored * (share * clear[shiny])
            ambient[:, shiny] *= keep
        direct += light.horizon[:, None] * (1 - clear)
        out.direct[:, pixel] = direct
        out.ambient[:, pixel] = ambient

    def _texture(
        self,
        uv: Floats,
        material: NDArray[np.int32],
        triangle: NDArray[np.int32],
        t: Floats,
        facing: Floats,
        rng: np.random.Generator,
    ) -> tuple[Floats, NDArray[np.uint8]]:
        """Return linear colors (3, N) and the exact class ids (N,) painted there (255 for none).

        One texel of the mip level is drawn at random around the place: bilinear on average.
        """
        pixel = t * np.float32(1 / self._camera.k[0, 0])
        pixel /= np.sqrt(np.clip(np.abs(facing), 0.03, 1))
        wanted = np.log2(np.maximum(pixel * self._surfaces.density[triangle], 1e-3))
        level = np.clip(np.rint(wanted), 0, LEVELS - 1).astype(np.int32)
        jitter = rng.random(uv.shape, np.float32)
        jitter -= np.float32(0.5)
        color = self._surfaces.texel(uv, material, level, jitter)
        linear = color[:, :3].T * np.float32(1 / 255)
        linear *= linear
        painted = np.full(len(material), VOID, np.uint8)
        strip = np.flatnonzero(material == self._scene.ground)
        painted[strip] = self._surfaces.texel(uv[:, strip], material[strip])[:, GROUND_LABEL]
        return linear, painted

    def _probe(
        self, starts: Floats, normals: Floats, pixel: NDArray[np.intp], out: "_Buffers"
    ) -> None:
        """Write whether the near hemisphere is open along one direction, at half size."""
        y, x = np.divmod(pixel, self._camera.width)
        chosen = np.flatnonzero(((y | x) & 1) == 0)
        cy, cx = y[chosen] // 2, x[chosen] // 2
        toward = normals[:, chosen].T + self._ball[(cy % 4) * 4 + cx % 4]
        toward *= np.float32(AO_REACH)
        blocked = self._caster.blocked(starts[chosen], toward, np.ones(len(chosen), np.float32))
        out.open[cy, cx] = np.where(blocked, np.float32(0.1), np.float32(1.0))

    def _mirror(
        self, directions: Floats, normals: Floats, gloss: Floats, facing: Floats, sunny: Floats
    ) -> tuple[Floats, Floats]:
        """Return the share (N,) and the light (3, N) that glossy surfaces mirror."""
        light = self._scene.light
        cosine = np.clip(facing, 0, 1)
        away = directions + 2 * cosine * normals
        share = gloss * (0.12 + 0.88 * (1 - cosine) ** 3)
        # In a street what lies low is mostly houses, not sky.
        low = (np.float32(0.25) * light.bounce + np.float32(0.05))[:, None]
        above = np.clip(away[2] * 2.5 - 0.5, 0, 1)
        mirrored = light.sky(away) * above + low * (1 - above)
        glint = np.clip(dot(away, light.sun), 0, 1) ** 160 * (sunny > 0)
        mirrored += light.sunlight[:, None] * (3 * glint)
        return share, mirrored

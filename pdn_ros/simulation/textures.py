"""Procedural textures in one atlas with mip levels.

A texel is BGR plus a class id (255: the triangle's own). Colors are stored as the square root
of the linear reflectance, which is close to what a viewer shows and cheap to undo.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID

LEVELS = 7
GROUND_LABEL = 3
"""Channel of a texel that holds its class id."""
Texels = NDArray[np.uint8]


def noise(rng: np.random.Generator, size: int, exponent: float = 1.0) -> NDArray[np.float32]:
    """Return tileable noise (size, size): mean 0, deviation 1, a 1/f^exponent spectrum."""
    spectrum = np.fft.rfft2(rng.standard_normal((size, size)))
    fy, fx = np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]
    frequency = np.hypot(fx, fy)
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / frequency**exponent, s=(size, size))
    return np.asarray(field / field.std(), np.float32)


def texels(bgr: NDArray[np.float32], label: NDArray[np.uint8] | None = None) -> Texels:
    """Return colors (H, W, 3) in 0..255 and class ids (H, W) as texels (H, W, 4)."""
    out = np.empty((*bgr.shape[:2], 4), np.uint8)
    out[..., :3] = np.clip(bgr, 0, 255)
    out[..., 3] = VOID if label is None else label
    return out


def speckled(
    rng: np.random.Generator,
    size: int,
    base: float,
    coarse: float,
    fine: float,
    exponent: float = 1.3,
) -> NDArray[np.float32]:
    """Return a gray surface (size, size, 3): coarse stains and fine grain around `base`."""
    gray = base + coarse * noise(rng, size, exponent) + fine * noise(rng, size, 0.2)
    return np.repeat(gray[..., None], 3, axis=2)


@dataclass(frozen=True, slots=True)
class Atlas:
    """All textures, flat: texel (x, y) of level l of texture m is `data[offset[m, l] + y * w + x]`.

    Attributes:
        data: (T, 4) uint8.
        offset: (M, LEVELS) int32.
        width_bits: (M, LEVELS) int32; widths and heights are powers of two.
        height_bits: (M, LEVELS) int32.
        gloss: (M,) float32, share of mirrored sky at grazing view.
        glow: (M,) float32, emitted light in units of reflectance.
        diffuse: (M,) float32, share of light that comes through or around (leaves).
        names: Texture names in order.
    """

    data: NDArray[np.uint32]
    offset: NDArray[np.int32]
    width_bits: NDArray[np.int32]
    height_bits: NDArray[np.int32]
    gloss: NDArray[np.float32]
    glow: NDArray[np.float32]
    diffuse: NDArray[np.float32]
    names: tuple[str, ...]


class AtlasBuilder:
    """Collects textures; the ids it returns are the materials of meshes."""

    def __init__(self) -> None:
        self._levels: list[list[Texels]] = []
        self._names: list[str] = []
        self._surface: list[tuple[float, float, float]] = []

    def add(
        self,
        name: str,
        image: Texels,
        *,
        gloss: float = 0.0,
        glow: float = 0.0,
        diffuse: float = 0.0,
    ) -> int:
        """Add a texture (H, W, 4) whose sides are powers of two and return its id."""
        levels = [image]
        for _ in range(LEVELS - 1):
            last = levels[-1]
            h, w = last.shape[:2]
            size = (max(1, w // 2), max(1, h // 2))
            smaller = cv2.resize(last, size, interpolation=cv2.INTER_AREA)
            smaller[..., 3] = cv2.resize(last[..., 3], size, interpolation=cv2.INTER_NEAREST)
            levels.append(np.asarray(smaller, np.uint8))
        self._levels.append(levels)
        self._names.append(name)
        self._surface.append((gloss, glow, diffuse))
        return len(self._names) - 1

    def __getitem__(self, name: str) -> int:
        return self._names.index(name)

    def name(self, material: int) -> str:
        """Return the name of a texture."""
        return self._names[material]

    def named(self, prefix: str) -> list[int]:
        """Return the ids of the textures whose name starts so."""
        return [i for i, name in enumerate(self._names) if name.startswith(prefix)]

    def build(self) -> Atlas:
        """Return the atlas."""
        sizes = np.array([[lv.shape[:2] for lv in levels] for levels in self._levels])
        counts = sizes.prod(axis=2)
        offset = (np.cumsum(counts.reshape(-1)) - counts.reshape(-1)).reshape(counts.shape)
        data = np.concatenate([lv.reshape(-1, 4) for levels in self._levels for lv in levels])
        bits = np.round(np.log2(sizes)).astype(np.int32)
        gloss, glow, diffuse = np.array(self._surface, np.float32).T.copy()
        return Atlas(
            data=np.ascontiguousarray(data).view(np.uint32)[:, 0],
            offset=offset.astype(np.int32),
            width_bits=bits[..., 1],
            height_bits=bits[..., 0],
            gloss=gloss,
            glow=glow,
            diffuse=diffuse,
            names=tuple(self._names),
        )


def add_surfaces(atlas: AtlasBuilder, rng: np.random.Generator) -> None:
    """Add the textures that many things share."""
    atlas.add("plain", texels(speckled(rng, 64, 246, 3, 3)))
    atlas.add("paint", texels(speckled(rng, 128, 246, 3, 2)), gloss=0.35)
    atlas.add("metal", texels(speckled(rng, 128, 235, 8, 6)))
    atlas.add("glass", texels(speckled(rng, 64, 46, 6, 2)), gloss=0.75)
    atlas.add("lamp", texels(speckled(rng, 32, 245, 2, 6)), gloss=0.3, glow=0.35)
    atlas.add("plaster", texels(speckled(rng, 256, 232, 10, 5)))
    atlas.add("concrete", texels(speckled(rng, 256, 225, 12, 8)))
    atlas.add("fabric", texels(speckled(rng, 64, 220, 16, 12)))
    bark = cv2.resize(speckled(rng, 128, 215, 18, 14), (128, 256), interpolation=cv2.INTER_LINEAR)
    atlas.add("bark", texels(np.asarray(cv2.GaussianBlur(bark, (1, 9), 0), np.float32)))
    leaf = speckled(rng, 256, 215, 22, 26, 0.9)
    atlas.add("leaf", texels(leaf), diffuse=0.35)
    grass = speckled(rng, 512, 205, 20, 22, 1.0)
    tone = noise(rng, 512, 1.6)[..., None] * np.array([4.0, 2.0, 10.0], np.float32)
    atlas.add("grass", texels(grass + tone), diffuse=0.2)
    atlas.add("gravel", texels(speckled(rng, 256, 215, 14, 22, 0.8)))
    atlas.add("asphalt", texels(speckled(rng, 512, 128, 6, 9)))
    atlas.add("brick", texels(_courses(rng, rows=16, columns=8, mortar=0.86, spread=18)))
    atlas.add("tiles", texels(_courses(rng, rows=16, columns=16, mortar=0.72, spread=14)))
    atlas.add("planks", texels(_planks(rng)))
    atlas.add("wheel", texels(_wheel(rng)))
    atlas.add("plate", texels(_plate(rng)))


def _courses(
    rng: np.random.Generator, rows: int, columns: int, mortar: float, spread: float
) -> NDArray[np.float32]:
    """Return rows of stones, every other row shifted by half a stone; 256 x 256."""
    size = 256
    y, x = np.mgrid[:size, :size]
    row = y * rows // size
    shifted = (x + (row % 2) * size // (2 * columns)) % size
    column = shifted * columns // size
    stone = (220 + spread * rng.standard_normal((rows, columns)))[row, column]
    joint = (y * rows % size < 2 * rows) | (shifted * columns % size < 2 * columns)
    gray = np.where(joint, 220 * mortar, stone) + 5 * noise(rng, size, 0.4)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.float32)


def _planks(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return eight upright boards, 256 x 256."""
    x = np.arange(256)
    board = x // 32
    gray = (215 + 14 * rng.standard_normal(8))[board] - 70.0 * (x % 32 < 2)
    grain = cv2.GaussianBlur(noise(rng, 256, 0.4), (1, 31), 0) * 9
    return np.repeat((gray[None] + grain)[..., None], 3, axis=2).astype(np.float32)


def _wheel(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a rim with spokes in a tire, seen from the side, 128 x 128."""
    y, x = np.mgrid[:128, :128] - 63.5
    radius, angle = np.hypot(x, y) / 63.5, np.arctan2(y, x)
    spoke = np.cos(5 * angle) > -0.2
    gray = np.where(radius > 0.68, 52, np.where((radius > 0.58) | (radius < 0.15), 190, 45))
    gray = np.where((radius <= 0.58) & (radius >= 0.15) & spoke, 175, gray)
    gray = gray + 5 * noise(rng, 128, 0.3)
    return np.repeat(gray[..., None], 3, axis=2).astype(np.float32)


def _plate(rng: np.random.Generator) -> NDArray[np.float32]:
    """Return a number plate, 128 x 32."""
    image = np.full((32, 128, 3), 225, np.uint8)
    image[:, :12] = (160, 70, 20)
    letters = "".join(chr(65 + int(c)) for c in rng.integers(0, 26, 3))
    text = f"{letters[:1]} {letters[1:]} {int(rng.integers(100, 999))}"
    cv2.putText(image, text, (18, 24), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (25, 25, 25), 2, cv2.LINE_AA)
    return image.astype(np.float32)

"""Labels drawn from annotations."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.labels.polygons import fill
from pdn_ros.labels.rle import Mask
from pdn_ros.labels.source import Ids
from pdn_ros.messages.cdr import MAX_PIXELS

Points: TypeAlias = Sequence[Sequence[float]] | NDArray[Any]


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotation.

    Attributes:
        category: Index of its category.
        place: File and annotation, for errors.
        polygons: Outlines; each (N, 2) x, y in pixels.
        mask: Returns a mask, where the annotation is one.
        corner: Pixel x, y of the image that is the mask's first.
    """

    category: int
    place: str
    polygons: tuple[Points, ...] = ()
    mask: Callable[[], Mask] | None = None
    corner: tuple[int, int] = (0, 0)

    def draw(self, canvas: Ids) -> None:
        """Set the annotation's pixels to its category.

        Raises:
            InputError: It is damaged or reaches beyond the image.
        """
        try:
            for points in self.polygons:
                fill(canvas, self.category, points)
            if self.mask is None:
                return
            mask = self.mask()
            (x, y), (height, width) = self.corner, mask.shape
            area = canvas[y : y + height, x : x + width]
            if min(x, y) < 0 or area.shape != mask.shape:
                raise InputError(f"mask of {width}x{height} pixels at x={x} y={y} is too large")
            area[mask] = self.category
        except (InputError, ValueError) as error:
            raise InputError(f"{self.place}: {error}: correct or remove it") from error


@dataclass(frozen=True, slots=True)
class Drawing:
    """A label drawn from annotations, later ones over earlier ones.

    Attributes:
        width: Of the image, pixels.
        height: Of the image, pixels.
        background: Category of what no annotation covers.
        shapes: The annotations.
    """

    width: int
    height: int
    background: int
    shapes: tuple[Shape, ...]

    def __call__(self) -> Ids:
        """Return the label, (H, W) uint8 indices of categories."""
        canvas = np.full((self.height, self.width), self.background, dtype=np.uint8)
        for shape in self.shapes:
            shape.draw(canvas)
        return canvas


def check_size(width: int, height: int, place: str) -> None:
    """Raise InputError if no image can have this size."""
    if min(width, height) < 1 or width * height > MAX_PIXELS:
        raise InputError(f"{place}: image of {width}x{height} pixels: correct its size")


def box(mask: Mask) -> tuple[int, int, int, int]:
    """Return left, top, width and height of a mask that is not empty, pixels."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    left, top = int(columns[0]), int(rows[0])
    return left, top, int(columns[-1]) - left + 1, int(rows[-1]) - top + 1


def ellipse(x: float, y: float, half_width: float, half_height: float) -> NDArray[np.float64]:
    """Return the outline (64, 2) of an ellipse around x, y; pixels."""
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    return np.stack([x + half_width * np.cos(turn), y + half_height * np.sin(turn)], axis=1)

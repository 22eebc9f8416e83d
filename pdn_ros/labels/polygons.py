"""Polygons <-> pixels.

Coordinates are pixels from the image's upper left corner, as labeling tools have them: the first
pixel covers 0 to 1. A pixel belongs to a polygon when its center lies inside (even-odd rule).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.labels.source import Ids


def fill(canvas: Ids, value: int, points: Sequence[Sequence[float]] | NDArray[Any]) -> None:
    """Set the pixels of a polygon.

    Args:
        canvas: (H, W), changed in place.
        value: What its pixels become.
        points: (N, 2) corners x, y; the last one is joined to the first.
    """
    start = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    height, width = canvas.shape
    if len(start) < 3:
        return
    top, bottom = _span(start[:, 1], height)
    left, right = _span(start[:, 0], width)
    if top >= bottom or left >= right:
        return
    # Every edge flips what lies to its right, in the rows whose centers it crosses.
    flips = np.zeros((bottom - top, right - left + 1), dtype=np.uint8)
    for (x0, y0), (x1, y1) in zip(start, np.roll(start, -1, axis=0), strict=True):
        first, last = sorted((y0, y1))
        rows = np.arange(max(_first(first), top), min(_first(last), bottom))
        if len(rows):
            x = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
            columns = np.clip(np.ceil(x - 0.5), left, right).astype(np.intp)
            flips[rows - top, columns - left] ^= 1
    inside = np.bitwise_xor.accumulate(flips[:, :-1], axis=1).astype(bool)
    canvas[top:bottom, left:right][inside] = value


def _first(position: float) -> int:
    """Return the first pixel whose center is not before a position."""
    return int(np.ceil(np.clip(position, -1e6, 1e6) - 0.5))


def _span(positions: NDArray[np.float64], size: int) -> tuple[int, int]:
    low, high = _first(float(positions.min())), _first(float(positions.max()))
    return max(low, 0), min(high, size)


def regions(label: Ids, tolerance: float = 0.0) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the connected regions of a label as polygons, in the order in which to draw them.

    A polygon covers the holes of its region too; what lies in a hole is drawn later. With
    `tolerance` 0, drawing all of them gives the label again. Void regions are among them.

    Args:
        label: (H, W) ids.
        tolerance: How far a simplified outline may be off, pixels.

    Yields:
        Id and corners (N, 2) of each region, x and y in pixels.
    """
    found = []
    for value in np.unique(label):
        same = (label == value).astype(np.uint8)
        count, parts, stats, _ = cv2.connectedComponentsWithStats(same, connectivity=4)
        for i in range(1, count):
            x, y, width, height = (int(n) for n in stats[i, :4])
            part = parts[y : y + height, x : x + width] == i
            filled = _without_holes(part)
            corners = _outline(filled) + np.array((x, y))
            found.append((int(filled.sum()), int(value), corners))
    # What lies in a hole is smaller than what surrounds it.
    for _, value, corners in sorted(found, key=lambda f: -f[0]):
        outline = corners
        if tolerance > 0:
            simple = cv2.approxPolyDP(corners.astype(np.float32), tolerance, closed=True)
            outline = np.asarray(simple, dtype=np.float64).reshape(-1, 2)
        if len(outline) >= 3:
            yield value, outline


def _without_holes(part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Fill what cannot be reached from outside by steps along rows and columns."""
    outside = np.pad(~part, 1, constant_values=True).astype(np.uint8)
    _, reached = cv2.connectedComponents(outside, connectivity=4)
    return np.asarray(reached != reached[0, 0])[1:-1, 1:-1]


def _outline(part: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the corners (N, 2) of the outline of a region without holes.

    The outline of such a region passes no point twice: where two of its pixels touch at a corner
    alone, either the region or what surrounds it would fall apart.
    """
    padded = np.pad(part, 1).astype(np.int8)
    down, across = np.diff(padded, axis=0)[:, 1:-1], np.diff(padded, axis=1)[1:-1]
    follows: dict[tuple[int, int], tuple[int, int]] = {}
    # Clockwise: the region lies to the right of every step.
    for y, x in np.argwhere(down == 1).tolist():
        follows[x, y] = (x + 1, y)
    for y, x in np.argwhere(down == -1).tolist():
        follows[x + 1, y] = (x, y)
    for y, x in np.argwhere(across == 1).tolist():
        follows[x, y + 1] = (x, y)
    for y, x in np.argwhere(across == -1).tolist():
        follows[x, y] = (x, y + 1)
    corners, start = [], next(iter(follows))
    before, here = start, follows[start]
    while True:
        after = follows[here]
        if (after[0] - before[0]) and (after[1] - before[1]):  # a turn
            corners.append(here)
        before, here = here, after
        if before == start:
            return np.array(corners, dtype=np.float64)

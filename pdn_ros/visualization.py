"""Pictures of masks, patches and grids, fast enough for a node."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.files import atomic


@lru_cache(maxsize=8)
def color_table(classes: ClassSet) -> NDArray[np.uint8]:
    """Color of every id, (256, 1, 3) uint8 BGR as cv2 takes it; black where there is no class."""
    table = np.zeros((256, 1, 3), dtype=np.uint8)
    table[: len(classes.classes), 0] = classes.colors[:, ::-1]
    table.flags.writeable = False
    return table


def colorize(mask: NDArray[np.uint8], classes: ClassSet) -> NDArray[np.uint8]:
    """Color a mask of class ids.

    Args:
        mask: (H, W) uint8 class ids; void is black.
        classes: The class set.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    return np.asarray(cv2.applyColorMap(mask, color_table(classes)), dtype=np.uint8)


def save_mask(path: Path, mask: NDArray[np.uint8], classes: ClassSet) -> None:
    """Write a mask as a palette PNG: it stores the ids, and any viewer shows the colors.

    Raises:
        InputError: The folder cannot be written.
    """
    picture = Image.fromarray(mask)
    picture.putpalette(color_table(classes)[:, 0, ::-1].tobytes())
    with atomic(path) as part:
        picture.save(part, format="PNG")


OUTLINE = (255, 240, 90)  # BGR; the heat map has no light cyan
SHADOW = (30, 20, 20)
PRIOR = (120, 255, 120)
NEAREST_M, FARTHEST_M = 2.0, 80.0


def overlay(
    image: NDArray[np.uint8], mask: NDArray[np.uint8], classes: ClassSet, alpha: float = 0.5
) -> NDArray[np.uint8]:
    """Blend the class colors over the image; void pixels stay as they are.

    Args:
        image: (H, W, 3) uint8 BGR.
        mask: (H, W) uint8 class ids.
        classes: The class set.
        alpha: Weight of the colors, 0 to 1.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    blended = cv2.addWeighted(image, 1 - alpha, colorize(mask, classes), alpha, 0)
    void = cv2.inRange(mask, VOID, VOID)
    if cv2.countNonZero(void):
        cv2.copyTo(image, void, blended)
    return np.asarray(blended, dtype=np.uint8)


def depth_overlay(image: NDArray[np.uint8], depth: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Draw measured ranges over a dimmed image: near is red, far is blue, on a log scale.

    Args:
        image: (H, W, 3) uint8 BGR.
        depth: (H, W) float32 meters along the optical axis; 0 or NaN where nothing was measured.

    Returns:
        (H, W, 3) uint8 BGR. Single measurements are drawn as dots of some pixels.
    """
    code = np.zeros(depth.shape, dtype=np.uint8)
    # Scans are sparse: only the measured pixels are worth a logarithm.
    seen = np.nonzero(depth > 0)
    code[seen] = _range_codes(depth[seen])
    size = 2 * max(1, round(depth.shape[0] / 540)) + 1
    dots = cv2.dilate(code, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    picture = cv2.convertScaleAbs(image, alpha=0.6)
    cv2.copyTo(cv2.applyColorMap(dots, cv2.COLORMAP_TURBO), dots, picture)
    return np.asarray(picture, dtype=np.uint8)


def range_colors(ranges: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return the colors of measured ranges, as in `depth_overlay`.

    Args:
        ranges: (N,) float32 meters.

    Returns:
        (N, 3) uint8 RGB.
    """
    if not len(ranges):
        return np.empty((0, 3), dtype=np.uint8)
    colors = cv2.applyColorMap(_range_codes(ranges)[:, None], cv2.COLORMAP_TURBO)
    return np.asarray(colors[:, 0, ::-1], dtype=np.uint8)


def _range_codes(ranges: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return 255 for the nearest range to 1 for the farthest."""
    share = np.log(np.maximum(ranges, NEAREST_M) / NEAREST_M) / np.log(FARTHEST_M / NEAREST_M)
    return np.asarray(255 - np.clip(254 * share, 0, 254), dtype=np.uint8)


def saliency(
    image: NDArray[np.uint8],
    weights: NDArray[np.float32],
    selected: NDArray[np.int32],
    patch_size: int,
    prior: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Show the driver's weights as heat and the refined patches in full color, outlined.

    Args:
        image: (H, W, 3) uint8 BGR.
        weights: (rows, cols) driver weight of every patch, 0 to 1.
        selected: (K,) row-major ids of the refined patches.
        patch_size: Side of a patch in pixels.
        prior: (rows, cols) LiDAR prior, 0 to 1, drawn as a bar at the foot of each patch.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    height, width = image.shape[:2]
    rows, cols = weights.shape
    grid_size = (cols * patch_size, rows * patch_size)  # may reach over the image's border

    code = cv2.convertScaleAbs(weights, alpha=255)
    code = cv2.resize(code, grid_size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    heat = cv2.applyColorMap(code, cv2.COLORMAP_INFERNO)
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    picture = np.asarray(cv2.addWeighted(gray, 0.65, heat, 0.6, 0), dtype=np.uint8)

    thickness = max(1, round(height / 540))
    corners = _corners(selected, cols, patch_size)
    for x, y in corners:
        area = np.s_[y : y + patch_size, x : x + patch_size]
        picture[area] = cv2.addWeighted(image[area], 0.8, heat[area], 0.2, 0)
    # A dark line under a light one: one of them stands out in any picture. All dark lines come
    # first, so that none covers a neighbor's light one.
    for color, inset, thick in ((SHADOW, 0, 3 * thickness), (OUTLINE, thickness, thickness)):
        for x, y in corners:
            last = patch_size - 1 - inset
            cv2.rectangle(picture, (x + inset, y + inset), (x + last, y + last), color, thick)
    if prior is not None:
        _draw_bars(picture, prior, patch_size)
    return picture


def _corners(ids: NDArray[np.int32], cols: int, patch_size: int) -> list[tuple[int, int]]:
    """Upper left pixel (x, y) of patches."""
    y, x = np.divmod(np.asarray(ids, dtype=np.intp), cols)
    return [(int(a), int(b)) for a, b in zip(x * patch_size, y * patch_size, strict=True)]


def _draw_bars(picture: NDArray[np.uint8], share: NDArray[np.float32], patch_size: int) -> None:
    """Draw a bar at the foot of each patch; its length shows the share."""
    margin = patch_size // 8
    lengths = np.round(np.clip(share, 0, 1) * (patch_size - 2 * margin)).astype(int)
    ids = np.flatnonzero(lengths > 0).astype(np.int32)
    for (x, y), length in zip(
        _corners(ids, share.shape[1], patch_size), lengths.ravel()[ids], strict=True
    ):
        foot = y + patch_size - margin
        start, end = (x + margin, foot - margin // 2), (x + margin + int(length), foot)
        cv2.rectangle(picture, start, end, PRIOR, cv2.FILLED)


UNKNOWN: Final = (74, 66, 62)  # BGR
FREE: Final = (226, 240, 222)
EVEN: Final = (120, 190, 235)
OCCUPIED: Final = (40, 40, 200)


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint8]:
    """Color of every value as uint8: 0 free to 100 occupied, all else (-1 is 255) unknown."""
    table = np.empty((256, 1, 3), dtype=np.uint8)
    table[:] = UNKNOWN
    values = np.arange(101)
    for channel in range(3):
        stops = (FREE[channel], EVEN[channel], OCCUPIED[channel])
        table[:101, 0, channel] = np.interp(values, (0, 50, 100), stops)
    return table


def grid_image(data: NDArray[np.int8], scale: int = 1) -> NDArray[np.uint8]:
    """Draw an occupancy grid as seen from above, x (forward) up and y to the left.

    Args:
        data: (rows = y, cols = x) int8 as in nav_msgs/OccupancyGrid: -1 unknown, 0 free to 100
            occupied.
        scale: Pixels a cell.

    Returns:
        (cols * scale, rows * scale, 3) uint8 BGR; its upper left pixel is the largest x and y.
    """
    seen = np.ascontiguousarray(data.view(np.uint8).T[::-1, ::-1])
    picture = cv2.applyColorMap(seen, _table())
    if scale > 1:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_NEAREST)
    return np.asarray(picture, dtype=np.uint8)

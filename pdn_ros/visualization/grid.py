"""Occupancy grids as pictures."""

from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

UNKNOWN: Final = (74, 66, 62)  # BGR
FREE: Final = (226, 240, 222)
EVEN: Final = (120, 190, 235)
OCCUPIED: Final = (40, 40, 200)


@lru_cache(maxsize=1)
def _table() -> NDArray[np.uint8]:
    """Colour of every value as uint8: 0 free to 100 occupied, all else (-1 is 255) unknown."""
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

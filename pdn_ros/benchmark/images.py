"""The picture that everything is measured on."""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=4)
def picture(width: int, height: int) -> NDArray[np.uint8]:
    """Return a coloured picture with areas and edges, (H, W, 3) uint8 BGR, the same every time."""
    small = np.random.default_rng(0).integers(0, 255, (18, 32, 3), dtype=np.uint8)
    made = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(made, dtype=np.uint8)

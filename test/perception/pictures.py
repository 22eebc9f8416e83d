"""Images without any file."""

import numpy as np


def picture(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / a + y / b) * 100 + 128 for a, b in ((30, 50), (70, 20), (15, 90))]
    return np.stack(waves, 2).astype(np.uint8)

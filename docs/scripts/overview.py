"""Draw docs/images/overview.jpg: python docs/scripts/overview.py REPORT.html FRAME."""

import base64
import re
import sys
from pathlib import Path

import cv2
import numpy as np

OUT = Path("docs/images/overview.jpg")


def pictures(report: Path) -> list[list[np.ndarray]]:
    """Return the pictures of each frame: camera, lidar, mask, saliency, grids."""
    frames: list[list[np.ndarray]] = []
    for data in re.findall(r"data:image/\w+;base64,([A-Za-z0-9+/=]+)", report.read_text()):
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        wide = picture.shape[1] > picture.shape[0]
        if wide and (not frames or frames[-1][-1].shape[0] == frames[-1][-1].shape[1]):
            frames.append([])
        frames[-1].append(picture)
    return frames


if __name__ == "__main__":
    _, lidar, mask, saliency, grid, *_ = pictures(Path(sys.argv[1]))[int(sys.argv[2])]
    height, width = mask.shape[:2]
    tile = np.full_like(mask, grid[0, 0])
    size = height * grid.shape[1] // grid.shape[0]
    left = (width - size) // 2
    tile[:, left : left + size] = cv2.resize(grid, (size, height), interpolation=cv2.INTER_AREA)
    OUT.parent.mkdir(exist_ok=True)
    rows = [np.hstack(pair) for pair in ((mask, saliency), (lidar, tile))]
    cv2.imwrite(str(OUT), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])

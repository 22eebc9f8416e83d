"""Draw docs/images/overview.jpg: python docs/scripts/overview.py REPORT.html FRAME.

FRAME counts the frames that the report shows, from 0.
"""

import base64
import json
import re
import sys
from pathlib import Path

import cv2
import numpy as np

from pdn_ros.files import atomic

OUT = Path("docs/images/overview.jpg")


def pictures(report: Path, frame: int) -> dict[str, np.ndarray]:
    """Return a frame's pictures by name: view-camera, view-mask, map-fused, ..."""
    page = report.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', page)
    assert found, f"{report}: no report of pdn evaluate"
    uris = json.loads(found[1])[frame]["pictures"]
    return {name: _decoded(uri.partition(",")[2]) for name, uri in uris.items()}


def _decoded(text: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


if __name__ == "__main__":
    shown = pictures(Path(sys.argv[1]), int(sys.argv[2]))
    mask, grid = shown["view-mask"], shown["map-fused"]
    height, width = mask.shape[:2]
    tile = np.full_like(mask, grid[0, 0])
    size = height * grid.shape[1] // grid.shape[0]
    left = (width - size) // 2
    tile[:, left : left + size] = cv2.resize(grid, (size, height), interpolation=cv2.INTER_AREA)
    pairs = ((mask, shown["view-saliency"]), (shown["view-lidar"], tile))
    with atomic(OUT) as part:
        jpeg = cv2.imencode(".jpg", np.vstack([np.hstack(p) for p in pairs]))[1]
        part.write_bytes(jpeg.tobytes())

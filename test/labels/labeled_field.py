"""A small labeled scene."""

from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 24, 32
CLASSES = {
    "name": "field",
    "classes": [
        {"name": "soil", "color": [90, 60, 30], "role": "ground"},
        {"name": "crop", "color": [0, 255, 0], "role": "static"},
        {"name": "traffic_light", "color": [255, 0, 0], "role": "static", "thin": True},
    ],
}
COLORS = np.zeros((256, 3), dtype=np.uint8)
COLORS[:3] = [info["color"] for info in CLASSES["classes"]]


def scene() -> np.ndarray:
    """Ids: soil with a crop in it, a light in the crop, a void corner."""
    label = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    label[4:20, 6:26] = 1
    label[8:14, 10:15] = 2
    label[10:12, 11:13] = 0
    label[20:, :5] = 255
    return label


def write_images(folder: Path, *names: str, size=(WIDTH, HEIGHT)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size, (40, 50, 60)).save(folder / name)


def read_png(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        assert image.mode == "P"
        return np.array(image)


def write_masks(folder: Path, *names: str, label: np.ndarray | None = None) -> None:
    """Write masks of the scene, or of another label, in the classes' colors."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(COLORS[scene() if label is None else label]).save(folder / name)

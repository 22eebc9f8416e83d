"""Simulated frames as a labelled data set: images, palette label images, dataset.yaml."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import yaml
from PIL import Image

from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.simulation.drive import DriveConfig, DriveFrame, render_drive

QUALITY = 94


def sample_drives(configs: Iterable[DriveConfig], every: int) -> Iterator[tuple[str, DriveFrame]]:
    """Yield names and frames: each `every`-th frame of each drive, shifted by the seed."""
    for config in configs:
        first = config.seed % every
        wanted = range(min(first, config.frames - 1), config.frames, every)
        for frame in render_drive(config, wanted, camera_only=True):
            yield f"{config.scene}_{config.seed:04d}_{frame.index:05d}", frame


def write_folder(frames: Iterable[tuple[str, DriveFrame]], out: Path, split: str = "train") -> int:
    """Write frames as `{split}/images/NAME.jpg`, `{split}/labels/NAME.png` and `dataset.yaml`.

    Files are added to a folder that is there already.

    Args:
        frames: Names and frames, as `sample_drives` yields.
        out: Folder of the data set.
        split: Name of the split.

    Returns:
        The number of frames written.

    Raises:
        InputError: The folder cannot be written.
    """
    classes = load_classes("street")
    palette = classes.colors.reshape(-1).tolist()
    images, labels = out / split / "images", out / split / "labels"
    with atomic(out / "dataset.yaml") as part:
        text = yaml.safe_dump({"classes": list(classes.names), "hidden": {}}, sort_keys=False)
        part.write_text(text, encoding="utf-8")
    count = 0
    for name, frame in frames:
        with atomic(images / f"{name}.jpg") as part:
            options = [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
            if not cv2.imwrite(str(part), frame.image, options):
                raise InputError(f"{images}: {name}.jpg cannot be written; check the free space")
        with atomic(labels / f"{name}.png") as part:
            picture = Image.fromarray(frame.mask, mode="P")
            picture.putpalette(palette)
            picture.save(part, optimize=False)
        count += 1
    return count

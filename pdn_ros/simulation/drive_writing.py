"""Writing simulated drives: as a rosbag2 recording, or as a labeled data set."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import yaml
from PIL import Image

from pdn_ros.bags import layout
from pdn_ros.bags.writer import DriveWriter
from pdn_ros.classes import load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.simulation.drive_rendering import EPOCH_NS, DriveConfig, DriveFrame, render_drive
from pdn_ros.simulation.rig import CAMERA_OPTICAL
from pdn_ros.simulation.scene import draw_course

ODOMETRY_HZ = 50.0


def simulate(
    config: DriveConfig, out: Path, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write the drive to a bag; images and scans have the same stamps.

    `/tf` has odometry at every frame's stamp and at 50 Hz, from before the first frame to
    after the last.

    Args:
        config: The drive.
        out: The bag's folder.
        progress: Called with the frames done and their number.

    Raises:
        InputError: Unknown scene or rig, or the bag cannot be written.
    """
    ego, street = draw_course(config.scene, config.seed, config.seconds)
    rig = config.sensors
    with DriveWriter(out) as bag:
        bag.static_transforms([(layout.BASE, layout.LIDAR, rig.base_lidar)])
        for mounted in rig.cameras:
            name = mounted.name
            bag.static_transforms(
                [
                    (layout.BASE, name, mounted.base_camera),
                    (name, layout.optical_frame(name), CAMERA_OPTICAL),
                ]
            )
        for stamp, time in _odometry_times(config):
            bag.transform(stamp, layout.ODOM, layout.BASE, ego.pose(street, time))
        for done, frame in enumerate(render_drive(config), 1):
            stamp = frame.stamp_ns
            for mounted, view in zip(rig.cameras, frame.views, strict=True):
                bag.image(stamp, view.image, view.name)
                bag.camera_info(stamp, mounted.camera, view.name)
                bag.mask(stamp, view.mask, view.name)
                bag.depth(stamp, view.depth, view.name)
            bag.boxes(stamp, list(frame.boxes))
            if frame.scan is not None:
                bag.points(stamp, frame.scan)
            if frame.occupancy is not None:
                bag.occupancy(stamp, frame.occupancy)
            if progress is not None:
                progress(done, config.frames)


def _odometry_times(config: DriveConfig) -> list[tuple[int, float]]:
    """Return stamps and times: the frames' and a steady rate around them."""
    margin = 3
    steps = range(-margin, round((config.frames / config.rate) * ODOMETRY_HZ) + margin)
    times = [k / ODOMETRY_HZ for k in steps] + [k / config.rate for k in range(config.frames)]
    return sorted({EPOCH_NS + round(t * 1e9): t for t in times}.items())


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

"""`drive:BAG`: a simulated drive, `/camera/image_raw` with `/truth/mask` of the same stamp.

A drive has no splits: every split is the whole drive. `drive:BAG?every=5` takes every fifth frame,
since neighbors differ little.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pdn_ros.bags.layout import IMAGE_TOPIC, MASK_TOPIC
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import Sample, no_options
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_image, read_mask


@dataclass(frozen=True)
class DriveDataset:
    """Frames of a bag; `times` are the log times in ns of image and mask of each frame.

    The bag is opened anew for every sample, so that processes can share the object.
    """

    name: str
    classes: tuple[str, ...]
    bag: Path
    times: tuple[tuple[int, int], ...]
    hidden: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    def sample(self, index: int) -> Sample:
        """Read one frame; ids beyond the class set are kept."""
        with Bag(self.bag) as bag:
            image, label = (
                next(bag.messages([topic], at_ns=at_ns)).data
                for topic, at_ns in zip((IMAGE_TOPIC, MASK_TOPIC), self.times[index], strict=True)
            )
        try:
            pixels, ids = read_image(image)[1], read_mask(label)[1]
        except InputError as error:
            raise InputError(f"{self.bag}: frame {index}: {error}") from error
        name = f"{self.name}_{index:06d}"
        return Sample(name, np.ascontiguousarray(pixels), np.ascontiguousarray(ids))


def open_split(
    bag: Path,
    split: str,  # noqa: ARG001
    classes: ClassSet,
    options: Mapping[str, str],
) -> DriveDataset:
    """List the frames of a drive that have a mask.

    Raises:
        InputError: The bag is damaged, or has no images or no masks.
    """
    no_options("drive", options, ("every",))
    every = options.get("every", "1")
    if not every.isdecimal() or int(every) < 1:
        raise InputError(f"drive: every={every}: give a number of frames, 1 or more")
    with Bag(bag) as opened:
        for topic in (IMAGE_TOPIC, MASK_TOPIC):
            if topic not in opened.topics:
                raise InputError(f"{bag}: no topic {topic}; only simulated drives have labels")
        images, masks = _stamps(opened, IMAGE_TOPIC), _stamps(opened, MASK_TOPIC)
    times = [(at, masks[stamp]) for stamp, at in sorted(images.items()) if stamp in masks]
    if not times:
        raise InputError(f"{bag}: no image has a mask of its stamp")
    return DriveDataset(bag.name, classes.names, bag, tuple(times[:: int(every)]))


def _stamps(bag: Bag, topic: str) -> dict[int, int]:
    """Map header stamps to log times, both ns."""
    try:
        return {read_header(m.data).stamp_ns: m.stamp_ns for m in bag.messages([topic])}
    except InputError as error:
        raise InputError(f"{bag.path}: {topic}: {error}") from error

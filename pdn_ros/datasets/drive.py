"""`drive:BAG`: a simulated drive, `/camera/image_raw` with `/truth/mask` of the same stamp.

A drive has no splits: whichever is asked for is the whole drive. `drive:BAG?every=5` takes every
fifth frame; neighbours differ little.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from rosbags.highlevel import AnyReader
from rosbags.typesys import Stores, get_typestore

from pdn_ros.classes import ClassSet
from pdn_ros.datasets.base import Sample, no_options
from pdn_ros.errors import InputError

IMAGE: Final = "/camera/image_raw"
MASK: Final = "/truth/mask"


@dataclass(frozen=True)
class Drive:
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
        """Read one frame; ids beyond the class set are the writer's and stay."""
        at_image, at_mask = self.times[index]
        with _open(self.bag) as reader:
            image = _pixels(self.bag, _message(reader, IMAGE, at_image), ("bgr8", "rgb8"))
            label = _pixels(self.bag, _message(reader, MASK, at_mask), ("mono8", "8UC1"))
        return Sample(f"{self.name}_{index:06d}", image, label)


def open_split(bag: Path, split: str, classes: ClassSet, options: Mapping[str, str]) -> Drive:  # noqa: ARG001
    """List the frames of a drive that have a mask.

    Raises:
        InputError: The bag is damaged, or has no images or no masks.
    """
    no_options("drive", options, ("every",))
    every = options.get("every", "1")
    if not every.isdecimal() or int(every) < 1:
        raise InputError(f"drive: every={every}: give a number of frames, 1 or more")
    with _open(bag) as reader:
        for topic in (IMAGE, MASK):
            if topic not in reader.topics:
                raise InputError(f"{bag}: no topic {topic}; only simulated drives have labels")
        images, masks = _stamps(reader, IMAGE), _stamps(reader, MASK)
    times = [(at, masks[stamp]) for stamp, at in sorted(images.items()) if stamp in masks]
    if not times:
        raise InputError(f"{bag}: no image has a mask of its stamp")
    return Drive(bag.name, classes.names, bag, tuple(times[:: int(every)]))


@contextmanager
def _open(bag: Path) -> Iterator[AnyReader]:
    """Open a bag; what fails in it while it is open becomes an InputError that names it."""
    try:
        with AnyReader([bag], default_typestore=get_typestore(Stores.ROS2_JAZZY)) as reader:
            yield reader
    except InputError:
        raise
    # A damaged file shows in whatever its bytes lead to: the reader has no error of its own.
    except Exception as error:
        raise InputError(f"{bag}: no readable rosbag2 ({error or type(error).__name__})") from error


def _stamps(reader: AnyReader, topic: str) -> dict[int, int]:
    """Map header stamps to log times, both ns."""
    connections = [c for c in reader.connections if c.topic == topic]
    stamps = {}
    for connection, at, raw in reader.messages(connections):
        stamp = reader.deserialize(raw, connection.msgtype).header.stamp  # type: ignore[attr-defined]
        stamps[stamp.sec * 10**9 + stamp.nanosec] = at
    return stamps


def _message(reader: AnyReader, topic: str, at: int) -> Any:
    connections = [c for c in reader.connections if c.topic == topic]
    connection, _, raw = next(reader.messages(connections, start=at, stop=at + 1))
    return reader.deserialize(raw, connection.msgtype)


def _pixels(bag: Path, message: Any, encodings: tuple[str, ...]) -> NDArray[np.uint8]:
    """Return an Image message as (H, W, 3) BGR or (H, W)."""
    if message.encoding not in encodings:
        raise InputError(f"{bag}: image encoding {message.encoding}; a drive has {encodings}")
    channels = 3 if message.encoding in ("bgr8", "rgb8") else 1
    try:
        rows = message.data.reshape(message.height, message.step)
        pixels = rows[:, : message.width * channels].reshape(message.height, message.width, -1)
    except ValueError as error:
        raise InputError(f"{bag}: image of the wrong size ({error})") from error
    if channels == 1:
        return np.ascontiguousarray(pixels[..., 0])
    return np.ascontiguousarray(pixels[..., ::-1] if message.encoding == "rgb8" else pixels)

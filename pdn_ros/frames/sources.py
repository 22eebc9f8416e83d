"""Where frames come from: a camera topic of a bag, a folder of images, a video file."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import ExifTags, Image

from pdn_ros.bags.reader import COMPRESSED_IMAGE, Bag
from pdn_ros.datasets.folder import IMAGE_SUFFIXES
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header, Reader, read_header
from pdn_ros.messages.compressed import Pixels, read_image_file
from pdn_ros.messages.images import read_image

_VIDEOS: Final = (".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".wmv")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame.

    Attributes:
        name: For files.
        stamp_ns: Header stamp; time from the start of a video; number of an image in a folder.
        pixels: Decodes it to (H, W, 3) uint8 BGR, upright; InputError if it is damaged.
        file: Returns the JPEG or PNG file that they come from, None if there is no such one.
    """

    name: str
    stamp_ns: int
    pixels: Callable[[], Pixels]
    file: Callable[[], bytes | None] = lambda: None


@dataclass(frozen=True, slots=True)
class Frames:
    """About `count` frames in the order of time, to be read once; `topic` is their source."""

    topic: str
    count: int
    each: Iterator[Frame]


def open_frames(path: Path, topic: str = "") -> AbstractContextManager[Frames]:
    """Open a recording, a folder of images or a video.

    Args:
        path: Any of them.
        topic: Image topic of a recording; empty: found by its type.

    Raises:
        InputError: It is none of them, or holds no images.
    """
    if path.is_dir() and not (path / "metadata.yaml").is_file():
        images = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        if images:
            return _folder(path, sorted(images, key=_natural))
    if path.is_file() and path.suffix.lower() in _VIDEOS:
        return _video(path)
    return _bag(path, topic)


def _natural(path: Path) -> list[tuple[int, str]]:
    """Return a key that sorts img_2 before img_10."""
    return [(int(p), "") if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", path.name)]


@contextmanager
def _folder(path: Path, images: list[Path]) -> Iterator[Frames]:
    repeated = len(images) - len({image.stem for image in images})
    if repeated:
        raise InputError(f"{path}: {repeated} images share a name with another one: rename them")
    frames = (
        Frame(
            image.stem,
            number,
            partial(read_image_file, image, upright=True),
            partial(_as_is, image),
        )
        for number, image in enumerate(images)
    )
    yield Frames(path.resolve().name, len(images), frames)


def _as_is(image: Path) -> bytes | None:
    """Return the bytes of a JPEG or PNG file, unless its EXIF data turn it."""
    try:
        with Image.open(image, formats=("JPEG", "PNG")) as opened:
            if opened.getexif().get(ExifTags.Base.Orientation, 1) > 1:
                return None
        return image.read_bytes()
    except (OSError, SyntaxError, ValueError, TypeError):
        return None  # another format; damage shows when the pixels are read


@contextmanager
def _video(path: Path) -> Iterator[Frames]:
    video = cv2.VideoCapture(str(path))
    try:
        count = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        if not video.isOpened() or count < 1:
            raise InputError(f"{path}: no video that can be read; extract its images, or a bag")
        yield Frames(path.name, count, _video_frames(path, video))
    finally:
        video.release()


def _video_frames(path: Path, video: cv2.VideoCapture) -> Iterator[Frame]:
    def pixels() -> Pixels:
        whole, image = video.retrieve()
        if not whole:
            raise InputError(f"{path}: frame {number} cannot be decoded")
        return np.asarray(image, dtype=np.uint8)

    number = 0
    while video.grab():
        stamp_ns = round(video.get(cv2.CAP_PROP_POS_MSEC) * 1e6)
        yield Frame(f"{path.stem}_{number:06d}", stamp_ns, pixels)
        number += 1


@contextmanager
def _bag(path: Path, topic: str) -> Iterator[Frames]:
    with Bag(path) as bag:
        found = bag.image_topic(topic)
        yield Frames(found.name, found.count, _bag_frames(bag, found.name))


def _bag_frames(bag: Bag, topic: str) -> Iterator[Frame]:
    for number, message in enumerate(bag.messages([topic])):
        compressed = message.msgtype == COMPRESSED_IMAGE
        try:
            stamp_ns = read_header(message.data).stamp_ns
        except InputError as error:
            raise InputError(f"{bag.path}: {topic}: image {number}: {error}") from error
        yield Frame(
            f"{bag.path.resolve().stem}_{number:06d}",
            stamp_ns,
            partial(_decoded, message.data, compressed),
            partial(_file_in, message.data, compressed),
        )


def _decoded(data: bytes, compressed: bool) -> Pixels:
    return np.ascontiguousarray(read_image(data, compressed=compressed)[1])


def _file_in(data: bytes, compressed: bool) -> bytes | None:
    """Return the JPEG or PNG file in a CompressedImage."""
    if not compressed:
        return None
    reader = Reader(data)
    Header.read(reader)
    reader.string()
    file = reader.array("u1").tobytes()
    return file if file.startswith((b"\xff\xd8", b"\x89PNG")) else None

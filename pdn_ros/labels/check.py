"""`pdn labels check`: what looks wrong in a labeled folder."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.datasets.base import evenly, read_ids
from pdn_ros.errors import InputError
from pdn_ros.labels.folder import IMAGES, LabelledFolder
from pdn_ros.labels.source import Ids, plain
from pdn_ros.messages.compressed import read_image_file
from pdn_ros.network.checkpoint import read_checkpoint
from pdn_ros.page import Picture, photo
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.resources import weights_path
from pdn_ros.visualization import overlay

MOST_SHOWN: Final = 60
_WIDTH: Final = 400  # of the pictures, pixels
_SMALLEST: Final = 32  # side of an image that the network takes

UNKNOWN: Final = "ids without a class"
SIZES: Final = "labels of another size than their image"
EMPTY: Final = "labels without a labeled pixel"
DAMAGED: Final = "files that cannot be read"
NO_LABEL: Final = "images without a label"
NO_IMAGE: Final = "labels without an image"
REPEATED: Final = "images that are there twice"
NOBODY: Final = "classes that nobody labeled"


@dataclass(frozen=True, slots=True)
class Row:
    """An image on the page: its pictures by title, and what is wrong with it."""

    name: str
    pictures: dict[str, Picture]
    problems: tuple[str, ...]


@dataclass
class Findings:
    """What was found.

    Attributes:
        data: What was looked through.
        pixels: (C + 1,) labeled pixels of each class, last void.
        occurs: (C + 1,) number of labels in which each occurs.
        problems: What is wrong, by kind: lines that name the files.
        rows: Images to show: evenly picked ones, and some of those with problems.
        note: What else the user should know.
    """

    data: LabelledFolder
    pixels: NDArray[np.int64]
    occurs: NDArray[np.int64]
    problems: dict[str, list[str]] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    note: str = ""

    def add(self, kind: str, line: str) -> None:
        """Add a problem."""
        self.problems.setdefault(kind, []).append(line)


def inspect(data: LabelledFolder, weights: str, report: Callable[[int, int], None]) -> Findings:
    """Look through all images and labels.

    Args:
        data: The labeled folder.
        weights: Weights whose mask is shown beside the label; empty: those that ship. It is left
            out when no class has the same name.
        report: Called with the images done and their number.

    Raises:
        InputError: There are no images, or the weights cannot be read.
    """
    if not data.images:
        raise InputError(f"{data.path / IMAGES}: no images in it")
    count = len(data.classes.names) + 1
    found = Findings(data, np.zeros(count, np.int64), np.zeros(count, np.int64))
    network = _Network(data, weights)
    found.note = network.note
    for name in sorted(data.labels.keys() - data.images.keys()):
        found.add(NO_IMAGE, data.labels[name].name)
    names = sorted(data.images)
    shown = {names[i] for i in evenly(len(names), MOST_SHOWN)}
    first: dict[bytes, str] = {}
    for done, name in enumerate(names, start=1):
        before = {kind: len(lines) for kind, lines in found.problems.items()}
        image, label = _image(found, name, first), _label(found, name)
        if image is not None and label is not None and image.shape[:2] != label.shape:
            height, width = label.shape
            found.add(
                SIZES,
                f"{data.labels[name].name}: label {width}x{height},"
                f" image {image.shape[1]}x{image.shape[0]}",
            )
        wrong = tuple(k for k, lines in found.problems.items() if len(lines) > before.get(k, 0))
        if image is not None and (name in shown or (wrong and len(found.rows) < 2 * MOST_SHOWN)):
            found.rows.append(Row(name, _pictures(data, image, label, network), wrong))
        report(done, len(names))
    for name, number in zip(data.classes.names, found.occurs, strict=False):
        if not number:
            found.add(NOBODY, name)
    return found


def _image(found: Findings, name: str, first: dict[bytes, str]) -> NDArray[np.uint8] | None:
    """Read an image; note when it is damaged, or the same as one before it."""
    file = found.data.images[name]
    try:
        image = read_image_file(file)
    except InputError as error:
        found.add(DAMAGED, str(error))
        return None
    same = first.setdefault(hashlib.sha256(image.tobytes()).digest(), name)
    if same != name:
        found.add(REPEATED, f"{file.name}: the same as {found.data.images[same].name}")
    return image


def _label(found: Findings, name: str) -> Ids | None:
    """Read and count a label; note what is wrong with it."""
    file = found.data.labels.get(name)
    if file is None:
        found.add(NO_LABEL, found.data.images[name].name)
        return None
    try:
        label = read_ids(file)
    except InputError as error:
        found.add(DAMAGED, str(error))
        return None
    classes = len(found.data.classes.names)
    counts = np.bincount(label.ravel(), minlength=256)
    for value in (np.flatnonzero(counts[classes:VOID]) + classes).tolist():
        y, x = divmod(int(np.argmax(label.ravel() == value)), label.shape[1])
        found.add(
            UNKNOWN, f"{file.name}: id {value}, {counts[value]} pixels, the first at x={x} y={y}"
        )
    if not counts[:classes].any():
        found.add(EMPTY, file.name)
    counted = np.append(counts[:classes], counts[VOID])
    found.pixels += counted
    found.occurs += counted > 0
    return label


class _Network:
    """The present weights, where they have a class of the labels."""

    def __init__(self, data: LabelledFolder, weights: str) -> None:
        names = _classes(weights).names
        ids = {plain(name): i for i, name in enumerate(data.classes.names)}
        self.table = np.full(256, VOID, dtype=np.uint8)
        for i, name in enumerate(names):
            self.table[i] = ids.get(plain(name), VOID)
        shared = [name for name in names if plain(name) in ids]
        self.pipeline = Pipeline(PipelineConfig(weights=weights)) if shared else None
        self.note = (
            f"The network's mask has the classes {', '.join(shared)}."
            if shared
            else f"The weights know none of the classes ({', '.join(names)}):"
            " no mask of theirs is shown."
        )


def _classes(weights: str) -> ClassSet:
    """Return the classes of a file of weights, empty: the shipped one, without the network.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        checkpoint = read_checkpoint(weights or weights_path())
    except ValueError as error:
        raise InputError(str(error)) from error
    try:
        return ClassSet.model_validate_json(checkpoint.classes)
    except ValidationError as error:
        raise InputError(f"weights {weights}: carry no class set; train them anew") from error


def _pictures(
    data: LabelledFolder, image: NDArray[np.uint8], label: Ids | None, network: _Network
) -> dict[str, Picture]:
    """Return image, label and present mask as small pictures."""
    scale = min(1.0, _WIDTH / image.shape[1])
    resized = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    small = np.asarray(resized, dtype=np.uint8)

    def painted(ids: Ids) -> Picture:
        shown = cv2.resize(ids, small.shape[1::-1], interpolation=cv2.INTER_NEAREST_EXACT)
        return photo(overlay(small, np.asarray(shown, np.uint8), data.classes, 0.6))

    pictures = {"Image": photo(small)}
    if label is not None:
        pictures["Label"] = painted(label)
    if network.pipeline is not None and min(image.shape[:2]) >= _SMALLEST:
        mask = network.table[network.pipeline.segment(image, confidence=False).mask]
        title = "Network"
        if label is not None and label.shape == mask.shape:
            both = (label < len(data.classes.names)) & (mask != VOID)
            if both.any():
                title = f"Network: {(mask == label)[both].mean():.0%} as labeled"
        pictures[title] = painted(mask)
    return pictures

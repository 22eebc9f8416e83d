"""`pdn frames`: frames worth labeling, with what the present weights make of them."""

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from pdn_ros.classes import VOID, ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.frames.choice import choose, sharp, sharpness
from pdn_ros.frames.sources import Frame, Frames, open_frames
from pdn_ros.labels import folder
from pdn_ros.labels.names import class_file
from pdn_ros.labels.source import plain
from pdn_ros.messages.compressed import Pixels, encode_jpeg, read_image_file
from pdn_ros.network import patch_grid
from pdn_ros.network.pixels import pixels_of
from pdn_ros.perception import Pipeline, PipelineConfig
from pdn_ros.visualization import save_mask

PROPOSALS: Final = "proposals"
SHEET: Final = "frames.jpg"
_CANDIDATES: Final = 4
"""Candidates for each frame that is wanted: the sharpest of as many stretches of time."""
_LOOKED_AT: Final = 5
"""Frames of a stretch, evenly spaced, that are decoded to find its sharpest."""
_CELLS: Final = (2, 3)
"""Rows and columns of the image whose mean features describe it."""
_SMALLEST: Final = 32  # side of an image that the network takes
_JPEG: Final = (
    cv2.IMWRITE_JPEG_QUALITY,
    95,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR,
    cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444,
)
_PNG: Final = b"\x89PNG"
_THUMBNAIL: Final = 240  # pixels wide
_LINE: Final = 18  # height of a name below it
_LETTERS: Final = 32  # that fit


@dataclass(frozen=True, slots=True)
class Candidate:
    """A frame whose image lies in a file."""

    name: str
    stamp_ns: int
    sharpness: float
    file: Path


@dataclass
class Picked:
    """What was picked: number of frames, of those in the source, and lines for the user."""

    frames: int
    of: int
    notes: list[str] = field(default_factory=list)


def pick_frames(
    path: Path,
    out: Path,
    *,
    count: int = 60,
    topic: str = "",
    weights: str = "",
    classes: str = "",
    report: Callable[[int, int], None],
) -> Picked:
    """Write frames worth labeling: images/, frames.csv, frames.jpg, classes.yaml, proposals/.

    The source is read once; the memory does not depend on its length.

    Args:
        path: Recording, folder of images, or video.
        out: Folder to make.
        count: Number of frames.
        topic: Image topic of a recording; empty: found by its type.
        weights: Weights that doubt and propose; empty: those that ship.
        classes: Class set of the proposals; empty: that of the weights. Without a name in common
            there are no proposals.
        report: Called with the frames read and their number.

    Raises:
        InputError: The source, the weights or the class set cannot be used, no image can be
            read, or `out` exists already.
    """
    folder.require_new(out)
    with open_frames(path, topic) as frames:
        known = load_classes(classes) if classes else None
        pipeline = Pipeline(PipelineConfig(weights=weights))
        picked = Picked(0, frames.count)
        with atomic(out) as part:
            images = part / folder.IMAGES
            images.mkdir(parents=True)
            found = list(_candidates(frames, count * _CANDIDATES, images, picked, report))
            if not found:
                reason = picked.notes[0] if picked.notes else "they are smaller than 32 pixels"
                raise InputError(f"{path}: no image can be used: {reason}")
            keep, doubt = _chosen(found, count, pipeline)
            for candidate in set(found) - set(keep):
                candidate.file.unlink()
            _write_table(part / folder.FRAMES, keep, frames.topic, doubt)
            _write_sheet(part / SHEET, keep)
            _propose(part, keep, pipeline, known or pipeline.classes, picked)
    picked.frames = len(keep)
    if len(keep) < count:
        picked.notes.append(f"only {len(keep)} frames are sharp and differ from each other")
    return picked


def _candidates(
    frames: Frames, count: int, images: Path, picked: Picked, report: Callable[[int, int], None]
) -> Iterator[Candidate]:
    """Yield the sharpest frame of each of `count` stretches of time, its image written."""
    count = min(count, frames.count)
    step = max(1, frames.count // (count * _LOOKED_AT))
    best: tuple[float, Frame, Pixels] | None = None
    stretch = damaged = 0
    for number, frame in enumerate(frames.each):
        report(number + 1, max(frames.count, number + 1))
        if best and number * count // frames.count != stretch:
            yield _written(*best, images)
            best = None
        stretch = number * count // frames.count
        if number % step:
            continue
        try:
            image = frame.pixels()
        except InputError as error:
            damaged += 1
            if damaged == 1:
                picked.notes.append(f"{frame.name}: {error}")
            continue
        value = sharpness(image)
        if min(image.shape[:2]) >= _SMALLEST and (best is None or value > best[0]):
            best = value, frame, image
    if best:
        yield _written(*best, images)
    if damaged > 1:
        picked.notes.append(f"{damaged} images cannot be read: left out")


def _written(value: float, frame: Frame, image: Pixels, images: Path) -> Candidate:
    """Write a candidate's image: the file as it is, else a JPEG of all colors."""
    data = frame.file()
    if data is None:
        data = cv2.imencode(".jpg", image, _JPEG)[1].tobytes()
    file = images / f"{frame.name}{'.png' if data.startswith(_PNG) else '.jpg'}"
    file.write_bytes(data)
    return Candidate(frame.name, frame.stamp_ns, value, file)


def _chosen(
    found: list[Candidate], count: int, pipeline: Pipeline
) -> tuple[list[Candidate], list[float]]:
    """Return the candidates that are worth labeling, and the doubt about each."""
    clear = sharp(np.array([candidate.sharpness for candidate in found]))
    found = [candidate for candidate, is_clear in zip(found, clear, strict=True) if is_clear]
    looks = [_look(pipeline, read_image_file(candidate.file)) for candidate in found]
    doubt = np.array([look[1] for look in looks])
    chosen = choose(np.stack([look[0] for look in looks]), doubt, count)
    return [found[i] for i in chosen], doubt[chosen].tolist()


@torch.inference_mode()
def _look(pipeline: Pipeline, image: Pixels) -> tuple[NDArray[np.float32], float]:
    """Return what an image looks like, (F,), and the mean entropy of the context's classes, 0 to 1.

    The features are the context network's, averaged over parts of the image.
    """
    grid = patch_grid(image.shape[0], image.shape[1], pipeline.network)
    small = pixels_of(image, pipeline.device).shrunk(grid.context_size)
    context, _ = pipeline.parts.run_context(small, grid.rows, grid.cols, grid.cell)
    shares = context.logits.float().log_softmax(1)
    entropy = -(shares.exp() * shares).sum(1).mean() / np.log(shares.shape[1])
    features = functional.adaptive_avg_pool2d(context.features.float(), _CELLS)
    return features.flatten().cpu().numpy().copy(), float(entropy)


def _propose(
    out: Path, keep: list[Candidate], pipeline: Pipeline, classes: ClassSet, picked: Picked
) -> None:
    """Write the class set, and the masks of the present weights in its ids."""
    (out / folder.CLASSES).write_text(class_file(classes), encoding="utf-8")
    ids = {plain(name): i for i, name in enumerate(classes.names)}
    table = np.full(256, VOID, dtype=np.uint8)
    for i, name in enumerate(pipeline.classes.names):
        table[i] = ids.get(plain(name), VOID)
    if (table == VOID).all():
        picked.notes.append(f"the weights know no class of {classes.name}: no proposals")
        return
    for candidate in keep:
        mask = pipeline.segment(read_image_file(candidate.file), confidence=False).mask
        save_mask(out / PROPOSALS / f"{candidate.name}.png", table[mask], classes)


def _write_table(path: Path, keep: list[Candidate], topic: str, doubt: list[float]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["name", "topic", "stamp_ns", "sharpness", "doubt"])
        for c, value in zip(keep, doubt, strict=True):
            table.writerow([c.name, topic, c.stamp_ns, f"{c.sharpness:.2f}", f"{value:.4f}"])


def _write_sheet(path: Path, keep: list[Candidate]) -> None:
    """Draw all frames, small, with their names."""
    tiles = []
    for candidate in keep:
        image = read_image_file(candidate.file)
        height = round(_THUMBNAIL * image.shape[0] / image.shape[1])
        tile = np.zeros((height + _LINE, _THUMBNAIL, 3), dtype=np.uint8)
        tile[:height] = cv2.resize(image, (_THUMBNAIL, height), interpolation=cv2.INTER_AREA)
        name = candidate.name[-_LETTERS:]
        cv2.putText(tile, name, (4, height + 13), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (255,) * 3, 1)
        tiles.append(tile)
    columns = int(np.ceil(np.sqrt(len(tiles))))
    tall = max(tile.shape[0] for tile in tiles)
    sheet = np.zeros((tall * -(-len(tiles) // columns), _THUMBNAIL * columns, 3), dtype=np.uint8)
    for i, tile in enumerate(tiles):
        y, x = tall * (i // columns), _THUMBNAIL * (i % columns)
        sheet[y : y + tile.shape[0], x : x + _THUMBNAIL] = tile
    path.write_bytes(encode_jpeg(sheet, 85))

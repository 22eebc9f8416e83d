"""The pictures of the report."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros import visualization
from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.occupancy import Grid
from pdn_ros.page import Picture, drawing, photo
from pdn_ros.replay.drive import BASE, Drive, DriveCamera
from pdn_ros.replay.grids import planar
from pdn_ros.replay.output import Output, Seen
from pdn_ros.replay.report import MAX_FRAMES, KeyFrame
from pdn_ros.replay.results import FrameRow

Image = NDArray[np.uint8]
_ARROW_M = 2.5
_ARROW = (200, 100, 20)  # BGR
_SECOND_NS = 1e9


_TILE = 420
"""Width of one camera's picture in those of a rig, pixels."""
_COLUMNS = 3


@dataclass(slots=True)
class Presenter:
    """Collects key frames, evenly spread over the drive."""

    drive: Drive
    classes: ClassSet
    count: int
    frames: list[KeyFrame] = field(default_factory=list)
    _start_ns: int = -1
    _number: int = -1
    _wanted: deque[int] = field(init=False)
    _order: list[str] = field(init=False)

    def __post_init__(self) -> None:
        spread = np.linspace(0, max(0, self.count - 1), min(MAX_FRAMES, max(1, self.count)))
        self._wanted = deque(round(i) for i in spread)
        self._order = _left_to_right(self.drive)

    def add(self, seen: Seen, rows: Sequence[FrameRow]) -> None:
        """Take a set of images; only key frames are drawn."""
        self._number += 1
        first = seen[0][0]
        if self._start_ns < 0:
            self._start_ns = first.header.stamp_ns
        if not self._wanted or self._number < self._wanted[0]:
            return
        if all(one.image is None or output.mask is None for one, output in seen):
            return  # the next one with a mask takes its place
        while self._wanted and self._wanted[0] <= self._number:
            self._wanted.popleft()
        self.frames.append(
            KeyFrame(
                index=self._number,
                seconds=(first.header.stamp_ns - self._start_ns) / _SECOND_NS,
                views=self._views(seen),
                maps=self._maps(seen),
                facts=_facts(rows[0]) if len(self._order) == 1 else _facts_of_set(rows),
            )
        )

    def _views(self, seen: Seen) -> dict[str, Picture]:
        """Draw what each camera sees and what came of it; those of a rig side by side."""
        found = {
            one.camera: self._pictures(one.image, output)
            for one, output in seen
            if one.image is not None
        }
        if len(self._order) == 1:
            return {kind: photo(image) for kind, image in found[self._order[0]].items()}
        kinds = dict.fromkeys(kind for pictures in found.values() for kind in pictures)
        return {
            kind: photo(
                _side_by_side([found.get(name, {}).get(kind) for name in self._order]),
                width=_COLUMNS * _TILE,
            )
            for kind in kinds
        }

    def _pictures(self, image: Image, output: Output) -> dict[str, Image]:
        views = {"camera": image}
        if output.mask is not None and output.mask.shape == image.shape[:2]:
            views["mask"] = visualization.overlay(image, output.mask, self.classes)
        if output.patches is not None:
            patches = output.patches
            views["saliency"] = visualization.saliency(
                image,
                patches.weights,
                patches.selected.astype(np.int32),
                patches.patch_size,
                patches.prior,
            )
        if output.depth is not None and output.depth.shape == image.shape[:2]:
            views["lidar"] = visualization.depth_overlay(image, output.depth)
        return views

    def _maps(self, seen: Seen) -> dict[str, Picture]:
        recorded, output = next((pair for pair in seen if pair[1].grids), seen[0])
        if not output.grids:
            return {}
        window = output.grids.get("fused") or next(iter(output.grids.values()))
        lookup, stamp_ns = self.drive.transforms.lookup, recorded.header.stamp_ns
        grids = dict(output.grids)
        try:
            t_window_base = lookup(window.frame, BASE, stamp_ns)
            if recorded.grid is not None:
                t_truth_window = lookup(recorded.grid.frame, window.frame, stamp_ns)
                cells = recorded.grid.at(planar(t_truth_window, window.centers()))
                grids["truth"] = Grid(cells, window.origin_xy, window.resolution, window.frame)
        except LookupError:
            return {}  # said already where it was scored
        return {kind: drawing(_seen_from_above(g, t_window_base)) for kind, g in grids.items()}


def _left_to_right(drive: Drive) -> list[str]:
    """Return the cameras' names by where they look, from left to right, as far as known."""

    def bearing(camera: DriveCamera) -> float:
        message = drive.bag.first(camera.image.name)
        try:
            header = read_header(message.data) if message else None
            if header is None:
                return 0.0
            ahead = drive.transforms.lookup(BASE, header.frame_id, header.stamp_ns)[:2, 2]
        except (InputError, LookupError):
            return 0.0
        return float(np.arctan2(ahead[1], ahead[0]))

    return [one.name for one in sorted(drive.cameras.values(), key=bearing, reverse=True)]


def _seen_from_above(grid: Grid, t_grid_base: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw a grid, x to the right and y up, with an arrow for the vehicle."""
    picture = np.ascontiguousarray(np.rot90(visualization.grid_image(grid.data), -1))
    ends = planar(t_grid_base, np.array([[0.0, 0.0], [_ARROW_M, 0.0]]))
    cells = (ends - np.asarray(grid.origin_xy)) / grid.resolution - 0.5
    tail, tip = ((round(x), round(grid.data.shape[0] - 1 - y)) for x, y in cells)
    cv2.arrowedLine(picture, tail, tip, _ARROW, 2, cv2.LINE_AA, tipLength=0.4)
    return np.asarray(picture, dtype=np.uint8)


def _side_by_side(pictures: Sequence[Image | None]) -> Image:
    """Return the pictures of a rig's cameras in rows of at most three; None is left black."""
    known = next(picture for picture in pictures if picture is not None)
    height = round(_TILE * known.shape[0] / known.shape[1])
    tiles = [
        np.zeros((height, _TILE, 3), np.uint8) if picture is None else _fit(picture, height)
        for picture in pictures
    ]
    tiles += [np.zeros_like(tiles[0])] * (-len(tiles) % min(_COLUMNS, len(tiles)))
    rows = [np.hstack(tiles[i : i + _COLUMNS]) for i in range(0, len(tiles), _COLUMNS)]
    return np.vstack(rows)


def _fit(picture: Image, height: int) -> Image:
    """Scale a picture to a tile; what another shape leaves is black."""
    scale = min(_TILE / picture.shape[1], height / picture.shape[0])
    size = (max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    tile = np.zeros((height, _TILE, 3), np.uint8)
    tile[: size[1], : size[0]] = small
    return tile


def _facts_of_set(rows: Sequence[FrameRow]) -> str:
    facts = [f"set {rows[0].index}"]
    known = [row.latency_ms for row in rows if np.isfinite(row.latency_ms)]
    if known:
        facts.append(f"{max(known):.1f} ms")
    for row in rows:
        score = f", mIoU {100 * row.miou:.1f} %" if np.isfinite(row.miou) else ""
        facts.append(f"{row.camera}: {row.error or f'{row.selected} patches{score}'}")
    return " · ".join(facts)


def _facts(row: FrameRow) -> str:
    facts = [f"image {row.index}"]
    if np.isfinite(row.latency_ms):
        facts.append(f"{row.latency_ms:.1f} ms")
    if np.isfinite(row.refined_share):
        facts.append(f"{row.selected} patches refined ({100 * row.refined_share:.0f} %)")
        facts.append("with LiDAR prior" if row.prior_used else "without LiDAR prior")
    if np.isfinite(row.miou):
        facts.append(f"mIoU {100 * row.miou:.1f} %")
    return " · ".join(facts + ([row.error] if row.error else []))

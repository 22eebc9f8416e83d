"""The pictures of the report."""

from collections import deque
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros import visualization
from pdn_ros.classes import ClassSet
from pdn_ros.messages.occupancy import Grid
from pdn_ros.page import Picture, drawing, photo
from pdn_ros.replay.drive import BASE, Drive, RecordedImage
from pdn_ros.replay.grids import planar
from pdn_ros.replay.output import Output
from pdn_ros.replay.report import MAX_FRAMES, KeyFrame
from pdn_ros.replay.results import FrameRow

_ARROW_M = 2.5
_ARROW = (200, 100, 20)  # BGR
_SECOND_NS = 1e9


@dataclass(slots=True)
class Presenter:
    """Collects key frames, evenly spread over the drive."""

    drive: Drive
    classes: ClassSet
    count: int
    frames: list[KeyFrame] = field(default_factory=list)
    _start_ns: int = -1
    _wanted: deque[int] = field(init=False)

    def __post_init__(self) -> None:
        spread = np.linspace(0, max(0, self.count - 1), min(MAX_FRAMES, max(1, self.count)))
        self._wanted = deque(round(i) for i in spread)

    def add(self, recorded: RecordedImage, output: Output, row: FrameRow) -> None:
        """Take an image; only key frames are drawn."""
        if self._start_ns < 0:
            self._start_ns = recorded.header.stamp_ns
        if not self._wanted or recorded.index < self._wanted[0]:
            return
        if recorded.image is None or output.mask is None:
            return  # the next one with a mask takes its place
        while self._wanted and self._wanted[0] <= recorded.index:
            self._wanted.popleft()
        self.frames.append(
            KeyFrame(
                index=recorded.index,
                seconds=(recorded.header.stamp_ns - self._start_ns) / _SECOND_NS,
                views=self._views(recorded.image, output),
                maps=self._maps(recorded, output),
                facts=_facts(row),
            )
        )

    def _views(self, image: NDArray[np.uint8], output: Output) -> dict[str, Picture]:
        views = {"camera": photo(image)}
        if output.mask is not None and output.mask.shape == image.shape[:2]:
            views["mask"] = photo(visualization.overlay(image, output.mask, self.classes))
        if output.patches is not None:
            patches = output.patches
            views["saliency"] = photo(
                visualization.saliency(
                    image,
                    patches.weights,
                    patches.selected.astype(np.int32),
                    patches.patch_size,
                    patches.prior,
                )
            )
        if output.depth is not None and output.depth.shape == image.shape[:2]:
            views["lidar"] = photo(visualization.depth_overlay(image, output.depth))
        return views

    def _maps(self, recorded: RecordedImage, output: Output) -> dict[str, Picture]:
        if not output.grids:
            return {}
        window = output.grids.get("fused") or next(iter(output.grids.values()))
        lookup = self.drive.transforms.lookup
        grids = dict(output.grids)
        try:
            t_window_base = lookup(window.frame, BASE, recorded.header.stamp_ns)
            if recorded.grid is not None:
                t_truth_window = lookup(recorded.grid.frame, window.frame, recorded.header.stamp_ns)
                cells = recorded.grid.at(planar(t_truth_window, window.centers()))
                grids["truth"] = Grid(cells, window.origin_xy, window.resolution, window.frame)
        except LookupError:
            return {}  # said already where it was scored
        return {kind: drawing(_seen_from_above(g, t_window_base)) for kind, g in grids.items()}


def _seen_from_above(grid: Grid, t_grid_base: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw a grid, x to the right and y up, with an arrow for the vehicle."""
    picture = np.ascontiguousarray(np.rot90(visualization.grid_image(grid.data), -1))
    ends = planar(t_grid_base, np.array([[0.0, 0.0], [_ARROW_M, 0.0]]))
    cells = (ends - np.asarray(grid.origin_xy)) / grid.resolution - 0.5
    tail, tip = ((round(x), round(grid.data.shape[0] - 1 - y)) for x, y in cells)
    cv2.arrowedLine(picture, tail, tip, _ARROW, 2, cv2.LINE_AA, tipLength=0.4)
    return np.asarray(picture, dtype=np.uint8)


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

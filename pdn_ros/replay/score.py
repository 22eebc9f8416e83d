"""Scoring an evaluation frame by frame."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import ClassSet
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import split_ground
from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.messages.cdr import Header
from pdn_ros.metrics import Confusion
from pdn_ros.replay.boxes import BoxTally, returns_in_free
from pdn_ros.replay.drive import BASE, Drive, RecordedImage
from pdn_ros.replay.grids import GridTally, Sector
from pdn_ros.replay.output import Output
from pdn_ros.replay.results import KINDS, NAN, FrameRow, Metrics, Quantiles


@dataclass(slots=True)
class Scorer:
    """Scores every image with its output; `metrics` sums the scores up."""

    drive: Drive
    classes: ClassSet
    live: bool
    rows: list[FrameRow] = field(default_factory=list)
    _confusion: Confusion = field(init=False)
    _pixels: NDArray[np.int64] = field(init=False)
    _grids: dict[str, GridTally] = field(default_factory=lambda: {k: GridTally() for k in KINDS})
    _boxes: BoxTally = field(default_factory=BoxTally)
    _returns: list[int] = field(default_factory=lambda: [0, 0])
    _stages: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._confusion = Confusion(len(self.classes.names))
        self._pixels = np.zeros(256, dtype=np.int64)

    def add(self, image: RecordedImage, output: Output) -> FrameRow:
        """Score one image and return its row."""
        miou = NAN
        if output.mask is not None:
            self._pixels += np.bincount(output.mask.reshape(-1), minlength=256)
            if image.mask is not None:
                miou = self._score_mask(output.mask, image.mask)
        camera = self.drive.camera_of(image)
        if camera is not None:
            try:
                self._score_scene(image, output, camera)
            except LookupError as error:
                self.drive.note(str(error))
        if output.stages_ms:
            self._stages.append(output.stages_ms)
        patches = output.patches
        row = FrameRow(
            index=image.index,
            stamp_ns=image.header.stamp_ns,
            latency_ms=output.latency_ms,
            age_ms=output.age_ms,
            selected=len(patches.selected) if patches else 0,
            refined_share=len(patches.selected) / patches.weights.size if patches else NAN,
            prior_used=patches is not None and patches.prior is not None,
            miou=miou,
            error=image.error or output.error,
        )
        self.rows.append(row)
        return row

    def metrics(self, rate_hz: float) -> Metrics:
        """Return the figures over all images so far."""
        names = self.classes.names
        masks = sum(np.isfinite(row.latency_ms) for row in self.rows)
        failed = sum(bool(row.error) for row in self.rows)
        iou = self._confusion.iou()
        stages = self._stages[0] if self._stages else {}
        refined = [row.refined_share for row in self.rows if np.isfinite(row.refined_share)]
        total = max(1, int(self._pixels.sum()))
        return Metrics(
            frames=len(self.rows),
            rate_hz=rate_hz,
            dropped=int(len(self.rows) - masks - failed),
            failed=failed,
            latency_ms=Quantiles.of([row.latency_ms for row in self.rows]),
            age_ms=Quantiles.of([row.age_ms for row in self.rows]),
            live=self.live,
            miou=self._confusion.miou(),
            thin_miou=self._confusion.miou(self.classes.thin),
            per_class_iou={n: float(v) for n, v in zip(names, iou, strict=True)}
            if np.isfinite(iou).any()
            else {},
            class_share={n: float(self._pixels[i] / total) for i, n in enumerate(names)},
            refined_share=float(np.mean(refined)) if refined else NAN,
            grid={kind: tally.metrics() for kind, tally in self._grids.items()},
            boxes=self._boxes.metrics(),
            returns_in_free_share=self._returns[0] / self._returns[1] if self._returns[1] else NAN,
            stages_ms={k: float(np.median([s[k] for s in self._stages])) for k in stages},
        )

    def _score_mask(self, mask: NDArray[np.uint8], truth: NDArray[np.uint8]) -> float:
        if mask.shape != truth.shape:
            self.drive.note(f"truth mask of {truth.shape}, image of {mask.shape}: not scored")
            return NAN
        alone = Confusion(len(self.classes.names))
        alone.update(mask, truth)
        self._confusion.merge(alone)
        return alone.miou()

    def _score_scene(self, image: RecordedImage, output: Output, camera: Camera) -> None:
        lookup = self.drive.transforms.lookup
        stamp = image.header.stamp_ns
        t_base_camera = lookup(BASE, image.header.frame_id, stamp)
        t_camera_base = invert(t_base_camera)
        if image.grid is not None:
            t_truth_camera = lookup(image.grid.frame, image.header.frame_id, stamp)
            sector = Sector.of(camera, t_truth_camera)
            for kind, grid in output.grids.items():
                t_grid_truth = lookup(grid.frame, image.grid.frame, stamp)
                self._grids[kind].add(grid, image.grid, t_grid_truth, sector)
        scan = image.scan
        points = t_base_lidar = None
        if scan is not None:
            t_base_lidar = self._at_the_image(scan.header, stamp, output)
            finite = scan.points[np.isfinite(scan.points).all(axis=1)]
            points = finite @ t_base_lidar[:3, :3].T + t_base_lidar[:3, 3]
        fused = output.grids.get("fused")
        t_grid_base = lookup(fused.frame, BASE, stamp) if fused else None
        if image.boxes:
            self._boxes.add(
                image.boxes,
                camera=camera,
                t_camera_base=t_camera_base,
                grid=fused,
                t_grid_base=t_grid_base,
                patches=output.patches,
                points_base=points,
            )
        if fused and t_grid_base is not None and points is not None and t_base_lidar is not None:
            inside, all_of_them = returns_in_free(
                points[~split_ground(points, t_base_lidar[:3, 3])],
                camera=camera,
                t_camera_base=t_camera_base,
                grid=fused,
                t_grid_base=t_grid_base,
            )
            self._returns[0] += inside
            self._returns[1] += all_of_them

    def _at_the_image(self, scan: Header, image_ns: int, output: Output) -> Matrix:
        """Return `T_base_lidar` of a scan, moved to the image's time by the grid's frame."""
        lookup = self.drive.transforms.lookup
        t_base_lidar = lookup(BASE, scan.frame_id, scan.stamp_ns)
        fused = output.grids.get("fused")
        if fused is None:
            return t_base_lidar
        try:
            t_grid_then = lookup(fused.frame, BASE, scan.stamp_ns)
        except LookupError:  # no odometry at the scan: the robot counts as standing
            return t_base_lidar
        return invert(lookup(fused.frame, BASE, image_ns)) @ t_grid_then @ t_base_lidar

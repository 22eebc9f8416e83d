"""Scoring an evaluation set by set."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np

from pdn_ros.classes import ClassSet
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.ground import split_ground
from pdn_ros.geometry.transforms import Matrix, invert
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.occupancy import Grid
from pdn_ros.replay.boxes import returns_in_free
from pdn_ros.replay.camera_score import CameraScore
from pdn_ros.replay.drive import BASE, Drive, RecordedImage
from pdn_ros.replay.grids import GridTally, Sector
from pdn_ros.replay.output import Output, Seen
from pdn_ros.replay.results import KINDS, NAN, FrameRow, Metrics, Quantiles


@dataclass(slots=True)
class Scorer:
    """Scores every set of images with its outputs; `metrics` sums the scores up."""

    drive: Drive
    classes: ClassSet
    live: bool
    cameras: dict[str, CameraScore] = field(init=False)
    _grids: dict[str, GridTally] = field(default_factory=lambda: {k: GridTally() for k in KINDS})
    _returns: list[int] = field(default_factory=lambda: [0, 0])
    _stages: list[dict[str, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cameras = {name: CameraScore(self.classes) for name in self.drive.cameras}

    def add(self, seen: Seen) -> list[FrameRow]:
        """Score the images of one set and return their rows."""
        rows = [self.cameras[image.camera].add(image, output) for image, output in seen]
        for image, output in seen:
            mask, truth = output.mask, image.mask
            if mask is not None and truth is not None and mask.shape != truth.shape:
                self.drive.note(f"truth mask of {truth.shape}, image of {mask.shape}: not scored")
        grids = next((output.grids for _, output in seen if output.grids), {})
        views = [
            (image, output, camera)
            for image, output in seen
            if (camera := self.drive.camera_of(image)) is not None
        ]
        with self._noted():
            self._score_grids(grids, [(image, camera) for image, _, camera in views])
        for view in views:
            with self._noted():
                self._score_view(*view, grids.get("fused"))
        self._stages += [stages for _, output in seen[:1] if (stages := output.stages_ms)]
        return rows

    @property
    def rows(self) -> list[FrameRow]:
        """The rows of all images, set by set."""
        found = [row for score in self.cameras.values() for row in score.rows]
        return sorted(found, key=lambda row: row.index)

    def metrics(self, rate_hz: float) -> Metrics:
        """Return the figures over all images so far."""
        rows = self.rows
        total = CameraScore.of(self.classes, self.cameras.values())
        came = sum(np.isfinite(row.latency_ms) for row in rows)
        stages = self._stages[0] if self._stages else {}
        masks = total.masks()
        return Metrics(
            frames=len(rows),
            rate_hz=rate_hz,
            dropped=int(len(rows) - came - total.failed),
            failed=total.failed,
            latency_ms=Quantiles.of([row.latency_ms for row in rows]),
            age_ms=Quantiles.of([row.age_ms for row in rows]),
            live=self.live,
            miou=masks.miou,
            thin_miou=masks.thin_miou,
            per_class_iou=masks.per_class_iou,
            class_share=total.class_share(),
            refined_share=total.refined_share,
            grid={kind: tally.metrics() for kind, tally in self._grids.items()},
            boxes=total.boxes.metrics(),
            returns_in_free_share=self._returns[0] / self._returns[1] if self._returns[1] else NAN,
            stages_ms={k: float(np.median([s[k] for s in self._stages])) for k in stages},
            small=masks.small,
            cameras={name: score.metrics() for name, score in self.cameras.items() if name},
        )

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Note what TF lacks, once."""
        try:
            yield
        except LookupError as error:
            self.drive.note(str(error))

    def _score_grids(
        self, grids: dict[str, Grid], views: Sequence[tuple[RecordedImage, Camera]]
    ) -> None:
        """Score the grids of a set where its cameras look."""
        known = next((image for image, _ in views if image.grid is not None), None)
        if not grids or known is None or known.grid is None:
            return
        lookup, truth = self.drive.transforms.lookup, known.grid
        sectors = [
            Sector.of(camera, lookup(truth.frame, image.header.frame_id, image.header.stamp_ns))
            for image, camera in views
        ]
        for kind, grid in grids.items():
            t_grid_truth = lookup(grid.frame, truth.frame, known.header.stamp_ns)
            self._grids[kind].add(grid, truth, t_grid_truth, sectors)

    def _score_view(
        self, image: RecordedImage, output: Output, camera: Camera, fused: Grid | None
    ) -> None:
        """Score what one image of a set says of boxes and returns."""
        lookup = self.drive.transforms.lookup
        stamp = image.header.stamp_ns
        t_camera_base = invert(lookup(BASE, image.header.frame_id, stamp))
        scan = image.scan
        points = t_base_lidar = None
        if scan is not None:
            t_base_lidar = self._at_the_image(scan.header, stamp, fused)
            finite = scan.points[np.isfinite(scan.points).all(axis=1)]
            points = finite @ t_base_lidar[:3, :3].T + t_base_lidar[:3, 3]
        t_grid_base = lookup(fused.frame, BASE, stamp) if fused else None
        if image.boxes:
            self.cameras[image.camera].boxes.add(
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

    def _at_the_image(self, scan: Header, image_ns: int, fused: Grid | None) -> Matrix:
        """Return `T_base_lidar` of a scan, moved to the image's time by the grid's frame."""
        lookup = self.drive.transforms.lookup
        t_base_lidar = lookup(BASE, scan.frame_id, scan.stamp_ns)
        if fused is None:
            return t_base_lidar
        try:
            t_grid_then = lookup(fused.frame, BASE, scan.stamp_ns)
        except LookupError:  # no odometry at the scan: the robot counts as standing
            return t_base_lidar
        return invert(lookup(fused.frame, BASE, image_ns)) @ t_grid_then @ t_base_lidar

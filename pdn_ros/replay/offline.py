"""Offline evaluation: every image through the pipeline, in order, without ROS.

The LiDAR and the grid take part as in the nodes, with the parameters of `config/perception.yaml`;
only nothing is late: a scan that was logged before an image is there for it.
"""

import time
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.geometry.lidar import LidarView
from pdn_ros.geometry.occupancy import OccupancyGrid
from pdn_ros.messages.occupancy import Grid
from pdn_ros.perception import Frame, Pipeline, PipelineConfig, Result
from pdn_ros.replay.boxes import Patches
from pdn_ros.replay.drive import BASE, Drive, Moment
from pdn_ros.replay.node_parameters import NodeParameters
from pdn_ros.replay.output import Output
from pdn_ros.replay.record import Recorder
from pdn_ros.replay.results import KINDS, NAN
from pdn_ros.replay.scans import Roles, roles_of, scan_view
from pdn_ros.replay.settings import Progress, Settings

Matrix = NDArray[np.float64]
_STAGES: Final = ("preprocess", "context", "select", "refine", "compose")


class Replay:
    """Turns the images of a drive into outputs.

    Raises:
        InputError: Weights, backend or mode cannot be had.
    """

    def __init__(self, settings: Settings, drive: Drive, parameters: NodeParameters) -> None:
        self.settings = settings
        self.drive = drive
        self.parameters = parameters
        self.pipeline = Pipeline(
            PipelineConfig.model_validate(
                {
                    "weights": settings.weights,
                    "backend": settings.backend,
                    "mode": settings.mode,
                    "budget": settings.budget,
                    "lidar_weight": parameters.lidar_weight,
                }
            )
        )
        self.classes = self.pipeline.classes
        self.backend = self.pipeline.backend
        self.rate_hz = NAN
        self._warm = False
        self._grids = {kind: OccupancyGrid(parameters.grid) for kind in KINDS}
        self._roles = self.classes.role_table()

    def outputs(self, progress: Progress) -> Iterator[tuple[Moment, Output]]:
        """Yield every image with its output; a frame that fails says why and the rest goes on."""
        total = self.drive.offered(self.settings.limit)
        masks, spent_ms = 0, 0.0
        with Recorder(self.settings.out / "outputs") as recorder:
            for moment in self.drive.moments(self.settings.limit):
                output = self._output(moment, recorder)
                if output.mask is not None:
                    masks, spent_ms = masks + 1, spent_ms + output.latency_ms
                yield moment, output
                progress(moment.index + 1, total)
        self.rate_hz = 1000 * masks / spent_ms if masks else 0.0

    def _output(self, moment: Moment, recorder: Recorder) -> Output:
        if moment.image is None:
            return Output()
        view = scan_view(self.drive, moment, self.parameters, self.pipeline.patch_size)
        prior = None if view is None else view.weights
        frame = Frame(moment.image, moment.stamp_ns, prior)
        try:
            if not self._warm:
                self.pipeline.process(frame)  # the backend prepares itself; not timed
                self._warm = True
            start = time.perf_counter()
            result = self.pipeline.process(frame)
        except InputError as error:
            return Output(error=str(error))
        latency_ms = 1000 * (time.perf_counter() - start)
        grids = self._update_grids(moment, result, view)
        recorder.add(
            moment, result, prior=prior if result.prior_used else None, grid=grids.get("fused")
        )
        return Output(
            mask=result.mask,
            patches=Patches(result.patch_size, result.weights, result.selected),
            prior=prior,
            prior_used=result.prior_used,
            depth=None if view is None else view.depth,
            grids=grids,
            latency_ms=latency_ms,
            stages_ms={stage: float(getattr(result.times, stage)) for stage in _STAGES},
        )

    def _update_grids(
        self, moment: Moment, result: Result, view: LidarView | None
    ) -> dict[str, Grid]:
        camera = self.drive.camera_of(moment)
        if camera is None:
            return {}
        try:
            t_base_camera = self.drive.transforms.lookup(BASE, moment.frame, moment.stamp_ns)
        except LookupError as error:
            self.drive.note(f"no grid: {error}")
            return {}
        frame, t_grid_base = self._place(moment)
        mask, confidence = result.mask, result.confidence
        if self.settings.true_masks and moment.mask is not None:
            mask, confidence = moment.mask, None
        roles = np.asarray(cv2.LUT(mask, self._roles), dtype=np.uint8)
        depth = None if view is None else view.depth
        evidence: dict[str, tuple[Roles, NDArray[np.float32] | None]] = {
            "fused": (roles, depth),
            "camera": (roles, None),
        }
        if depth is not None:
            evidence["lidar"] = (roles_of(depth, camera, t_base_camera), depth)
        grids = {}
        for kind, (seen, ranges) in evidence.items():
            grid = self._grids[kind]
            if frame == BASE:
                grid.reset()  # without odometry only the frame's own evidence holds
            grid.update(
                roles=seen,
                camera=camera,
                T_base_camera=t_base_camera,
                T_grid_base=t_grid_base,
                stamp_ns=moment.stamp_ns,
                depth=ranges,
                confidence=None if kind == "lidar" else confidence,
            )
            grids[kind] = grid.snapshot(moment.stamp_ns, frame)
        return grids

    def _place(self, moment: Moment) -> tuple[str, Matrix]:
        """Return the grid's frame and `T_grid_base`: the base frame where TF has no odometry."""
        frame = self.parameters.grid_frame
        try:
            return frame, self.drive.transforms.lookup(frame, BASE, moment.stamp_ns)
        except LookupError as error:
            self.drive.note(f"the grid stands in {BASE}: {error}")
            return BASE, np.eye(4)

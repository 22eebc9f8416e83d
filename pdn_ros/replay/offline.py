"""Offline replay: what the nodes run, on every image of a recording, in order, without ROS.

Scans and images take the same path as in the nodes (`perception.lidar`, `perception.perception`)
with the same configuration, but nothing is late: an image finds all that was logged before it.
"""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np

from pdn_ros.bags.writer import LATCHED, VOLATILE, RawWriter
from pdn_ros.errors import InputError
from pdn_ros.messages.camera_info import CameraInfo
from pdn_ros.messages.images import write_image, write_mask
from pdn_ros.messages.occupancy import Grid, write_grid
from pdn_ros.messages.patches import write_patches
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import DepthImage
from pdn_ros.perception.mapping import Evidence, Mapper
from pdn_ros.perception.perception import CameraImage, Observation, Perception
from pdn_ros.replay.drive import Drive, RecordedImage, Scan
from pdn_ros.replay.output import CONFIDENCE, MASK, OCCUPANCY, PATCHES, TYPES, Output
from pdn_ros.replay.results import KINDS, NAN
from pdn_ros.replay.scans import ScanReplay, roles_of_returns
from pdn_ros.replay.settings import Progress, ReplaySettings

_STAGES: Final = ("preprocess", "context", "select", "refine", "compose")


class Replay:
    """Turns the images of a drive into outputs.

    Raises:
        InputError: Weights, backend or mode cannot be used.
    """

    def __init__(self, settings: ReplaySettings, drive: Drive, config: PerceptionConfig) -> None:
        self.settings = settings
        self.drive = drive
        note = drive.note
        self._perception = Perception(
            config,
            drive.transforms,
            report=lambda _, line: note(line),
            note=lambda _: None,
            grace_s=0.0,
        )
        pipeline = self._perception.pipeline
        self.classes = pipeline.classes
        self.backend = pipeline.backend
        self.rate_hz = NAN
        self._warm = False
        self._inputs = self._perception.cameras[""]
        self._scans = ScanReplay(drive, config, pipeline.patch_size, self._inputs.infos)
        self._mappers = {
            kind: self._perception.mapper if kind == "fused" else self._mapper(kind, config)
            for kind in KINDS
        }

    def outputs(self, progress: Progress) -> Iterator[tuple[RecordedImage, Output]]:
        """Yield every image with its output; an image that fails says why and the rest goes on."""
        total = self.drive.offered(self.settings.limit)
        masks, spent_ms = 0, 0.0
        with RawWriter(self.settings.out / "outputs") as writer:
            for topic, msgtype in TYPES.items():
                writer.topic(topic, msgtype, LATCHED if topic == OCCUPANCY else VOLATILE)
            for event in self.drive.events(self.settings.limit):
                if isinstance(event, CameraInfo):
                    self._inputs.infos.put(event)
                elif isinstance(event, Scan):
                    self._project(event)
                else:
                    output = self._output(event, writer)
                    if output.mask is not None:
                        masks, spent_ms = masks + 1, spent_ms + output.latency_ms
                    yield event, output
                    progress(event.index + 1, total)
        self.rate_hz = 1000 * masks / spent_ms if masks else 0.0

    def _project(self, scan: Scan) -> None:
        """Take the LiDAR node's way."""
        projected = self._scans.project(scan)
        if projected is not None:
            prior, view = projected
            self._inputs.lidar.put_prior(prior)
            self._inputs.lidar.put_depth(DepthImage.of(scan.header.stamp_ns, view.depth))

    def _output(self, recorded: RecordedImage, writer: RawWriter) -> Output:
        """Take the perception node's way."""
        if recorded.image is None:
            return Output()
        perception = self._perception
        try:
            if not self._warm:
                perception.pipeline.segment(recorded.image)  # models are built; not timed
                self._warm = True
            start = time.perf_counter()
            image = CameraImage(recorded.header, recorded.image)
            (observation,) = perception.segment([image])
        except InputError as error:
            return Output(error=str(error))
        latency_ms = 1000 * (time.perf_counter() - start)
        perception.locate(observation)
        grids = self._map(recorded, observation)
        self._record(recorded, observation, grids.get("fused"), writer)
        times = observation.prediction.times
        return Output(
            mask=observation.prediction.mask,
            patches=observation.patches(),
            depth=observation.depth,
            grids=grids,
            latency_ms=latency_ms,
            stages_ms={stage: float(getattr(times, stage)) for stage in _STAGES},
        )

    def _map(self, recorded: RecordedImage, observation: Observation) -> dict[str, Grid]:
        """Add the image to the grids: of camera and LiDAR together, and of each alone."""
        view, depth = observation.view, observation.depth
        if view is None:
            return {}
        header, prediction = observation.header, observation.prediction
        mask, confidence = prediction.mask, prediction.confidence
        if self.settings.true_masks and recorded.mask is not None:
            mask, confidence = recorded.mask, None
        fused = Evidence(header, view, mask, confidence, depth)
        evidence = {"fused": fused, "camera": replace(fused, depth=None)}
        if depth is not None:
            seen = roles_of_returns(depth, view.camera, view.T_base_camera)
            evidence["lidar"] = Evidence(header, view, seen, None, depth)
        due = {kind: self._mappers[kind].add([one]) for kind, one in evidence.items()}
        return {kind: grid[1] for kind, grid in due.items() if grid is not None}

    def _mapper(self, kind: str, config: PerceptionConfig) -> Mapper:
        """Return the map of one sensor alone; only the fused map reports problems."""
        table = np.arange(256, dtype=np.uint8) if kind == "lidar" else self.classes.role_table()
        return Mapper(
            config,
            table,
            self.drive.transforms,
            report=lambda *_: None,
            note=lambda _: None,
            grace_s=0.0,
        )

    def _record(
        self,
        recorded: RecordedImage,
        observation: Observation,
        grid: Grid | None,
        writer: RawWriter,
    ) -> None:
        """Record the outputs as the node publishes them, at the image's log time."""
        header, prediction, log_ns = observation.header, observation.prediction, recorded.log_ns
        writer.write(MASK, log_ns, write_mask(header, prediction.mask))
        if prediction.confidence is not None:
            writer.write(CONFIDENCE, log_ns, write_image(header, prediction.confidence, "mono8"))
        writer.write(PATCHES, log_ns, write_patches(observation.patches()))
        if grid is not None:
            writer.write(OCCUPANCY, log_ns, write_grid(header.stamp_ns, grid))

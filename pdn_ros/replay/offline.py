"""Offline replay: what the nodes run, on every image of a recording, in order, without ROS.

Scans and images take the same path as in the nodes (`perception.lidar`, `perception.perception`)
with the same configuration, but nothing is late: an image finds all that was logged before it.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags.writer import LATCHED, VOLATILE, RawWriter
from pdn_ros.errors import InputError
from pdn_ros.messages.images import write_image, write_mask
from pdn_ros.messages.occupancy import write_grid
from pdn_ros.messages.patches import write_patches
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import DepthImage
from pdn_ros.perception.mapping import Evidence, Mapper, StampedGrid
from pdn_ros.perception.perception import CameraImage, Observation, Perception
from pdn_ros.replay.drive import Calibration, Drive, RecordedImage, Scan
from pdn_ros.replay.output import (
    CONFIDENCE,
    MASK,
    OCCUPANCY,
    PATCHES,
    Output,
    Seen,
    topic_of,
    types_of,
)
from pdn_ros.replay.results import KINDS, NAN
from pdn_ros.replay.scans import ScanReplay, roles_of_returns
from pdn_ros.replay.sets import in_sets
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
        self._warm: set[tuple[int, ...]] = set()
        self._cameras = self._perception.cameras
        trackers = {name: inputs.infos for name, inputs in self._cameras.items()}
        self._scans = ScanReplay(drive, config, pipeline.patch_size, trackers)
        self._mappers = {
            kind: self._perception.mapper if kind == "fused" else self._mapper(kind, config)
            for kind in KINDS
        }

    def outputs(self, progress: Progress) -> Iterator[Seen]:
        """Yield every set of images with its outputs; one that fails says why, the rest go on."""
        total = self.drive.offered(self.settings.limit)
        sets, spent_ms = 0, 0.0
        with RawWriter(self.settings.out / "outputs") as writer:
            for topic, msgtype in types_of(self._cameras).items():
                writer.topic(topic, msgtype, LATCHED if topic == OCCUPANCY else VOLATILE)
            events = self.drive.events(self.settings.limit)
            sync_ns = round(1e6 * self._perception.config.sync_ms)
            for event in in_sets(events, len(self._cameras), sync_ns):
                if isinstance(event, Calibration):
                    self._cameras[event.camera].infos.put(event.info)
                elif isinstance(event, Scan):
                    self._project(event)
                else:
                    seen = self._outputs(event, writer)
                    took = [output.latency_ms for _, output in seen if output.mask is not None]
                    if took:
                        sets, spent_ms = sets + 1, spent_ms + took[0]
                    yield seen
                    progress(min(total, 1 + max(one.index for one in event)), total)
        self.rate_hz = 1000 * sets / spent_ms if sets else 0.0

    def _project(self, scan: Scan) -> None:
        """Take the LiDAR node's way."""
        for name, (prior, view) in self._scans.project(scan).items():
            lidar = self._cameras[name].lidar
            lidar.put_prior(prior)
            lidar.put_depth(DepthImage.of(scan.header.stamp_ns, view.depth))

    def _outputs(self, images: Sequence[RecordedImage], writer: RawWriter) -> Seen:
        """Take the perception node's way."""
        perception, pipeline = self._perception, self._perception.pipeline
        outputs = [Output() for _ in images]
        taken: list[tuple[RecordedImage, NDArray[np.uint8], Output]] = []
        for one, output in zip(images, outputs, strict=True):
            if one.image is None:
                continue
            try:
                pipeline.check(one.image)
                if one.image.shape not in self._warm:
                    pipeline.segment(one.image)  # models are built; not timed
                    self._warm.add(one.image.shape)
                taken.append((one, one.image, output))
            except InputError as error:
                output.error = str(error)
        if taken:
            recorded = [one for one, _, _ in taken]
            start = time.perf_counter()
            try:
                observations = perception.segment(
                    [CameraImage(one.header, image, one.camera) for one, image, _ in taken]
                )
            except InputError as error:
                for _, _, output in taken:
                    output.error = str(error)
            else:
                latency_ms = 1000 * (time.perf_counter() - start)
                for observation in observations:
                    perception.locate(observation)
                grids = self._map(recorded, observations)
                self._record(recorded, observations, grids.get("fused"), writer)
                done = [output for _, _, output in taken]
                _fill(done, observations, latency_ms)
                done[-1].grids = {kind: grid for kind, (_, grid) in grids.items()}
        return list(zip(images, outputs, strict=True))

    def _map(
        self, recorded: Sequence[RecordedImage], observations: Sequence[Observation]
    ) -> dict[str, StampedGrid]:
        """Add the images to the grids: of cameras and LiDAR together, and of each kind alone."""
        evidence: dict[str, list[Evidence]] = {kind: [] for kind in KINDS}
        for one, seen in zip(recorded, observations, strict=True):
            view, depth, prediction = seen.view, seen.depth, seen.prediction
            if view is None:
                continue
            mask, confidence = prediction.mask, prediction.confidence
            if self.settings.true_masks and one.mask is not None:
                mask, confidence = one.mask, None
            fused = Evidence(seen.header, view, mask, confidence, depth, seen.camera)
            evidence["fused"].append(fused)
            evidence["camera"].append(replace(fused, depth=None))
            if depth is not None:
                alone = roles_of_returns(depth, view.camera, view.T_base_camera)
                evidence["lidar"].append(replace(fused, mask=alone, confidence=None))
        due = {kind: self._mappers[kind].add(one) for kind, one in evidence.items() if one}
        return {kind: grid for kind, grid in due.items() if grid is not None}

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
        recorded: Sequence[RecordedImage],
        observations: Sequence[Observation],
        grid: StampedGrid | None,
        writer: RawWriter,
    ) -> None:
        """Record the outputs as the node publishes them, at the images' log times."""
        for one, seen in zip(recorded, observations, strict=True):
            header, prediction, log_ns = seen.header, seen.prediction, one.log_ns
            mask, confidence, patches = (
                topic_of(topic, seen.camera) for topic in (MASK, CONFIDENCE, PATCHES)
            )
            writer.write(mask, log_ns, write_mask(header, prediction.mask))
            if prediction.confidence is not None:
                cdr = write_image(header, prediction.confidence, "mono8")
                writer.write(confidence, log_ns, cdr)
            writer.write(patches, log_ns, write_patches(seen.patches()))
        if grid is not None:
            log_ns = max(one.log_ns for one in recorded)
            writer.write(OCCUPANCY, log_ns, write_grid(*grid))


def _fill(
    outputs: Sequence[Output],
    observations: Sequence[Observation],
    latency_ms: float,
) -> None:
    """Complete the outputs of a set, whose images take their time together."""
    times = [seen.prediction.times for seen in observations]
    for output, seen in zip(outputs, observations, strict=True):
        output.mask, output.depth = seen.prediction.mask, seen.depth
        output.patches = seen.patches()
        output.latency_ms = latency_ms
        output.stages_ms = {s: sum(float(getattr(one, s)) for one in times) for s in _STAGES}

"""The results of an evaluation: the records behind metrics.json and frames.csv."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Final

import numpy as np
from typing_extensions import Self

from pdn_ros.files import atomic
from pdn_ros.metrics.small import DetectionScores

NAN: Final = math.nan
KINDS: Final = ("camera", "lidar", "fused")
"""Kinds of occupancy grids, by the sensors that they are made from."""


_UNKNOWN: Final = DetectionScores(NAN, NAN, NAN)


@dataclass(frozen=True, slots=True)
class Quantiles:
    """Percentiles of a sample; NaN when it is empty."""

    p50: float = NAN
    p95: float = NAN
    p99: float = NAN

    @classmethod
    def of(cls, values: Sequence[float]) -> Self:
        """Return the percentiles of the values that are known."""
        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        if not known.size:
            return cls()
        return cls(*(float(v) for v in np.percentile(known, (50, 95, 99))))


@dataclass(frozen=True, slots=True)
class GridMetrics:
    """An occupancy grid against the truth, over all frames; see `replay.grids`."""

    free_iou: float = NAN
    occupied_iou: float = NAN
    false_free: float = NAN
    distance_error_cells_p50: float = NAN
    distance_error_cells_p95: float = NAN
    unknown_share: float = NAN


@dataclass(frozen=True, slots=True)
class BoxMetrics:
    """Labeled boxes: those in the grid, and the small ones in refined patches."""

    occupied_share: float = NAN
    occupied_share_touched: float = NAN
    small_refined_share: float = NAN
    small_refined_share_without_prior: float = NAN
    boxes: int = 0
    small_boxes: int = 0


@dataclass(frozen=True, slots=True)
class MaskMetrics:
    """Masks against the truth, where there is any.

    Attributes:
        miou: Mean IoU.
        thin_miou: Mean IoU of the thin classes.
        per_class_iou: By class; empty without truth.
        small: Small components of the thin classes; see `metrics.small`.
    """

    miou: float = NAN
    thin_miou: float = NAN
    per_class_iou: dict[str, float] = field(default_factory=dict)
    small: DetectionScores = _UNKNOWN


@dataclass(frozen=True, slots=True)
class CameraMetrics:
    """The figures of one camera of a rig."""

    frames: int
    failed: int
    refined_share: float
    masks: MaskMetrics
    boxes: BoxMetrics


@dataclass(frozen=True, slots=True)
class FrameRow:
    """One image of the recording: a line of frames.csv.

    Attributes:
        index: Position among the images of its camera, from 0.
        stamp_ns: The image's header stamp.
        latency_ms: Offline the pipeline's time for the image or its set, live from publishing to
            receipt of the mask.
        age_ms: Live: how old the image was when its mask arrived, by the drive's clock.
        selected: Patches refined.
        refined_share: Their share of all patches.
        prior_used: Whether a LiDAR prior took part in the selection.
        miou: Mean IoU of this frame alone, where there is truth.
        error: Why there is no result; empty when there is one.
        camera: Name of the camera in its rig; empty for a single camera.
    """

    index: int
    stamp_ns: int
    latency_ms: float = NAN
    age_ms: float = NAN
    selected: int = 0
    refined_share: float = NAN
    prior_used: bool = False
    miou: float = NAN
    error: str = ""
    camera: str = ""


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of an evaluation: metrics.json.

    Attributes:
        frames: Images of the recording that were offered.
        rate_hz: Masks a second of each camera: live as received, offline over the pipeline's own
            time.
        dropped: Images without a mask that were not counted as failed.
        failed: Images that cannot be decoded or whose processing failed.
        cameras: Of a rig, by name; what stands beside it is over all cameras.
    """

    frames: int
    rate_hz: float
    dropped: int
    failed: int
    latency_ms: Quantiles
    age_ms: Quantiles
    live: bool
    miou: float = NAN
    thin_miou: float = NAN
    per_class_iou: dict[str, float] = field(default_factory=dict)
    class_share: dict[str, float] = field(default_factory=dict)
    refined_share: float = NAN
    grid: dict[str, GridMetrics] = field(default_factory=dict)
    boxes: BoxMetrics = field(default_factory=BoxMetrics)
    returns_in_free_share: float = NAN
    stages_ms: dict[str, float] = field(default_factory=dict)
    small: DetectionScores = _UNKNOWN
    cameras: dict[str, CameraMetrics] = field(default_factory=dict)


def write_csv(path: Path, rows: Sequence[FrameRow]) -> None:
    """Write the frames as CSV; what is not known is an empty field."""
    with atomic(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([f.name for f in fields(FrameRow)])
        writer.writerows([_cell(value) for value in asdict(row).values()] for row in rows)


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, float):
        return f"{value:.4f}" if math.isfinite(value) else ""
    return value

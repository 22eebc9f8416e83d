"""The report: one HTML file that needs no network."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pdn_ros.classes import ClassSet
from pdn_ros.page import Picture, figure, share, write_page
from pdn_ros.replay import plots
from pdn_ros.replay.results import FrameRow, Metrics

MAX_FRAMES: Final = 60
_MAX_BYTES: Final = 10_000_000
"""Bytes of pictures in the report; base64 adds a third."""

VIEWS: Final = {
    "camera": "Camera",
    "mask": "Segmentation",
    "saliency": "Saliency and refined patches",
    "lidar": "LiDAR ranges",
}
MAPS: Final = {
    "fused": "Occupancy grid",
    "camera": "Camera only",
    "lidar": "LiDAR only",
    "truth": "Truth",
}


@dataclass(frozen=True, slots=True)
class KeyFrame:
    """A frame shown in the report: what the camera saw and what came of it."""

    index: int
    seconds: float
    views: Mapping[str, Picture]
    maps: Mapping[str, Picture]
    facts: str


def write_report(
    path: Path,
    *,
    title: str,
    metrics: Metrics,
    rows: Sequence[FrameRow],
    frames: Sequence[KeyFrame],
    classes: ClassSet,
    configuration: Mapping[str, object],
    machine: Mapping[str, str],
) -> None:
    """Write the report.

    Args:
        path: The file, `report.html`.
        title: Name of the recording.
        metrics: The figures.
        rows: Every frame, for the plots.
        frames: The frames to show; thinned out evenly when they would make the file too large.
        classes: Class names and colors.
        configuration: What the run was set to.
        machine: Processor, versions.
    """
    shown = _within_size(list(frames))
    write_page(
        path,
        "report.html.jinja",
        title=title,
        metrics=metrics,
        cards=_cards(metrics),
        plots=plots.draw(rows, metrics),
        frames=[_frame_data(frame) for frame in shown],
        first=shown[len(shown) // 2] if shown else None,
        views=_present(VIEWS, [f.views for f in shown]),
        maps=_present(MAPS, [f.maps for f in shown]),
        classes=_class_rows(classes, metrics),
        grids={k: f for k, f in metrics.grid.items() if math.isfinite(f.unknown_share)},
        errors=[row for row in rows if row.error],
        configuration=configuration,
        machine=machine,
    )


def _within_size(frames: list[KeyFrame]) -> list[KeyFrame]:
    while len(frames) > 2 and sum(map(_size, frames)) > _MAX_BYTES:
        frames = frames[::2]
    return frames


def _size(frame: KeyFrame) -> int:
    return sum(len(p.data) for p in (*frame.views.values(), *frame.maps.values()))


def _present(
    titles: Mapping[str, str], pictures: Sequence[Mapping[str, Picture]]
) -> dict[str, tuple[str, int, int]]:
    """Title and size of every kind of picture that some frame has."""
    found = {}
    for name, text in titles.items():
        picture = next((p[name] for p in pictures if name in p), None)
        if picture is not None:
            found[name] = (text, picture.width, picture.height)
    return found


def _frame_data(frame: KeyFrame) -> dict[str, Any]:
    pictures = {f"view-{k}": p.uri for k, p in frame.views.items()}
    pictures |= {f"map-{k}": p.uri for k, p in frame.maps.items()}
    return {
        "index": frame.index,
        "seconds": round(frame.seconds, 3),
        "facts": frame.facts,
        "pictures": pictures,
    }


def _cards(m: Metrics) -> list[tuple[str, str, str]]:
    """Label, value and note of the summary figures that are known."""
    fused = m.grid.get("fused")
    small = m.boxes.small_refined_share_without_prior
    with_truth = "against the truth"
    candidates = [
        ("Rate", m.rate_hz, figure(m.rate_hz, " Hz"), f"{m.frames - m.dropped - m.failed} masks"),
        (
            "Latency",
            m.latency_ms.p50,
            figure(m.latency_ms.p50, " ms"),
            f"p95 {figure(m.latency_ms.p95)}, p99 {figure(m.latency_ms.p99)}",
        ),
        (
            "Age of a mask",
            m.age_ms.p50,
            figure(m.age_ms.p50, " ms"),
            f"p95 {figure(m.age_ms.p95, ' ms')}",
        ),
        ("Dropped", m.dropped, str(m.dropped), f"of {m.frames} images"),
        ("Failed", m.failed or math.nan, str(m.failed), f"of {m.frames} images"),
        ("Refined", m.refined_share or math.nan, share(m.refined_share), "of all patches"),
        ("mIoU", m.miou, share(m.miou), with_truth),
        ("Thin mIoU", m.thin_miou, share(m.thin_miou), "poles, signs, people, ..."),
    ]
    if fused is not None:
        candidates += [
            ("False free", fused.false_free, share(fused.false_free), "of obstacle cells"),
            ("Free IoU", fused.free_iou, share(fused.free_iou), "fused grid"),
            (
                "Obstacle distance",
                fused.distance_error_cells_p50,
                figure(fused.distance_error_cells_p50, " cells"),
                f"off, p95 {figure(fused.distance_error_cells_p95)}",
            ),
        ]
    candidates += [
        (
            "Boxes occupied",
            m.boxes.occupied_share,
            share(m.boxes.occupied_share),
            f"{m.boxes.boxes} within 30 m",
        ),
        (
            "Small boxes refined",
            m.boxes.small_refined_share,
            share(m.boxes.small_refined_share),
            f"{share(small)} without the LiDAR prior",
        ),
        (
            "Returns in free cells",
            m.returns_in_free_share,
            share(m.returns_in_free_share),
            "of LiDAR returns on obstacles",
        ),
    ]
    return [(label, text, note) for label, value, text, note in candidates if math.isfinite(value)]


def _class_rows(classes: ClassSet, m: Metrics) -> list[tuple[str, str, bool, float, float]]:
    """Name, color, thin, pixel share and IoU of every class."""
    return [
        (
            info.name.replace("_", " "),
            info.hex_color,
            info.thin,
            m.class_share.get(info.name, math.nan),
            m.per_class_iou.get(info.name, math.nan),
        )
        for info in classes.classes
    ]

"""An evaluation from the bag to the report."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Final, Protocol

from pdn_ros import machine
from pdn_ros.bags.reader import Bag
from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.files import write_json
from pdn_ros.geometry.camera import Camera
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.output import Seen
from pdn_ros.replay.present import Presenter
from pdn_ros.replay.report import write_report
from pdn_ros.replay.results import Metrics, write_csv
from pdn_ros.replay.score import Scorer
from pdn_ros.replay.settings import Progress, ReplaySettings

_MOST_FAILURES: Final = 5


class Source(Protocol):
    """Where outputs come from: the pipeline here, or the nodes."""

    classes: ClassSet
    backend: str
    rate_hz: float

    def outputs(self, progress: Progress) -> Iterator[Seen]:
        """Yield every set of images with what came of it, and record the outputs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The results of an evaluation; `problems` are lines for the user."""

    metrics: Metrics
    problems: list[str]

    @property
    def summary(self) -> str:
        """One line of figures."""
        m = self.metrics
        parts = [
            f"{m.frames} images, {m.dropped} dropped, {m.failed} failed",
            f"{m.rate_hz:.1f} Hz",
            f"latency p50 {m.latency_ms.p50:.1f} ms, p95 {m.latency_ms.p95:.1f} ms",
        ]
        if m.per_class_iou:
            parts.append(f"mIoU {100 * m.miou:.1f} %, thin {100 * m.thin_miou:.1f} %")
        return "; ".join(parts)


def run(settings: ReplaySettings, progress: Progress) -> Outcome:
    """Evaluate a recording and write metrics.json, frames.csv, report.html and outputs/.

    Raises:
        InputError: The bag or the settings cannot be used, or no image gave a mask.
    """
    with Bag(settings.bag) as bag:
        drive = Drive.open(bag, settings)
        source = _source(settings, drive)
        scorer = Scorer(drive, source.classes, live=settings.live)
        presenter = Presenter(drive, source.classes, drive.offered(settings.limit))
        with (
            closing(source.outputs(progress)) as outputs,  # type: ignore[type-var]
            _viewed(settings, drive, source.classes) as view,
        ):
            for seen in outputs:
                presenter.add(seen, scorer.add(seen))
                view(seen)
        metrics = scorer.metrics(source.rate_hz)
        failed = [
            f"{row.camera + ' ' if row.camera else ''}image {row.index}: {row.error}"
            for row in scorer.rows
            if row.error
        ]
        if not any(row.selected or row.latency_ms > 0 for row in scorer.rows):
            reason = failed[0] if failed else "the nodes published none"
            raise InputError(f"{settings.bag}: no image gave a mask: {reason}")
        write_json(settings.out / "metrics.json", metrics)
        write_csv(settings.out / "frames.csv", scorer.rows)
        write_report(
            settings.out / "report.html",
            title=settings.bag.resolve().name,
            metrics=metrics,
            rows=scorer.rows,
            frames=presenter.frames,
            classes=source.classes,
            configuration=_configuration(settings, drive, source),
            machine=machine.describe(),
        )
    if len(failed) > _MOST_FAILURES:
        rest = len(failed) - _MOST_FAILURES
        failed = [*failed[:_MOST_FAILURES], f"and {rest} more images, see frames.csv"]
    return Outcome(metrics, drive.notes + failed)


def _source(settings: ReplaySettings, drive: Drive) -> Source:
    config = settings.perception()
    if settings.live:
        from pdn_ros.replay.live import Live

        return Live(settings, drive, config)
    from pdn_ros.replay.offline import Replay

    return Replay(settings, drive, config)


@contextmanager
def _viewed(
    settings: ReplaySettings, drive: Drive, classes: ClassSet
) -> Iterator[Callable[[Seen], None]]:
    """Yield what writes the file for the viewer, if one is wanted."""
    if settings.rerun is None:
        yield lambda _: None
        return
    from pdn_ros.replay.viewing import viewed

    with viewed(settings.rerun, drive, classes) as add:
        yield add


def _configuration(settings: ReplaySettings, drive: Drive, source: Source) -> dict[str, object]:
    config = settings.perception()
    grid = config.grid
    return {
        "recording": settings.bag,
        "replay": f"live, {settings.rate}" if settings.live else "offline, every image",
        "image topic": ", ".join(one.image.name for one in drive.cameras.values()),
        "camera": ", ".join(_size(one.camera) for one in drive.cameras.values()),
        "points topic": drive.points.name if drive.points else "none",
        "mode": settings.mode,
        "budget (K)": settings.budget or "a quarter of the patches",
        "backend": source.backend,
        "weights": settings.weights or "those that ship",
        "masks in the grid": "the recording's true ones" if settings.true_masks else "predicted",
        "LiDAR weight": config.lidar.weight,
        "LiDAR at most": f"{config.lidar.max_age_ms:g} ms from the image",
        "grid": f"{grid.size_m[0]:g} x {grid.size_m[1]:g} m in {grid.frame}, "
        f"cells of {grid.resolution:g} m, up to {grid.max_range:g} m",
    }


def _size(camera: Camera | None) -> str:
    return f"{camera.width} x {camera.height}" if camera else "not calibrated"

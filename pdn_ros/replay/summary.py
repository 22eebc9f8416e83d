"""The figures of several evaluations side by side: summary.json."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from typing_extensions import Self

from pdn_ros.replay.results import NAN
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.replay.worker import read_record


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of metrics.json that bags are compared by.

    Attributes:
        key: Its place in metrics.json.
        label: What people read.
        kind: A share, a time or a rate, or a count.
        better: +1 when higher is better, -1 when lower is.
        tolerance: How much worse is still no regression; for times a share of the earlier value.
    """

    key: str
    label: str
    kind: Literal["share", "ms", "Hz", "cells", "images"]
    better: int
    tolerance: float

    @property
    def timed(self) -> bool:
        """Whether it depends on the machine and its load."""
        return self.kind in ("ms", "Hz") or self.key == "dropped"

    def text(self, value: float, *, signed: bool = False) -> str:
        """Write a value, or a difference with its sign, for people."""
        if not math.isfinite(value):
            return "n/a"
        if signed and value == 0:
            return "±0"
        sign = "+" if signed else ""
        if self.kind == "share":
            digits = 1 if abs(value) >= 0.01 else 2
            return f"{100 * value:{sign}.{digits}f}" + ("" if signed else " %")
        digits = 0 if abs(value) >= 100 or value == int(value) else 1
        unit = f" {self.kind}" if self.kind in ("ms", "Hz") and not signed else ""
        return f"{value:{sign}.{digits}f}{unit}"


ENOUGH: Final = 6
"""Bags from which on there are intervals: five change to one side by chance in 1 of 16 cases."""
_TIME: Final = 0.1
FIGURES: Final = (
    Figure("failed", "Failed images", "images", -1, 0.0),
    Figure("dropped", "Dropped images", "images", -1, _TIME),
    Figure("rate_hz", "Rate", "Hz", 1, _TIME),
    Figure("latency_ms.p50", "Latency p50", "ms", -1, _TIME),
    Figure("latency_ms.p95", "Latency p95", "ms", -1, _TIME),
    Figure("age_ms.p95", "Age p95", "ms", -1, _TIME),
    Figure("miou", "mIoU", "share", 1, 0.005),
    Figure("thin_miou", "Thin mIoU", "share", 1, 0.005),
    Figure("grid.fused.free_iou", "Free IoU", "share", 1, 0.005),
    Figure("grid.fused.occupied_iou", "Occupied IoU", "share", 1, 0.005),
    Figure("grid.fused.false_free", "False free", "share", -1, 0.001),
    Figure("grid.fused.distance_error_cells_p95", "Distance error p95, cells", "cells", -1, 0.5),
    Figure("boxes.occupied_share", "Boxes occupied", "share", 1, 0.005),
    Figure("boxes.small_refined_share", "Small boxes refined", "share", 1, 0.005),
    Figure("returns_in_free_share", "Returns in free cells", "share", -1, 0.002),
)


def figures_of(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Pick the figures that are known from the content of a metrics.json."""
    found = {}
    for figure in FIGURES:
        value: Any = metrics
        for word in figure.key.split("."):
            value = value.get(word) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)):
            found[figure.key] = float(value)
    return found


@dataclass(frozen=True, slots=True)
class BagRow:
    """A bag in the summary.

    Attributes:
        name: Its name, unique in the summary.
        folder: Where its results are, seen from the summary.
        bag: Path of the recording.
        frames: Images that were offered.
        figures: What is known of `FIGURES`, by key.
        problems: Lines for the user.
        error: Why there is no result; empty when there is one.
    """

    name: str
    folder: str
    bag: str
    frames: int = 0
    figures: dict[str, float] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    error: str = ""

    @classmethod
    def read(cls, name: str, folder: str, settings: ReplaySettings, error: str = "") -> Self:
        """Read what an evaluation left in its folder; nothing when it failed with `error`."""
        record = read_record(settings.out)
        if not error and record is None:
            error = f"{settings.out}: its results are not there"
        if error or record is None:
            return cls(name, folder, str(settings.bag), error=error)
        metrics = json.loads((settings.out / "metrics.json").read_text(encoding="utf-8"))
        known = figures_of(metrics)
        return cls(name, folder, str(settings.bag), metrics["frames"], known, record.problems)


@dataclass(frozen=True, slots=True)
class Total:
    """A figure over all bags that have it: mean, worst, and the bag that has the worst."""

    mean: float = NAN
    worst: float = NAN
    worst_bag: str = ""
    bags: int = 0

    @classmethod
    def of(cls, figure: Figure, rows: Sequence[BagRow]) -> Self:
        """Sum up a figure."""
        known = [(row.figures[figure.key], row.name) for row in rows if figure.key in row.figures]
        if not known:
            return cls()
        worst = min(known, key=lambda pair: figure.better * pair[0])
        return cls(math.fsum(v for v, _ in known) / len(known), *worst, len(known))


@dataclass(frozen=True, slots=True)
class Difference:
    """How a figure differs from the earlier one, over the bags that have it in both.

    Attributes:
        bags: How many these are.
        mean: Difference of the means; positive when the figure has grown.
        low: Lower bound of its 95 % interval over the bags; NaN with fewer than `ENOUGH`.
        high: Upper bound.
        worst: The difference of the bag that became worst.
        worst_bag: Its name.
        judged: Whether it can become a regression; times of another machine or load cannot.
        regression: Whether the figure became worse by more than its tolerance, and surely so where
            there is an interval.
    """

    bags: int
    mean: float
    low: float
    high: float
    worst: float
    worst_bag: str
    judged: bool
    regression: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """The differences from an earlier evaluation.

    Attributes:
        earlier: Its path.
        settings: Options that differ, as the earlier value and the present one.
        same_machine: Whether times can be compared: machine, jobs and way of replaying are equal.
        figures: By `Figure.key`.
        bags: Differences of each bag by `Figure.key`.
        worse: Keys of each bag's figures that became worse by more than their tolerance.
        unmatched: Bags that only one of the two has.
        regressions: What became worse, a line each.
    """

    earlier: str
    settings: dict[str, list[Any]]
    same_machine: bool
    figures: dict[str, Difference] = field(default_factory=dict)
    bags: dict[str, dict[str, float]] = field(default_factory=dict)
    worse: dict[str, list[str]] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)
    regressions: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Summary:
    """What summary.json holds.

    Attributes:
        settings: The options of the evaluation.
        jobs: Bags that shared a machine's cores.
        machine: Processor, system, memory and GPU; empty when it was a cluster.
        bags: A row for each, in the order in which they were given.
        figures: Mean and worst over the bags by `Figure.key`.
        comparison: With an earlier evaluation, if there is one.
    """

    settings: dict[str, Any]
    jobs: int
    machine: dict[str, str]
    bags: list[BagRow]
    figures: dict[str, Total]
    comparison: Comparison | None = None

    @classmethod
    def of(
        cls, rows: Sequence[BagRow], settings: Mapping[str, Any], jobs: int, machine: dict[str, str]
    ) -> Self:
        """Sum rows up."""
        totals = {figure.key: Total.of(figure, rows) for figure in FIGURES}
        known = {key: total for key, total in totals.items() if total.bags}
        shown = {name: value for name, value in settings.items() if name != "bag"}
        return cls(shown, jobs, machine, list(rows), known)

    @property
    def shown(self) -> list[tuple[Figure, Total]]:
        """The figures for people: those that are known, without counts of nothing."""
        found = [(figure, self.figures.get(figure.key)) for figure in FIGURES]
        return [(f, total) for f, total in found if total and (total.worst or f.kind != "images")]

    @property
    def lines(self) -> list[str]:
        """The figures over the bags, a line each."""
        done = sum(not row.error for row in self.bags)
        lines = [f"{done} of {len(self.bags)} bags evaluated"]
        for figure, total in self.shown:
            mean, worst = figure.text(total.mean), figure.text(total.worst)
            lines.append(f"{figure.label}: mean {mean}, worst {worst} ({total.worst_bag})")
        return lines

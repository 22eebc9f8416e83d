"""Cases to time, and timing them in turn, so that other load falls on all of them alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, median
from typing import Final, Protocol

from pdn_ros.benchmark.measurements import Row
from pdn_ros.replay.results import NAN

EAGER: Final = "torch_eager"
"""PatchDriveNet as a plain torch module, float32: what a user has without any backend."""
SEGFORMER: Final = "segformer_b0"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time, from an image in host memory to a mask in host memory.

    Attributes:
        name: Such as `network`, `deadline` or `segformer_b0`.
        backend: What runs it.
        mode: Mode of PatchDriveNet; empty for another network.
        width: Of the image, pixels.
        height: Of the image, pixels.
        share: Share of the patches to refine; 0 is the default, a quarter.
        whole: Whether it gets all its frames, however long they take: a ratio uses it.
        deadline_ms: Time a frame may take; 0: no limit.
        cameras: Images of the same size that share the budget.
    """

    name: str
    backend: str
    mode: str
    width: int
    height: int
    share: float = 0.0
    whole: bool = False
    deadline_ms: float = 0.0
    cameras: int = 1

    def row(self, k: int) -> Row:
        """Return the row for the results."""
        return Row(
            name=self.name,
            backend=self.backend,
            mode=self.mode,
            width=self.width,
            height=self.height,
            k=k,
            share=self.share,
        )


@dataclass(frozen=True, slots=True)
class Lap:
    """One frame: its time, that of the network's parts, patches refined, energy, precision."""

    ms: float
    stages_ms: dict[str, float]
    k: int = 0
    joules: float = NAN
    precision: str = ""


@dataclass(frozen=True, slots=True)
class Memory:
    """Peak memory of a process, 10^6 bytes; NaN where the system does not tell."""

    peak_mb: float = NAN
    running_mb: float = NAN


BLOCK: Final = 20
"""Frames of a turn."""


class Timed(Protocol):
    """Something that takes turns: see `WorkerProcess.laps`."""

    def laps(self, case: Case, count: int, seconds: float) -> list[Lap]:
        """Time up to `count` frames."""
        ...


@dataclass
class _Record:
    laps: list[Lap] = field(default_factory=list)
    failed: str = ""


def take_turns(
    cases: Sequence[Case],
    workers: Mapping[Case, Timed],
    *,
    frames: int,
    seconds: float,
    done: Callable[[], None],
) -> list[Row]:
    """Time each case; a case that cannot run says so in its row.

    Args:
        cases: What to time.
        workers: Who runs each case.
        frames: Frames for each.
        seconds: A case that is not `whole` ends after this time; 0: never.
        done: Called when a case is done.
    """
    records = {case: _Record() for case in cases}
    waiting = list(cases)
    while waiting:
        for case in list(waiting):
            record = records[case]
            spent = sum(lap.ms for lap in record.laps) / 1e3
            limit = 0.0 if case.whole or not seconds else max(1e-3, seconds - spent)
            try:
                found = workers[case].laps(case, min(BLOCK, frames - len(record.laps)), limit)
            except ChildProcessError as error:
                record.failed = str(error)
                found = []
            record.laps += found
            spent += sum(lap.ms for lap in found) / 1e3
            late = seconds and not case.whole and spent >= seconds
            if record.failed or len(record.laps) >= frames or late:
                waiting.remove(case)
                done()
    return [_row(case, record) for case, record in records.items()]


def _row(case: Case, record: _Record) -> Row:
    laps = record.laps
    row = case.row(laps[-1].k if laps else 0).timed([lap.ms for lap in laps])
    stages = laps[-1].stages_ms if laps else {}
    return replace(
        row,
        stages_ms={name: median(lap.stages_ms[name] for lap in laps) for name in stages},
        joules=mean(lap.joules for lap in laps) if laps else NAN,
        precision=laps[-1].precision if laps else "",
        note=record.failed,
    )

"""What a run leaves to read: metrics.csv, curves.png, and a line or a bar while it goes."""

import csv
import math
import sys
from pathlib import Path
from typing import TextIO

from tqdm import tqdm

from pdn_ros.files import atomic
from pdn_ros.training.clock import Clock
from pdn_ros.training.stage import Progress
from pdn_ros.training.training_config import TrainingConfig

EVERY = 10
"""Steps between rows of metrics.csv."""
LINE_EVERY = 50
"""Steps between lines where there is no terminal."""
FIELDS = ("stage", "step", "loss", "seconds_per_step", "validation")


class Record:
    """Writes the progress of a run (on one process alone)."""

    def __init__(
        self,
        folder: Path,
        config: TrainingConfig,
        progress: Progress,
        clock: Clock,
        *,
        enabled: bool,
    ) -> None:
        """Open the records; rows of steps that will be repeated are dropped."""
        self.folder, self._clock = folder, clock
        self._names = [s.name for s in config.stages]
        self._losses: list[float] = []
        self._seconds = 0.0
        self._file: TextIO | None = None
        if not enabled:
            return
        path = folder / "metrics.csv"
        rows = []
        if path.is_file():
            with path.open(newline="") as old:
                rows = [r for r in csv.DictReader(old) if self._stays(r, progress)]
        self._file = path.open("w", newline="", buffering=1)
        self._writer = csv.DictWriter(self._file, FIELDS)
        self._writer.writeheader()
        self._writer.writerows(rows)
        self._bar = tqdm(
            total=1.0,
            bar_format="{percentage:3.0f}%|{bar}| {postfix}",
            dynamic_ncols=True,
            disable=None,  # a bar on a terminal alone, plain lines elsewhere
        )

    def _stays(self, row: dict[str, str], progress: Progress) -> bool:
        where = (self._names.index(row["stage"]), int(row["step"]))
        return where <= (progress.stage, progress.step)

    def step(self, progress: Progress, loss: float, seconds: float) -> None:
        """Note one step."""
        if self._file is None:
            return
        self._losses.append(loss)
        self._seconds += seconds
        self._bar.n = self._clock.share(progress)
        self._bar.set_postfix_str(f"{self._where(progress)}, loss {loss:.3f}")
        if progress.step % EVERY == 0:
            mean = sum(self._losses) / len(self._losses)
            pace = self._seconds / len(self._losses)
            self._losses, self._seconds = [], 0.0
            self._row(progress, loss=f"{mean:.4f}", seconds_per_step=f"{pace:.3f}")
            if self._bar.disable and progress.step % LINE_EVERY == 0:
                line = f"{self._where(progress)}: loss {mean:.3f}, {pace:.2f} s a step"
                say(line)

    def _where(self, progress: Progress) -> str:
        name, left = self._names[progress.stage], self._clock.left(progress)
        time_left = "" if math.isnan(left) else f", {int(left) // 60}:{int(left) % 60:02} left"
        return f"{name} {progress.step}/{progress.steps}{time_left}"

    def score(self, progress: Progress, value: float) -> None:
        """Note a validation score and draw the curves anew."""
        if self._file is not None:
            self._row(progress, validation=f"{value:.4f}")
            line = f"{self._names[progress.stage]} {progress.step}: validation {value:.4f}"
            self._bar.write(line, file=sys.stderr)
            draw(self.folder)

    def _row(self, progress: Progress, **values: str) -> None:
        stage = self._names[progress.stage]
        self._writer.writerow({"stage": stage, "step": progress.step, **values})

    def close(self) -> None:
        """Close the records."""
        if self._file is not None:
            self._bar.close()
            self._file.close()


def say(line: str) -> None:
    """Write a line for whoever waits."""
    print(line, file=sys.stderr, flush=True)


def draw(folder: Path) -> None:
    """Draw curves.png from metrics.csv: the loss, and the validation score."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2)
    offset, last, previous = 0, 0, ""
    points: dict[str, tuple[list[int], list[float]]] = {"loss": ([], []), "validation": ([], [])}
    for row in rows:
        if row["stage"] != previous:
            offset, previous = last, row["stage"]
            axes[0].axvline(offset, color="0.8", linewidth=1)
            axes[0].annotate(previous, (offset, 1), xycoords=("data", "axes fraction"), fontsize=8)
        last = offset + int(row["step"])
        for key, (x, y) in points.items():
            if row[key]:
                x.append(last)
                y.append(float(row[key]))
    for axis, (key, (x, y)) in zip(axes, points.items(), strict=True):
        axis.plot(x, y, marker="." if key == "validation" else "", linewidth=1)
        axis.set(xlabel="step", ylabel=key)
        axis.grid(alpha=0.3)
    with atomic(folder / "curves.png") as part:
        figure.savefig(part, dpi=110)

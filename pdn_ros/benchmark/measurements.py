"""What a benchmark finds: the records behind benchmark.json."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from typing_extensions import Self

from pdn_ros.errors import InputError
from pdn_ros.files import write_json
from pdn_ros.replay.results import NAN, Quantiles

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One measurement: a timing, or a single `value` of another kind.

    Attributes:
        name: What was measured; with mode, backend, size and k it tells rows apart.
        mode: `patch`, `context` or `dense`, where the network took part.
        backend: What ran the network.
        width: Of the image, pixels.
        height: Of the image, pixels.
        k: Patches refined; 0 in the other modes.
        share: Requested share of the patches; 0 is the default K.
        p50_ms: Percentiles of the timing; NaN where the row is not a timing.
        p95_ms: See `p50_ms`.
        p99_ms: See `p50_ms`.
        frames: Number of frames (or starts, or cycles) measured.
        value: The figure of a row that is not a timing.
        unit: Of `value`.
        peak_mb: Peak memory of the process since its start, 10^6 bytes.
        running_mb: Peak memory after warm-up: without loading and compiling.
        joules: Energy of the processor per frame, by RAPL.
        precision: What the backend computed in.
        stages_ms: Medians of the network's parts.
        note: Remark for the reader.
    """

    name: str
    mode: str = ""
    backend: str = ""
    width: int = 0
    height: int = 0
    k: int = 0
    share: float = 0.0
    p50_ms: float = NAN
    p95_ms: float = NAN
    p99_ms: float = NAN
    frames: int = 0
    value: float = NAN
    unit: str = ""
    peak_mb: float = NAN
    running_mb: float = NAN
    joules: float = NAN
    precision: str = ""
    stages_ms: dict[str, float] = field(default_factory=dict)
    note: str = ""

    @property
    def key(self) -> tuple[str, str, str, int, int, int]:
        """What identifies the row within its run."""
        return self.name, self.mode, self.backend, self.width, self.height, self.k

    @property
    def label(self) -> str:
        """The key in words."""
        size = f"{self.width}x{self.height}" if self.width else ""
        k = f"K {self.k}" if self.k else ""
        words = (self.name.replace("_", " "), self.mode, self.backend, self.precision, size, k)
        return " ".join(word for word in words if word)

    def untimed(self) -> Self:
        """Return what was measured without its figures."""
        return replace(
            self,
            p50_ms=NAN,
            p95_ms=NAN,
            p99_ms=NAN,
            peak_mb=NAN,
            running_mb=NAN,
            joules=NAN,
            stages_ms={},
        )

    def timed(self, times_ms: Sequence[float]) -> Self:
        """Return the row with the percentiles of a timing."""
        found = Quantiles.of(times_ms)
        return replace(
            self, p50_ms=found.p50, p95_ms=found.p95, p99_ms=found.p99, frames=len(times_ms)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Benchmark:
    """One run: benchmark.json.

    Attributes:
        machine: What it ran on; runs of equal machines can be compared.
        versions: Of the software.
        load: Load averages (1 min) before and after.
        energy: Where `joules` come from, or why they are unknown.
        skipped: Suites that could not run here, and why.
        rows: The measurements.
        ratios: Ratios between this run's rows, by name.
    """

    machine: dict[str, str]
    versions: dict[str, str]
    load: dict[str, float]
    energy: str
    skipped: dict[str, str]
    rows: list[Row]
    ratios: dict[str, float]
    format: int = FORMAT

    def write(self, path: Path) -> None:
        """Write benchmark.json."""
        write_json(path, self)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a benchmark.json.

        Raises:
            InputError: The file cannot be read or is not a benchmark.json.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            if values["format"] != FORMAT:
                raise InputError(
                    f"{path}: format {values['format']}, {FORMAT} is known: run pdn benchmark anew"
                )
            rows = [_row(row) for row in values.pop("rows")]
            ratios = {name: NAN if v is None else v for name, v in values.pop("ratios").items()}
            return cls(rows=rows, ratios=ratios, **values)
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror})") from error
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{path}: not a benchmark.json of pdn benchmark") from error


def require_same_machine(ours: dict[str, str], other: Benchmark, name: str) -> None:
    """Refuse to compare runs of different machines.

    Raises:
        InputError: The two machines differ.
    """
    for part, here in ours.items():
        there = other.machine.get(part, "unknown")
        if here != there:
            raise InputError(
                f"{name}: measured on another machine ({part} {there}, here {here}): "
                "timings of different machines cannot be compared"
            )


def _row(values: dict[str, Any]) -> Row:
    known: dict[str, Any] = {k: NAN if value is None else value for k, value in values.items()}
    return Row(**known)


def ratio(upper: float, lower: float) -> float:
    """Return upper / lower; NaN where one is unknown or the lower is 0."""
    return upper / lower if lower and math.isfinite(upper) and math.isfinite(lower) else NAN

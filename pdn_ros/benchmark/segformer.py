"""Suite `segformer`: patch mode against SegFormer-B0 as a user runs it, image to mask.

SegFormer is Xie et al., "SegFormer: Simple and Efficient Design for Semantic Segmentation with
Transformers", NeurIPS 2021, by the `transformers` library. Its weights are random: they change
neither time nor memory.
"""

from collections.abc import Sequence
from contextlib import ExitStack, closing
from importlib.util import find_spec
from itertools import count
from typing import Final

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.segformer_model import SEGFORMER_BACKENDS
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.timing import SEGFORMER, Case, take_turns
from pdn_ros.benchmark.worker import WorkerProcess
from pdn_ros.errors import InputError
from pdn_ros.perception.backends import available
from pdn_ros.replay.settings import Progress

ALONE: Final = "network_alone"
"""Patch mode in a process that does nothing else, to compare SegFormer with."""
SEGFORMER_PATIENCE: Final = 4.0
"""How many times longer SegFormer's timing may take than others that end early."""


def against_segformer(
    settings: BenchmarkSettings, progress: Progress
) -> tuple[list[Row], dict[str, float]]:
    """Time patch mode against SegFormer-B0, and their memory, each in a process of its own.

    Raises:
        InputError: The `transformers` library is not installed.
    """
    require_transformers()
    width, height = settings.size
    installed = settings.backends or available()
    rows: list[Row] = []
    steps = count(1)
    backends = [name for name in SEGFORMER_BACKENDS if name in installed]
    for backend in backends:
        ours = Case(ALONE, backend, "patch", width, height)
        theirs = Case(SEGFORMER, backend, "", width, height)
        with ExitStack() as stack:
            workers = {
                case: stack.enter_context(
                    closing(
                        WorkerProcess(case, settings.device, settings.weights, settings.precision)
                    )
                )
                for case in (ours, theirs)
            }
            found = take_turns(
                (ours, theirs),
                workers,
                frames=settings.frames,
                seconds=SEGFORMER_PATIENCE * settings.seconds,
                done=lambda: progress(next(steps), 2 * len(backends)),
            )
            rows += [
                workers[case].with_memory(row)
                for row, case in zip(found, (ours, theirs), strict=True)
            ]
    return rows, segformer_ratios(rows)


def segformer_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return SegFormer / patch mode: latency, peak memory, and peak memory while running."""
    ratios = {}
    theirs = {row.backend: row for row in rows if row.name == SEGFORMER}
    for ours in (row for row in rows if row.name == ALONE and row.backend in theirs):
        other, backend = theirs[ours.backend], ours.backend
        ratios[f"segformer_over_patch.latency.{backend}"] = ratio(other.p50_ms, ours.p50_ms)
        ratios[f"segformer_over_patch.peak_memory.{backend}"] = ratio(other.peak_mb, ours.peak_mb)
        ratios[f"segformer_over_patch.running_memory.{backend}"] = ratio(
            other.running_mb, ours.running_mb
        )
    return ratios


def require_transformers() -> None:
    """Raise InputError unless SegFormer's library is installed."""
    if find_spec("transformers") is None:
        raise InputError(
            "suite segformer: needs the transformers library: pip install pdn_ros[bench]"
        )

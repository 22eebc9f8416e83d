"""The network by mode, backend, size and K; against eager torch, and against SegFormer-B0."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib.util import find_spec
from itertools import count
from math import isnan
from typing import Final

from pdn_ros.benchmark.case import EAGER, SEGFORMER, Case
from pdn_ros.benchmark.results import Row, ratio
from pdn_ros.benchmark.settings import Settings, Size
from pdn_ros.benchmark.timing import take_turns
from pdn_ros.benchmark.worker import Worker
from pdn_ros.errors import InputError
from pdn_ros.perception.backends import available, pick
from pdn_ros.replay.settings import Progress

NETWORK: Final = "network"
ALONE: Final = "network_alone"
"""Patch mode in a process that does nothing else: what SegFormer is held against."""
MODES: Final = ("patch", "context", "dense")
SEGFORMER_BACKENDS: Final = ("torch", "openvino")
SEGFORMER_PATIENCE: Final = 4.0
"""SegFormer's timing may take so many times longer than others that end early."""


def network(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time the modes on every backend; returns rows and ratios."""
    backends = chosen_backends(settings)
    cases = [case for size in settings.sizes for case in _cases(size, backends, settings)]
    rows = []
    steps = count(1)
    with ExitStack() as stack:
        workers = {
            backend: stack.enter_context(
                closing(Worker(_first(cases, backend), settings.device, settings.weights))
            )
            for backend in backends
        }
        for size in settings.sizes:
            group = [case for case in cases if (case.width, case.height) == size]
            # Of one size: they take turns, so that their ratios hold.
            rows += take_turns(
                group,
                {case: workers[case.backend] for case in group},
                frames=settings.frames,
                seconds=settings.seconds,
                done=lambda: progress(next(steps), len(cases)),
            )
    return rows, network_ratios(rows, settings.size)


def network_ratios(rows: Iterable[Row], size: Size) -> dict[str, float]:
    """Return patch over dense for each backend, and eager torch over the fastest backend."""
    medians = {
        (row.backend, row.mode): row.p50_ms
        for row in rows
        if (row.width, row.height) == size and row.name == NETWORK and not row.share
    }
    patch = {backend: ms for (backend, mode), ms in medians.items() if mode == "patch"}
    ratios = {
        f"patch_over_dense.{backend}": ratio(ms, medians.get((backend, "dense"), 0.0))
        for backend, ms in patch.items()
    }
    eager = patch.pop(EAGER, 0.0)
    known = {backend: ms for backend, ms in patch.items() if not isnan(ms)}
    if eager and known:
        best = min(known, key=lambda backend: known[backend])
        ratios[f"torch_eager_over_best.{best}"] = ratio(eager, known[best])
    return ratios


def against_segformer(settings: Settings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
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
                case: stack.enter_context(closing(Worker(case, settings.device, settings.weights)))
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
                _with_memory(row, workers[case])
                for row, case in zip(found, (ours, theirs), strict=True)
            ]
    return rows, segformer_ratios(rows)


def segformer_ratios(rows: Sequence[Row]) -> dict[str, float]:
    """Return SegFormer over patch mode: latency, and most memory at all and while running."""
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


def chosen_backends(settings: Settings) -> tuple[str, ...]:
    """Return the backends asked for, or all that can be used here.

    Raises:
        InputError: One of them is not installed.
    """
    found = available()
    for name in settings.backends:
        if name not in found and name != EAGER:
            raise InputError(
                f"backend {name}: not one of those installed: {', '.join((*found, EAGER))}"
            )
    return settings.backends or (*found, EAGER)


def _cases(size: Size, backends: Sequence[str], settings: Settings) -> list[Case]:
    width, height = size
    fastest = best(settings, backends)
    cases = []
    for backend in backends:
        # The ratios rest on these rows.
        whole = size == settings.size and backend in (fastest, EAGER)
        cases += [
            Case(
                NETWORK,
                backend,
                mode,
                width,
                height,
                whole=whole and (backend == fastest or mode == "patch"),
            )
            for mode in MODES
        ]
        if backend == fastest and size == settings.size:
            cases += [
                Case(NETWORK, backend, "patch", width, height, share) for share in settings.shares
            ]
    return cases


def best(settings: Settings, backends: Sequence[str]) -> str:
    """Return the backend that `auto` takes, or the first of those asked for."""
    import torch

    cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    chosen = pick("cuda" if cuda else "cpu")
    return chosen if chosen in backends else backends[0]


def _first(cases: Sequence[Case], backend: str) -> Case:
    return next(case for case in cases if case.backend == backend)


def _with_memory(row: Row, worker: Worker) -> Row:
    if not row.frames:
        return row
    memory = worker.memory()
    return replace(row, peak_mb=memory.peak_mb, running_mb=memory.running_mb)

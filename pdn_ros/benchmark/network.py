"""Suite `network`: the network by mode, backend, size and K, and against eager torch."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, closing
from itertools import count
from math import isnan
from typing import Final, Literal

from pdn_ros.benchmark.measurements import Row, ratio
from pdn_ros.benchmark.settings import BenchmarkSettings, Size
from pdn_ros.benchmark.timing import EAGER, Case, take_turns
from pdn_ros.benchmark.worker import WorkerProcess
from pdn_ros.errors import InputError
from pdn_ros.perception.backends import PRECISIONS, available, pick
from pdn_ros.replay.settings import Progress

NETWORK: Final = "network"
MODES: Final = ("patch", "context", "dense")


def network(settings: BenchmarkSettings, progress: Progress) -> tuple[list[Row], dict[str, float]]:
    """Time the modes on every backend; returns rows and ratios."""
    backends = chosen_backends(settings)
    cases = [case for size in settings.sizes for case in _cases(size, backends, settings)]
    rows = []
    steps = count(1)
    with ExitStack() as stack:
        workers = {
            backend: stack.enter_context(
                closing(
                    WorkerProcess(
                        _first(cases, backend),
                        settings.device,
                        settings.weights,
                        settings.precision,
                    )
                )
            )
            for backend in backends
        }
        for size in settings.sizes:
            group = [case for case in cases if (case.width, case.height) == size]
            # Cases of one size take turns, so that their ratios hold.
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


def chosen_backends(settings: BenchmarkSettings) -> tuple[str, ...]:
    """Return the requested backends, or all that can be used here in the precision asked for.

    Raises:
        InputError: A requested backend is not installed or does not offer the precision.
    """
    found = (*available(), EAGER)
    for name in settings.backends:
        if name not in found:
            raise InputError(f"backend {name}: not one of those installed: {', '.join(found)}")
    asked = settings.backends or found
    usable = tuple(name for name in asked if _offers(name, settings))
    if not usable or (settings.backends and usable != asked):
        names = ", ".join(name for name in asked if name not in usable)
        raise InputError(
            f"precision {settings.precision}: not offered by {names} on {device(settings)}"
        )
    return usable


def _offers(backend: str, settings: BenchmarkSettings) -> bool:
    """Whether a backend computes in the precision asked for; eager torch is in float32."""
    offered = ("float32",) if backend == EAGER else PRECISIONS[device(settings)].get(backend, ())
    return settings.precision == "auto" or settings.precision in offered


def device(settings: BenchmarkSettings) -> Literal["cpu", "cuda"]:
    """Return where the network runs."""
    import torch

    cuda = settings.device == "cuda" or (settings.device == "auto" and torch.cuda.is_available())
    return "cuda" if cuda else "cpu"


def _cases(size: Size, backends: Sequence[str], settings: BenchmarkSettings) -> list[Case]:
    width, height = size
    fastest = best(settings, backends)
    cases = []
    for backend in backends:
        # The ratios use these rows.
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


def best(settings: BenchmarkSettings, backends: Sequence[str]) -> str:
    """Return the backend that `auto` takes, or the first requested one."""
    chosen = pick(device(settings))
    return chosen if chosen in backends else backends[0]


def _first(cases: Sequence[Case], backend: str) -> Case:
    return next(case for case in cases if case.backend == backend)

"""`pdn benchmark`: speed and memory on this machine."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from pdn_ros.cli.common import Config, Out, Precision, Weights, image_size, progress, words
from pdn_ros.cli.interrupt import held_back
from pdn_ros.files import atomic


def benchmark(
    out: Out,
    suite: Annotated[
        str,
        typer.Option(
            metavar="SUITE,...",
            help="network, segformer, deadline, rig, node, live, memory, start, soak; default: all "
            "that can run here, except soak.",
        ),
    ] = "",
    frames: Annotated[int, typer.Option(min=1, help="Frames of a timing, after warm-up.")] = 200,
    seconds: Annotated[
        float,
        typer.Option(
            min=0,
            help="Stop timings that no ratio uses after this time, with fewer frames; 0: never.",
        ),
    ] = 4.0,
    sizes: Annotated[
        str, typer.Option(metavar="WxH,...", help="Image sizes of the network's table.")
    ] = "1280x720,1920x1080,3840x2160",
    size: Annotated[
        str, typer.Option(metavar="WxH", help="Image size of everything else.")
    ] = "1920x1080",
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where the network runs.")
    ] = "auto",
    backend: Annotated[
        str, typer.Option(metavar="NAME,...", help="Inference backends; default: all installed.")
    ] = "",
    precision: Precision = "auto",
    weights: Weights = "",
    growth_frames: Annotated[
        int, typer.Option(min=10, help="Frames over which the node's memory is watched.")
    ] = 1500,
    soak_frames: Annotated[
        int, typer.Option(min=1, help="Masks after which a soak ends.")
    ] = 10_000,
    soak_minutes: Annotated[
        float, typer.Option(min=0.1, help="Minutes after which a soak ends in any case.")
    ] = 30.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the soak's random faults.")] = 0,
    quick: Annotated[
        bool,
        typer.Option(
            "--quick",
            help="Rough figures in a minute: few frames, only network, node and start.",
        ),
    ] = False,
    compare: Annotated[
        Path | None,
        typer.Option(metavar="JSON", help="Show the changes against another run of this machine."),
    ] = None,
    config: Config = None,
) -> None:
    """Measure speed and memory: tables, benchmark.json and plots.

    Example: pdn benchmark --out result --suite network,node
    """
    del config
    with held_back():
        from rich.console import Console

        from pdn_ros import machine
        from pdn_ros.benchmark import show
        from pdn_ros.benchmark.measurements import Benchmark, require_same_machine
        from pdn_ros.benchmark.run import run
        from pdn_ros.benchmark.settings import DEFAULT_SUITES, QUICK_SUITES, BenchmarkSettings

    settings = BenchmarkSettings(
        suites=words(suite) or (QUICK_SUITES if quick else DEFAULT_SUITES),
        frames=frames,
        seconds=seconds,
        sizes=tuple(image_size(word) for word in words(sizes)),
        size=image_size(size),
        device=device,
        backends=words(backend),
        precision=precision,
        weights=weights,
        growth_frames=growth_frames,
        soak_frames=soak_frames,
        soak_minutes=soak_minutes,
        seed=seed,
    )
    if quick:
        settings = settings.quick()
    other = Benchmark.read(compare) if compare else None
    if other is not None:
        require_same_machine(machine.hardware(), other, str(compare))
    # Opened before the work, so that an unwritable folder shows at once.
    with atomic(out / "benchmark.json") as part:
        found = run(settings, lambda name: progress(f"benchmark {name}"))
        found.write(part)
    show.draw(found, out)
    console = Console()
    for each in show.tables(found, other):
        console.print(each)
    print(out / "benchmark.json")

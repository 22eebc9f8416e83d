"""Settings of a benchmark."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from pdn_ros.errors import InputError
from pdn_ros.perception.config import Precision

Device = Literal["auto", "cpu", "cuda"]
Size = tuple[int, int]
"""Width and height, pixels."""

SUITES: Final = (
    "network",
    "segformer",
    "deadline",
    "rig",
    "node",
    "live",
    "memory",
    "start",
    "soak",
)
DEFAULT_SUITES: Final = tuple(suite for suite in SUITES if suite != "soak")
"""All suites but the one that takes half an hour."""
QUICK_SUITES: Final = ("network", "node", "start")

HD: Final[Size] = (1280, 720)
FULL_HD: Final[Size] = (1920, 1080)
UHD: Final[Size] = (3840, 2160)


@dataclass(frozen=True, slots=True)
class BenchmarkSettings:
    """The options of `pdn benchmark`.

    Attributes:
        suites: Some of `SUITES`.
        frames: Frames of a timing, after warm-up.
        seconds: Timings that no ratio needs stop after this time, with fewer frames; 0: never.
        sizes: Image sizes of the network's table.
        shares: Shares of the patches to refine, besides the default quarter.
        size: Image size of everything else.
        rig_size: Image size of a rig's cameras.
        device: Where the network runs.
        backends: Inference backends; empty: all that are installed.
        precision: Number format of the network; `auto`: the fastest of each backend.
        weights: Path of the weights; empty: the shipped weights.
        growth_frames: Frames over which the node's memory is watched.
        cycles: Lifecycle cycles over which it is watched; each changes it by up to 5 MB.
        starts: Cold starts.
        soak_frames: Masks after which a soak ends.
        soak_minutes: Time after which it ends in any case.
        seed: Seed of the soak's faults.
    """

    suites: tuple[str, ...] = DEFAULT_SUITES
    frames: int = 200
    seconds: float = 4.0
    sizes: tuple[Size, ...] = (HD, FULL_HD, UHD)
    shares: tuple[float, ...] = (0.125, 0.5, 1.0)
    size: Size = FULL_HD
    rig_size: Size = (1600, 900)
    device: Device = "auto"
    backends: tuple[str, ...] = ()
    precision: Precision = "auto"
    weights: str = ""
    growth_frames: int = 1500
    cycles: int = 90
    starts: int = 3
    soak_frames: int = 10_000
    soak_minutes: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        unknown = [suite for suite in self.suites if suite not in SUITES]
        if unknown or not self.suites:
            raise InputError(
                f"suite {','.join(unknown) or '(none)'}: give some of {','.join(SUITES)}"
            )
        for width, height in (*self.sizes, self.size):
            if not (32 <= width <= 7680 and 32 <= height <= 4320):
                raise InputError(f"size {width}x{height}: give one from 32x32 to 7680x4320")
        if self.weights and not Path(self.weights).is_file():
            raise InputError(f"{self.weights}: no such file: give weights (.safetensors)")

    def quick(self) -> "BenchmarkSettings":
        """Return settings for a run of a minute, with rough figures."""
        return replace(
            self,
            frames=min(self.frames, 10),
            seconds=0.5,
            sizes=(self.size,),
            shares=(),
            growth_frames=min(self.growth_frames, 200),
            cycles=6,
            starts=1,
            soak_minutes=min(self.soak_minutes, 1.0),
        )

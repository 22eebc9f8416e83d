"""What a worker is asked to run, and what it answers."""

from dataclasses import dataclass
from typing import Final

from pdn_ros.benchmark.results import Row
from pdn_ros.replay.results import NAN

EAGER: Final = "torch_eager"
"""PatchDriveNet as a plain torch module, float32: what a user has without any backend."""
SEGFORMER: Final = "segformer_b0"


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time, from an image in host memory to a mask in host memory.

    Attributes:
        name: `network`, `deadline` or `segformer_b0`.
        backend: What runs it.
        mode: Mode of PatchDriveNet; empty for another network.
        width: Of the image, pixels.
        height: Of the image, pixels.
        share: Of the patches, to be refined; 0 is the default, a quarter.
        whole: A ratio rests on it: it gets all its frames, however long they take.
        deadline_ms: Time a frame may take; 0: no limit.
    """

    name: str
    backend: str
    mode: str
    width: int
    height: int
    share: float = 0.0
    whole: bool = False
    deadline_ms: float = 0.0

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
    """One frame: its time, that of the network's parts, patches refined, and energy."""

    ms: float
    stages_ms: dict[str, float]
    k: int = 0
    joules: float = NAN


@dataclass(frozen=True, slots=True)
class Memory:
    """Most memory of a process, 10^6 bytes; NaN where the system does not tell."""

    peak_mb: float = NAN
    running_mb: float = NAN

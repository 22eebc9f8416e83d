"""Trial: each backend and precision on the shipped image, compared with torch in float32."""

from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from pdn_ros.perception.backends import PRECISIONS, available
from pdn_ros.perception.backends.accuracy import street_image
from pdn_ros.perception.config import Backend, PipelineConfig, Precision
from pdn_ros.perception.pipeline import Pipeline

Device = Literal["cpu", "cuda"]
_IMAGES: Final = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome for one backend and precision.

    Attributes:
        backend: What ran the network.
        precision: What it computed in.
        ms: Time of an image of 640x360 in patch mode, median of five.
        agreement: Share of pixels whose label agrees with torch's in float32 on the CPU.
        fallback: Why a faster choice was not used; empty if the fastest was.
    """

    backend: str
    precision: str
    ms: float
    agreement: float
    fallback: str


def choices(device: Device) -> list[tuple[Backend, Precision]]:
    """Return the installed backends with the precisions that they offer."""
    found: list[tuple[Backend, Precision]] = []
    for backend in get_args(Backend):
        if backend in available() and backend in PRECISIONS[device]:
            # Half precision on a GPU is only for `auto`.
            offered = PRECISIONS[device][backend] if device == "cpu" else ("auto",)
            found += [
                (backend, precision) for precision in get_args(Precision) if precision in offered
            ]
    return found


def reference() -> NDArray[np.uint8]:
    """Return torch's mask of the shipped image, float32 on the CPU, (360, 640) uint8.

    Raises:
        InputError: The shipped weights or image cannot be read.
    """
    exact = PipelineConfig(device="cpu", backend="torch", precision="float32")
    return Pipeline(exact).segment(street_image()).mask


def trial(
    device: Device, backend: Backend, precision: Precision, expected: NDArray[np.uint8]
) -> Trial:
    """Segment the shipped image and compare with `expected`, from `reference`.

    Raises:
        InputError: The backend cannot run here in this precision.
    """
    image = street_image()
    pipeline = Pipeline(PipelineConfig(device=device, backend=backend, precision=precision))
    results = [pipeline.segment(image) for _ in range(1 + _IMAGES)]
    return Trial(
        pipeline.backend,
        pipeline.precision,
        ms=median(result.times.total for result in results[1:]),  # the first builds models
        agreement=float((results[-1].mask == expected).mean()),
        fallback=pipeline.fallback,
    )

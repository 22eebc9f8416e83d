"""Trial: each backend and precision on the image that ships, held against torch in float32."""

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
    """What became of a choice.

    Attributes:
        backend: What ran the network.
        precision: What it computed in.
        ms: Time of an image of 640x360 in patch mode, median of five.
        agreement: Share of the pixels with the label that torch gives them in float32 on the CPU.
        fallback: Why what would be faster was not used, empty where it was.
    """

    backend: str
    precision: str
    ms: float
    agreement: float
    fallback: str


def choices(device: Device) -> list[tuple[Backend, Precision]]:
    """Return the backends that are installed with the precisions that they can be asked for."""
    found: list[tuple[Backend, Precision]] = []
    for backend in get_args(Backend):
        if backend in available() and backend in PRECISIONS[device]:
            # Half precision on a GPU is auto's alone.
            offered = PRECISIONS[device][backend] if device == "cpu" else ("auto",)
            found += [
                (backend, precision) for precision in get_args(Precision) if precision in offered
            ]
    return found


def reference() -> NDArray[np.uint8]:
    """Return the mask of the image that ships by torch in float32 on the CPU, (360, 640) uint8.

    Raises:
        InputError: The weights or the image that ship cannot be read.
    """
    exact = PipelineConfig(device="cpu", backend="torch", precision="float32")
    return Pipeline(exact).segment(street_image()).mask


def trial(
    device: Device, backend: Backend, precision: Precision, expected: NDArray[np.uint8]
) -> Trial:
    """Segment the image that ships and compare with `reference`.

    Raises:
        InputError: It cannot be done so.
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

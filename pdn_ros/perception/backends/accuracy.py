"""How close a backend must be to torch in float32, on a shipped street scene."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.resources import config_path

Arrays = list[NDArray[np.generic]]


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a precision may cost.

    Attributes:
        labels: Share of the pixels that may get another label.
        mean: Mean difference of an output, relative to its mean absolute value.
    """

    labels: float
    mean: float


TOLERANCES: Final = {
    "float32": Tolerance(0.002, 0.001),
    "float16": Tolerance(0.01, 0.01),
    "bfloat16": Tolerance(0.03, 0.05),
}


class InaccurateError(InputError):
    """A backend's result differs from torch's."""


def street_image() -> NDArray[np.uint8]:
    """Return the shipped image, (360, 640, 3) uint8 BGR: a simulated street.

    Raises:
        InputError: It is absent or damaged.
    """
    path = config_path("street.jpg")
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path}: damaged; install pdn_ros again")
    return np.asarray(image, np.uint8)


def compare(found: Arrays, expected: Arrays) -> Tolerance:
    """Return the share of labels that differ and the largest mean difference of an output.

    Args:
        found: Outputs; the first is the logits (N, C, H, W).
        expected: Torch's outputs for the same inputs.
    """
    labels = float((found[0].argmax(1) != expected[0].argmax(1)).mean())
    means = [
        float(np.abs(mine.astype(np.float32) - theirs.astype(np.float32)).mean())
        / max(float(np.abs(theirs.astype(np.float32)).mean()), 1e-3)
        for mine, theirs in zip(found, expected, strict=True)
    ]
    return Tolerance(labels, max(means) if np.isfinite(means).all() else float("inf"))


def check(found: Arrays, expected: Arrays, precision: str) -> None:
    """Raise InaccurateError if outputs differ from torch's more than the precision allows."""
    allowed, off = TOLERANCES[precision], compare(found, expected)
    # In a small image a single label is a large share.
    one = 1.0 / found[0].argmax(1).size
    if not (off.labels <= max(allowed.labels, one) and off.mean <= allowed.mean):
        raise InaccurateError(
            f"{off.labels:.2%} of the labels differ from torch's and the values by {off.mean:.2%} "
            f"in the mean; {allowed.labels:.2%} and {allowed.mean:.2%} are allowed"
        )

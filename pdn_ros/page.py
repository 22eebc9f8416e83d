"""Pages: HTML files that stand alone and need no network, and the pictures in them."""

import base64
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from numpy.typing import NDArray

from pdn_ros.files import atomic

_WIDTH: Final = 640
_QUALITY: Final = 72


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded picture and its size in pixels."""

    data: bytes
    width: int
    height: int
    media_type: str

    @property
    def uri(self) -> str:
        """The picture as a data URI."""
        return f"data:{self.media_type};base64,{base64.b64encode(self.data).decode('ascii')}"


def photo(image: NDArray[np.uint8], width: int = _WIDTH) -> Picture:
    """Encode a BGR picture small enough for a page, at most `width` pixels wide."""
    if image.shape[1] > width:
        size = (width, max(1, round(image.shape[0] * width / image.shape[1])))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return Picture(data.tobytes(), image.shape[1], image.shape[0], "image/jpeg")


def drawing(image: NDArray[np.uint8]) -> Picture:
    """Encode a BGR picture of few colors without loss."""
    _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return Picture(data.tobytes(), image.shape[1], image.shape[0], "image/png")


def write_page(path: Path, template: str, **values: object) -> None:
    """Write a page from one of the templates; values are escaped."""
    environment = Environment(
        loader=PackageLoader("pdn_ros", "templates"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["figure"] = figure
    environment.filters["share"] = share
    text = environment.get_template(template).render(values)
    with atomic(path) as part:
        part.write_text(text, encoding="utf-8")


def figure(value: float, unit: str = "") -> str:
    """Write a number with three digits or so; `n/a` when it is unknown."""
    if not math.isfinite(value):
        return "n/a"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}{unit}"


def share(value: float) -> str:
    """Write a share in percent; `n/a` when it is unknown."""
    if not math.isfinite(value):
        return "n/a"
    return f"{100 * value:.{2 if abs(value) < 0.01 else 1}f} %"

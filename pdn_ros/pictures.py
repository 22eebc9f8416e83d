"""Encoded pictures inside of HTML pages."""

import base64
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

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


def photo(image: NDArray[np.uint8]) -> Picture:
    """Encode a BGR picture small enough for the report."""
    if image.shape[1] > _WIDTH:
        size = (_WIDTH, max(1, round(image.shape[0] * _WIDTH / image.shape[1])))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return Picture(data.tobytes(), image.shape[1], image.shape[0], "image/jpeg")


def drawing(image: NDArray[np.uint8]) -> Picture:
    """Encode a BGR picture of few colors without loss."""
    _, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    return Picture(data.tobytes(), image.shape[1], image.shape[0], "image/png")

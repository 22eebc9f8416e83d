"""Windows of labelled images as another camera, another lens and another day would have them."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.datasets import Sample
from pdn_ros.network.segmentation import OUTPUT_STRIDE

Image = NDArray[np.uint8]
TILT = 0.06
"""Most shift of a window's corner, relative to its size (mild perspective)."""


def augment(
    rng: np.random.Generator, sample: Sample, crop: tuple[int, int], scales: tuple[float, float]
) -> tuple[Image, Image]:
    """Cut a randomly scaled, shifted, tilted, mirrored and recolored window of at most `crop`.

    Returns:
        Image (H, W, 3) uint8 BGR and label (H, W) uint8, H and W in whole output cells.
    """
    height, width = crop
    scale = float(np.exp(rng.uniform(*np.log(scales))))
    label: cv2.typing.MatLike = sample.label
    if label.shape != sample.image.shape[:2]:
        size = sample.image.shape[1::-1]
        label = cv2.resize(label, size, interpolation=cv2.INTER_NEAREST_EXACT)
    rows, cols = label.shape
    window_h, window_w = min(rows, round(height / scale)), min(cols, round(width / scale))
    top, left = _corner(rng, label, window_h, window_w)
    window = np.s_[top : top + window_h, left : left + window_w]
    size = tuple(
        max(round(min(most, n * scale)) // OUTPUT_STRIDE, 1) * OUTPUT_STRIDE
        for most, n in ((width, window_w), (height, window_h))
    )
    shrink = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    image = cv2.resize(sample.image[window], size, interpolation=shrink)
    ids = cv2.resize(label[window], size, interpolation=cv2.INTER_NEAREST_EXACT)
    if rng.random() < 0.3:
        image, ids = _tilt(rng, image, ids)
    if rng.random() < 0.5:
        image, ids = image[:, ::-1], ids[:, ::-1]
    return degrade(rng, recolor(rng, image)), np.asarray(ids, np.uint8)


def _corner(
    rng: np.random.Generator, label: cv2.typing.MatLike, height: int, width: int
) -> tuple[int, int]:
    """Place a window: anywhere, or every other time on a pixel of a class drawn by equal chances.

    So rare classes are met as often as common ones (Zhu et al., CVPR 2019: class uniform sampling).
    """
    rows, cols = label.shape
    top, left = int(rng.integers(rows - height + 1)), int(rng.integers(cols - width + 1))
    present = np.unique(label[::4, ::4])
    present = present[present != VOID]
    if len(present) and rng.random() < 0.5:
        y, x = np.nonzero(label[::4, ::4] == rng.choice(present))
        i = int(rng.integers(len(y)))
        top = min(max(int(y[i]) * 4 - int(rng.integers(height)), 0), rows - height)
        left = min(max(int(x[i]) * 4 - int(rng.integers(width)), 0), cols - width)
    return top, left


def _tilt(
    rng: np.random.Generator, image: cv2.typing.MatLike, ids: cv2.typing.MatLike
) -> tuple[cv2.typing.MatLike, cv2.typing.MatLike]:
    """Look from a slightly other direction; what was not seen is void."""
    height, width = ids.shape
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    moved = corners + rng.uniform(-TILT, TILT, (4, 2)) * np.array([width, height])
    matrix = cv2.getPerspectiveTransform(corners, moved.astype(np.float32))
    size = (width, height)
    image = cv2.warpPerspective(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    ids = cv2.warpPerspective(
        ids, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID
    )
    return image, ids


def recolor(rng: np.random.Generator, image: cv2.typing.MatLike) -> Image:
    """Random exposure, contrast, gamma, saturation, hue and white balance; rarely no color."""
    levels = np.arange(256, dtype=np.float32) / 255
    gamma, gain = np.exp(rng.uniform(-0.5, 0.5)), np.exp(rng.uniform(-0.4, 0.35))
    pivot = rng.uniform(0.3, 0.6)
    curve = (levels**gamma - pivot) * gain + pivot + rng.uniform(-0.1, 0.1)
    balance = np.exp(rng.normal(0, 0.07, 3))
    table = np.clip(curve[:, None] * balance * 255, 0, 255).astype(np.uint8)
    image = cv2.LUT(np.ascontiguousarray(image), table[None])
    saturation = 0.0 if rng.random() < 0.03 else float(np.exp(rng.uniform(-0.7, 0.4)))
    gray = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
    return np.asarray(cv2.addWeighted(image, saturation, gray, 1 - saturation, 0), np.uint8)


def degrade(rng: np.random.Generator, image: Image) -> Image:
    """What lens, sensor and transport do: blur, noise and JPEG, each now and then."""
    found: cv2.typing.MatLike = image
    if rng.random() < 0.25:
        found = cv2.GaussianBlur(found, (5, 5), float(rng.uniform(0.4, 1.4)))
    if rng.random() < 0.25:
        noise = rng.standard_normal(found.shape, np.float32) * np.float32(rng.uniform(1, 9))
        found = np.clip(found + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.25:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 90))]
        _, encoded = cv2.imencode(".jpg", found, quality)
        return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), np.uint8)
    return np.asarray(found, np.uint8)

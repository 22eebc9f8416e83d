"""pdn_ros/PatchArray and pdn_ros/PatchPrior to and from their serialised form."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Header, Reader, Writer

if TYPE_CHECKING:  # it brings torch, which the LiDAR node has no use for
    from pdn_ros.perception import Result

REASON_NONE, REASON_DRIVER, REASON_LIDAR, REASON_ALL = range(4)

# The fields of Patch.msg where CDR aligns them; the closing two bytes pad to the next patch.
_PATCH = np.dtype(
    {
        "names": ["index", "x", "y", "width", "height", "weight", "prior", "score",
                  "selected", "reason"],
        "formats": ["<u4", "<u2", "<u2", "<u2", "<u2", "<f4", "<f4", "<f4", "u1", "u1"],
        "offsets": [0, 4, 6, 8, 10, 12, 16, 20, 24, 25],
        "itemsize": 28,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prior:
    """A PatchPrior: (rows, cols) float32 weights for an image of this size."""

    header: Header
    image_size: tuple[int, int]
    patch_size: int
    weights: NDArray[np.float32]
    returns: int


def write_prior(prior: Prior) -> bytes:
    """Serialise a pdn_ros/PatchPrior."""
    width, height = prior.image_size
    rows, cols = prior.weights.shape
    writer = prior.header.write(Writer())
    writer.scalars("IIHHH", width, height, prior.patch_size, rows, cols)
    return writer.array(prior.weights.astype("<f4")).scalars("I", prior.returns).finish()


def read_prior(data: bytes) -> Prior:
    """Read a serialised pdn_ros/PatchPrior; InputError when it is damaged."""
    reader = Reader(data)
    header = Header.read(reader)
    width, height, patch_size, rows, cols = (reader.scalar(code) for code in "IIHHH")
    weights = reader.array("f4")
    if weights.size != rows * cols:
        raise InputError(f"prior: {weights.size} weights for {rows}x{cols} patches")
    if not (np.isfinite(weights).all() and (weights >= 0).all() and (weights <= 1).all()):
        raise InputError("prior: weights outside 0..1")
    weights = weights.astype(np.float32).reshape(rows, cols)
    return Prior(header, (width, height), patch_size, weights, reader.scalar("I"))


def write_patches(header: Header, result: "Result", prior: NDArray[np.float32] | None) -> bytes:
    """Serialise a pdn_ros/PatchArray: every patch, row-major.

    Args:
        header: Of the image.
        result: Of the image.
        prior: (rows, cols) LiDAR prior that the selection used, None when it used none.
    """
    height, width = result.mask.shape
    rows, cols = result.weights.shape
    patches = _table(result, prior, width=width, height=height)
    writer = header.write(Writer()).scalars("IIHHH", width, height, result.patch_size, rows, cols)
    writer.string(result.mode).scalars("I", result.budget).string(result.budget_reason)
    writer.scalars("I", len(patches))
    body = patches.tobytes()
    return writer.raw(body[: len(body) - 2] if len(patches) else body, align=4).finish()


def _table(
    result: "Result", prior: NDArray[np.float32] | None, *, width: int, height: int
) -> NDArray[np.void]:
    rows, cols = result.weights.shape
    size, count = result.patch_size, rows * cols
    table = np.zeros(count, dtype=_PATCH)
    index = np.arange(count)
    table["index"] = index
    table["x"], table["y"] = index % cols * size, index // cols * size
    table["width"] = np.minimum(size, width - table["x"].astype(np.int64))
    table["height"] = np.minimum(size, height - table["y"].astype(np.int64))
    table["weight"] = result.weights.reshape(-1)
    table["prior"] = np.nan if prior is None else prior.reshape(-1)
    table["score"] = result.scores.reshape(-1)
    table["selected"][result.selected] = 1
    table["reason"][result.selected] = reasons(result)
    return table


def reasons(result: "Result") -> NDArray[np.uint8]:
    """Say for each selected patch why: would the driver's weight alone have selected it?"""
    weights, k = result.weights.reshape(-1), len(result.selected)
    if k == weights.size:
        return np.full(k, REASON_ALL, dtype=np.uint8)
    by_driver = np.zeros(weights.size, dtype=bool)
    by_driver[np.argsort(-weights, kind="stable")[:k]] = True
    if not result.prior_used:
        by_driver[:] = True
    return np.where(by_driver[result.selected], REASON_DRIVER, REASON_LIDAR).astype(np.uint8)

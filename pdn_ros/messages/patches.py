"""pdn_ros/PatchArray and pdn_ros/PatchPrior: what the patches of an image are worth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import Buffer, Header, Reader, Writer

Floats = NDArray[np.float32]

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


@dataclass(frozen=True, slots=True, eq=False)
class PatchPrior:
    """What one scan says about where the image needs precision.

    Attributes:
        header: Stamp of the scan; the camera's optical frame.
        image_size: Width and height of the image, pixels.
        patch_size: Side of a patch, pixels.
        weights: (rows, cols) float32, 0 (no precision needed) to 1.
        returns: Points of the scan inside the image.
    """

    header: Header
    image_size: tuple[int, int]
    patch_size: int
    weights: Floats
    returns: int


@dataclass(frozen=True, slots=True, eq=False)
class PatchArray:
    """The driver's weights of an image's patches, and the selection.

    Attributes:
        header: Of the image.
        image_size: Width and height of the image, pixels.
        patch_size: Side of a patch, pixels.
        weights: (rows, cols) float32, the driver's, 0 to 1.
        prior: (rows, cols) float32, the LiDAR's, 0 to 1; None when the selection used none.
        scores: (rows, cols) float32, what the selection sorted by.
        selected: (K,) row-major indices of the refined patches.
        mode: `patch`, `context` or `dense`.
        budget: Largest number of patches that might be refined.
        budget_reason: Reason for the budget.
    """

    header: Header
    image_size: tuple[int, int]
    patch_size: int
    weights: Floats
    prior: Floats | None
    scores: Floats
    selected: NDArray[np.integer]
    mode: str
    budget: int
    budget_reason: str

    def reasons(self) -> NDArray[np.uint8]:
        """For each selected patch: would the driver's weight alone have selected it?"""
        weights, k = self.weights.reshape(-1), len(self.selected)
        if k == weights.size:
            return np.full(k, REASON_ALL, dtype=np.uint8)
        if self.prior is None:
            return np.full(k, REASON_DRIVER, dtype=np.uint8)
        by_driver = np.zeros(weights.size, dtype=bool)
        by_driver[np.argsort(-weights, kind="stable")[:k]] = True
        return np.where(by_driver[self.selected], REASON_DRIVER, REASON_LIDAR).astype(np.uint8)


def read_prior(data: Buffer) -> PatchPrior:
    """Read a serialized pdn_ros/PatchPrior; InputError when it is damaged."""
    reader = Reader(data)
    header = Header.read(reader)
    width, height, patch_size, rows, cols = reader.scalars("IIHHH")
    weights = reader.array("f4")
    if weights.size != rows * cols:
        raise InputError(f"prior: {weights.size} weights for {rows}x{cols} patches")
    if not ((weights >= 0) & (weights <= 1)).all():
        raise InputError("prior: weights outside 0..1")
    weights = weights.astype(np.float32).reshape(rows, cols)
    return PatchPrior(header, (width, height), patch_size, weights, reader.scalar("I"))


def write_prior(prior: PatchPrior) -> bytes:
    """Serialize a pdn_ros/PatchPrior."""
    writer = prior.header.write(Writer())
    writer.scalars("IIHHH", *prior.image_size, prior.patch_size, *prior.weights.shape)
    return writer.array(prior.weights.astype("<f4")).scalars("I", prior.returns).finish()


def read_patches(data: Buffer) -> PatchArray:
    """Read a serialized pdn_ros/PatchArray; `selected` is sorted by descending score.

    Raises:
        InputError: The message is truncated or damaged, or its patches do not fill the grid.
    """
    reader = Reader(data)
    header = Header.read(reader)
    width, height, patch_size, rows, cols = reader.scalars("IIHHH")
    mode, budget, budget_reason = reader.string(), reader.scalar("I"), reader.string()
    table = reader.records(_PATCH)
    if len(table) != rows * cols or (table["index"] != np.arange(len(table))).any():
        raise InputError(f"patches: {len(table)} patches do not fill {rows}x{cols}, or in disorder")
    if not (np.isfinite(table["weight"]).all() and np.isfinite(table["score"]).all()):
        raise InputError("patches: a weight or score is not finite")
    weights, prior, scores = (
        np.ascontiguousarray(table[name]).reshape(rows, cols)
        for name in ("weight", "prior", "score")
    )
    known = np.isfinite(prior)
    by_score = np.argsort(-table["score"], kind="stable")
    return PatchArray(
        header,
        (width, height),
        patch_size,
        weights,
        np.where(known, prior, np.float32(0)) if known.any() else None,
        scores,
        by_score[table["selected"][by_score] != 0],
        mode,
        budget,
        budget_reason,
    )


def write_patches(patches: PatchArray) -> bytes:
    """Serialize a pdn_ros/PatchArray: every patch, row-major."""
    (rows, cols), size = patches.weights.shape, patches.patch_size
    width, height = patches.image_size
    table = np.zeros(rows * cols, dtype=_PATCH)
    row, col = np.divmod(np.arange(rows * cols), max(cols, 1))
    table["index"] = np.arange(rows * cols)
    table["x"], table["y"] = col * size, row * size
    table["width"] = np.minimum(size, width - col * size)
    table["height"] = np.minimum(size, height - row * size)
    table["weight"] = patches.weights.reshape(-1)
    table["prior"] = np.nan if patches.prior is None else patches.prior.reshape(-1)
    table["score"] = patches.scores.reshape(-1)
    table["selected"][patches.selected] = 1
    table["reason"][patches.selected] = patches.reasons()
    writer = patches.header.write(Writer()).scalars("IIHHH", width, height, size, rows, cols)
    writer.string(patches.mode).scalars("I", patches.budget).string(patches.budget_reason)
    return writer.records(table).finish()

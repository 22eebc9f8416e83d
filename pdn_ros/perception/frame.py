"""What goes into the pipeline and what comes out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import PatchArray
from pdn_ros.network import Times


@dataclass(frozen=True, slots=True)
class Frame:
    """One image on its way.

    Attributes:
        image: (H, W, 3) uint8 BGR; a view of the message is fine.
        stamp_ns: The sensor's stamp, nanoseconds.
        prior: (rows, cols) float32 LiDAR prior in [0, 1], or None without one.
    """

    image: NDArray[np.uint8]
    stamp_ns: int = 0
    prior: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What a frame yields.

    Attributes:
        mask: (H, W) uint8 class ids.
        confidence: (H, W) uint8, 255 = certain; None when not asked for.
        patch_size: Side of a patch, pixels.
        weights: (rows, cols) float32, the driver's weights in [0, 1].
        scores: (rows, cols) float32, weights blended with the prior.
        selected: (K,) int32 row-major ids of the refined patches, best first.
        prior_used: Whether a LiDAR prior took part in the selection.
        mode: `patch`, `context` or `dense`.
        budget: K that was allowed for this frame.
        budget_reason: Why it was that many.
        times: Where the time went, milliseconds.
    """

    mask: NDArray[np.uint8]
    confidence: NDArray[np.uint8] | None
    patch_size: int
    weights: NDArray[np.float32]
    scores: NDArray[np.float32]
    selected: NDArray[np.int32]
    prior_used: bool
    mode: str
    budget: int
    budget_reason: str
    times: Times

    def patches(self, header: Header, prior: NDArray[np.float32] | None) -> PatchArray:
        """Return every patch and the selection as they are published.

        Args:
            header: Of the image.
            prior: (rows, cols) LiDAR prior of the frame, if it had one.
        """
        height, width = self.mask.shape
        return PatchArray(
            header,
            (width, height),
            self.patch_size,
            self.weights,
            prior if self.prior_used else None,
            self.scores,
            self.selected,
            self.mode,
            self.budget,
            self.budget_reason,
        )

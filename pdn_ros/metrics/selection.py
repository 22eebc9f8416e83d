"""What lies in the patches: shares, waste, what refinement could mend, and seams."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID


def patch_ids(
    size: tuple[int, int], image_size: tuple[int, int], patch_size: int
) -> NDArray[np.intp]:
    """Return the row-major patch id of every pixel of a label, (h, w).

    Args:
        size: (h, w) of the label; it covers the same view as the image at any other size.
        image_size: (H, W) of the image that was cut into patches.
        patch_size: Side of a patch in pixels of the image.
    """
    cols = -(-image_size[1] // patch_size)
    y, x = (
        ((np.arange(n) + 0.5) * (whole / n) // patch_size).astype(np.intp)
        for n, whole in zip(size, image_size, strict=True)
    )
    return np.asarray(y[:, None] * cols + x[None, :])


def class_counts(
    label: NDArray[np.uint8], image_size: tuple[int, int], patch_size: int
) -> NDArray[np.int64]:
    """Count the pixels of each id in each patch, (N, 256)."""
    ids = patch_ids(label.shape, image_size, patch_size)
    patches = int(ids[-1, -1]) + 1
    counts = np.bincount((ids * 256 + label).ravel(), minlength=patches * 256)
    return counts.reshape(patches, 256)


@dataclass(slots=True)
class Waste:
    """How much of an image is refined, and how much of that in vain.

    A refined patch is wasted when all its labelled pixels are of one of the `plain` classes (sky,
    road): no marking, no other class, no contour. Where a set labels markings as road, a patch with
    markings alone counts as plain.

    Attributes:
        plain: Ids of the plain classes.
    """

    plain: tuple[int, ...]
    patches: int = 0
    refined: int = 0
    wasted: int = 0

    def update(
        self,
        selected: NDArray[np.int32],
        label: NDArray[np.uint8],
        image_size: tuple[int, int],
        patch_size: int,
    ) -> None:
        """Add one image with the ids of its refined patches."""
        counts = class_counts(label, image_size, patch_size)
        labelled = counts[:, :VOID].sum(axis=1)
        alone = (counts[:, list(self.plain)] == labelled[:, None]).any(axis=1) & (labelled > 0)
        self.patches += len(counts)
        self.refined += len(selected)
        self.wasted += int(alone[selected].sum())

    @property
    def refined_share(self) -> float:
        """Refined patches of all patches."""
        return self.refined / self.patches if self.patches else float("nan")

    @property
    def wasted_share(self) -> float:
        """Wasted patches of the refined ones; 0 when none was refined."""
        return self.wasted / self.refined if self.refined else 0.0


@dataclass(slots=True)
class MendableErrors:
    """Share of the mendable errors that lie in the selected patches.

    An error is mendable when the context network makes it and refining every patch does not.

    Attributes:
        classes: Label ids that count; None for all.
        found: Mendable pixels in the selected patches.
        best: Mendable pixels in the best choice of as many patches in each image.
        total: All mendable pixels.
    """

    classes: Sequence[int] | None = None
    found: int = 0
    best: int = 0
    total: int = 0

    def update(
        self,
        selected: NDArray[np.int32],
        *,
        label: NDArray[np.uint8],
        context: NDArray[np.uint8],
        refined: NDArray[np.uint8],
        image_size: tuple[int, int],
        patch_size: int,
    ) -> None:
        """Add one image.

        Args:
            selected: (K,) row-major ids of the selected patches.
            label: (h, w) uint8 class ids.
            context: Prediction without refinement, of the label's size.
            refined: Prediction with every patch refined, of the label's size.
            image_size: (H, W) of the image that was cut into patches.
            patch_size: Side of a patch in pixels of the image.
        """
        mendable = (context != label) & (refined == label) & (label != VOID)
        if self.classes is not None:
            mendable &= np.isin(label, list(self.classes))
        ids = patch_ids(label.shape, image_size, patch_size)
        counts = np.bincount(ids[mendable], minlength=int(ids[-1, -1]) + 1)
        self.found += int(counts[selected].sum())
        self.best += int(np.sort(counts)[::-1][: len(selected)].sum())
        self.total += int(counts.sum())

    @property
    def recall(self) -> float:
        """Found of all."""
        return self.found / self.total if self.total else float("nan")

    @property
    def best_recall(self) -> float:
        """What an oracle finds with as many patches."""
        return self.best / self.total if self.total else float("nan")


class Seams:
    """Label disagreement across patch borders against that a quarter patch beside them.

    Neighbouring pixels of different class on the two sides of a border are an edge of the picture
    or a seam; edges of the picture are as frequent on parallel lines within the patches. Counted
    are the borders that a selected patch touches.
    """

    def __init__(self) -> None:
        self.across = 0
        self.inside = 0.0

    def update(self, mask: NDArray[np.uint8], selected: NDArray[np.int32], patch_size: int) -> None:
        """Add one image's (H, W) mask at the size that was cut into patches."""
        rows, cols = (-(-n // patch_size) for n in mask.shape)
        chosen = np.zeros(rows * cols, dtype=bool)
        chosen[selected] = True
        self._count(mask, chosen.reshape(rows, cols), patch_size)
        self._count(mask.T, chosen.reshape(rows, cols).T, patch_size)

    def _count(self, mask: NDArray[np.uint8], chosen: NDArray[np.bool_], size: int) -> None:
        """Add the vertical borders."""
        differs = mask[:, 1:] != mask[:, :-1]
        # (rows of patches, W - 1): disagreements along each column of pixel pairs.
        lines = np.add.reduceat(differs, np.arange(0, len(mask), size), axis=0, dtype=np.int64)
        borders = np.arange(size - 1, differs.shape[1], size)
        quarter = size // 4
        # The last patch may be too narrow for a line beside its border.
        borders = borders[borders + quarter < differs.shape[1]]
        touched = (chosen[:, 1:] | chosen[:, :-1])[:, : len(borders)]
        self.across += int(lines[:, borders][touched].sum())
        beside = lines[:, borders - quarter] + lines[:, borders + quarter]
        self.inside += float(beside[touched].sum()) / 2

    @property
    def ratio(self) -> float:
        """Disagreement across borders over that beside them: 1 without seams."""
        return self.across / self.inside if self.inside else float("nan")

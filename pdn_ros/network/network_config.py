"""The network's hyper-parameters and the patch grid they imply."""

from dataclasses import dataclass

CONTEXT_SCALES = (0.5, 0.375, 0.25)
"""Scales of the context image; each maps a patch to a whole number of context cells."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """Hyper-parameters that the weights depend on.

    Attributes:
        num_classes: C.
        channels: F, width of decoder and refinement.
        patch_size: p, side of a patch in full-resolution pixels.
        halo: Pixels around a patch that the refinement also sees.
        patch_blocks: Blocks of the backbone that a patch passes, 9 to 11 (all end at stride 16).
        mixing_pool: Stride-16 cells along the side of a mixing token.
        mixing_layers: Patch-mixing layers; patches of the lower half by weight take only the first.
        context_pixels: The context image is the largest of `CONTEXT_SCALES` with at most so many.
    """

    num_classes: int
    channels: int = 64
    patch_size: int = 128
    halo: int = 8
    patch_blocks: int = 9
    mixing_layers: int = 2
    mixing_pool: int = 3
    context_pixels: int = 310_000

    def __post_init__(self) -> None:
        if self.num_classes < 2:
            raise ValueError(f"num_classes {self.num_classes}: a network needs two or more")
        if not 9 <= self.patch_blocks <= 11:
            raise ValueError(f"patch_blocks {self.patch_blocks}: 9 to 11 end at stride 16")
        side = self.patch_size + 2 * self.halo
        if self.patch_size % 32 or self.halo < 0 or self.halo % 4 or side % (16 * self.mixing_pool):
            raise ValueError(
                f"patch_size {self.patch_size}, halo {self.halo}, mixing_pool {self.mixing_pool}: "
                "the patch must be a multiple of 32, the halo of 4, and both together of 16 cells "
                "times the pool"
            )


@dataclass(frozen=True, slots=True)
class PatchGrid:
    """How an image is cut: row-major patches from the top left, the last ones padded.

    Attributes:
        height, width: Image size, pixels.
        size: p, side of a patch.
        scale: Scale of the context image.
    """

    height: int
    width: int
    size: int
    scale: float

    @property
    def rows(self) -> int:
        """Rows of patches."""
        return -(-self.height // self.size)

    @property
    def cols(self) -> int:
        """Columns of patches."""
        return -(-self.width // self.size)

    @property
    def count(self) -> int:
        """N, the number of patches."""
        return self.rows * self.cols

    @property
    def context_size(self) -> tuple[int, int]:
        """Height and width of the context image."""
        return max(1, round(self.height * self.scale)), max(1, round(self.width * self.scale))

    @property
    def cell(self) -> int:
        """Side of a patch on the context's stride-4 maps."""
        return round(self.size * self.scale) // 4


def patch_grid(height: int, width: int, config: NetworkConfig, *, alone: bool = False) -> PatchGrid:
    """Cut an image: the context scale follows from the image's size.

    Args:
        height: Rows of the image.
        width: Columns of the image.
        config: The network's hyper-parameters.
        alone: No patch will be refined: an image that is small enough is seen at its own size.

    Raises:
        ValueError: The image is smaller than 32 pixels on a side.
    """
    if min(height, width) < 32:
        raise ValueError(f"image of {width}x{height}: at least 32x32 pixels are needed")
    scales = (1.0, *CONTEXT_SCALES) if alone else CONTEXT_SCALES
    fits = (s for s in scales if height * width * s * s <= config.context_pixels)
    return PatchGrid(height, width, config.patch_size, next(fits, CONTEXT_SCALES[-1]))

"""Training and validation images of a set that has no split: by time, never at random.

Neighboring frames of a recording are nearly the same picture. Drawn at random, every validation
image would have a twin in training, and the score would flatter.
"""

from collections.abc import Sequence
from typing import Final

VAL_SHARE: Final = 0.25
MIN_VAL: Final = 3
PLENTY: Final = 200
"""From so many images on there are several blocks, and a gap on either side of each."""
BLOCKS: Final = 4
GAP_SHARE: Final = 0.05
"""Images that are left out on either side of a block, relative to the block."""


def split_by_time(
    contents: Sequence[frozenset[int]],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Split images in the order of their time into training and validation.

    Validation is one block without a gap, placed so that as many classes as possible occur on both
    sides; the last such block, since a robot is used after it was recorded. Of `PLENTY` images and
    more it is `BLOCKS` blocks spread over the recording.

    Args:
        contents: Class ids that occur in each image, in the order of time. They may be left empty
            where there are plenty.

    Returns:
        Indices of the training and of the validation images. A single image is both.
    """
    count = len(contents)
    if count < 2:
        return tuple(range(count)), tuple(range(count))
    size = min(max(round(VAL_SHARE * count), MIN_VAL), count // 2)
    if count >= PLENTY:
        return _several_blocks(count, size)
    start = max(range(count - size + 1), key=lambda s: (_shared(contents, s, s + size), s))
    val = range(start, start + size)
    return tuple(i for i in range(count) if i not in val), tuple(val)


def _shared(contents: Sequence[frozenset[int]], start: int, end: int) -> int:
    """Count the classes that occur both inside and outside the block."""
    outside = frozenset().union(*contents[:start], *contents[end:])
    return len(frozenset().union(*contents[start:end]) & outside)


def _several_blocks(count: int, size: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Place blocks of equal size in the middle of equal parts, with gaps beside them."""
    length = size // BLOCKS
    gap = max(1, round(GAP_SHARE * length))
    starts = [(2 * i + 1) * count // (2 * BLOCKS) - length // 2 for i in range(BLOCKS)]
    val = [i for s in starts for i in range(s, s + length)]
    kept_out = {i for s in starts for i in range(s - gap, s + length + gap)}
    return tuple(i for i in range(count) if i not in kept_out), tuple(val)

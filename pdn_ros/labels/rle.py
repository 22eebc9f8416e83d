"""Run-length codes of masks in COCO, CVAT and Label Studio."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.labels.source import Ids

Mask = NDArray[np.bool_]


def runs(flat: Mask) -> list[int]:
    """Return the lengths of the runs of a flat mask; the first one is of False, maybe 0."""
    changes = np.flatnonzero(np.diff(flat.view(np.uint8), prepend=0))
    ends: list[int] = [*changes.tolist(), flat.size]
    return [ends[0], *np.diff(ends).tolist()]


def from_runs(lengths: Sequence[int], size: int) -> Mask:
    """Return the flat mask of `size` pixels that runs describe, the first one of False.

    Raises:
        InputError: The runs do not add up to the size.
    """
    counts = np.asarray(lengths, dtype=np.int64)
    if (counts < 0).any() or counts.sum() != size:
        raise InputError(f"runs of {counts.sum()} pixels where there are {size}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts)


def read_coco(counts: str | Sequence[int], height: int, width: int) -> Mask:
    """Return the mask (H, W) of COCO's `counts`, compressed or not; they run down the columns.

    Raises:
        InputError: They are damaged or do not fit the size.
    """
    lengths = _decompressed(counts) if isinstance(counts, str) else counts
    return from_runs(lengths, height * width).reshape(width, height).T


def write_coco(mask: Mask) -> list[int]:
    """Return a mask (H, W) as COCO's uncompressed `counts`."""
    return runs(mask.T.ravel())


def _decompressed(text: str) -> list[int]:
    """Read groups of five bits, lowest first; from the third on they are differences."""
    lengths: list[int] = []
    value = shift = 0
    for letter in text:
        code = ord(letter) - 48
        if not 0 <= code < 64:
            raise InputError(f"run-length code: no letter {letter!r} in it")
        value |= (code & 31) << shift
        shift += 5
        if not code & 32:  # the last group of a number; its highest bit is the sign
            if code & 16:
                value -= 1 << shift
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError("run-length code: it is cut off")
    return lengths


_WORD: Final = 8
_SIZES: Final = (3, 4, 8, 16)  # bits of a run's length, to choose from for each run


def read_label_studio(data: Sequence[int], height: int, width: int) -> Mask:
    """Return the mask (H, W) of a Label Studio brush: packed RGBA of which alpha counts.

    The bits are: 32 for the number of bytes, 5 for a byte's size, four times 4 for the sizes of
    lengths, then runs: whether one byte is repeated, which size its length has, length, byte(s).

    Raises:
        InputError: The code is damaged or does not fit the size.
    """
    try:
        bits = _Bits(np.unpackbits(np.array(data, dtype=np.uint8)))
        total, word = bits.take(32), bits.take(5) + 1
        if total != height * width * 4 or word != _WORD:
            raise InputError(f"brush of {total} bytes, {width} x {height} pixels need 4 times more")
        sizes = [bits.take(4) + 1 for _ in range(4)]
        parts: list[Ids] = []
        done = 0
        while done < total:
            repeated = bits.take(1)
            length = bits.take(sizes[bits.take(2)]) + 1
            parts.append(
                np.full(length, bits.take(word), np.uint8) if repeated else bits.bytes(length)
            )
            done += length
    except (IndexError, OverflowError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"brush: damaged run-length code ({error})") from error
    if done != total:
        raise InputError(f"brush: runs of {done} bytes where there are {total}")
    return np.asarray(np.concatenate(parts).reshape(height, width, 4)[..., 3] > 127)


def write_label_studio(mask: Mask) -> list[int]:
    """Return a mask (H, W) as a Label Studio brush."""
    text = [f"{mask.size * 4:032b}{_WORD - 1:05b}", *(f"{size - 1:04b}" for size in _SIZES)]
    longest = 1 << _SIZES[-1]
    for i, length in enumerate(runs(np.repeat(mask.ravel(), 4))):
        for at in range(0, length, longest):
            count = min(longest, length - at) - 1
            choice = next(k for k, size in enumerate(_SIZES) if count < 1 << size)
            text.append(f"1{choice:02b}{count:0{_SIZES[choice]}b}{255 * (i % 2):08b}")
    joined = "".join(text)
    bits = np.frombuffer(joined.encode(), dtype=np.uint8) - ord("0")
    packed: list[int] = np.packbits(bits).tolist()
    return packed


class _Bits:
    """Reads numbers from bits, highest first."""

    def __init__(self, bits: Ids) -> None:
        self._bits, self._at = bits, 0

    def take(self, count: int) -> int:
        value = 0
        for bit in self._slice(count).tolist():
            value = 2 * value + bit
        return value

    def bytes(self, count: int) -> Ids:
        return np.packbits(self._slice(_WORD * count))

    def _slice(self, count: int) -> Ids:
        start, self._at = self._at, self._at + count
        if self._at > self._bits.size:
            raise InputError("brush: the run-length code is cut off")
        return self._bits[start : self._at]

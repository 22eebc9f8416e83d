"""Run-length encoding of label masks in the form that Autoware's fusion nodes read.

A sequence of five-byte runs in row-major order: the label (uint8) and how often it repeats
(int32, little-endian). Source: `autoware_image_projection_based_fusion` and
`autoware_tensorrt_yolox`, `run_length_encoder`.
"""

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError

_RUN = np.dtype([("label", "u1"), ("length", "<i4")])


def encode(mask: NDArray[np.uint8]) -> bytes:
    """Encode an (H, W) uint8 mask."""
    flat = mask.reshape(-1)
    if flat.size == 0:
        return b""
    starts = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1))
    runs = np.empty(len(starts), dtype=_RUN)
    runs["label"] = flat[starts]
    runs["length"] = np.diff(starts, append=flat.size)
    return runs.tobytes()


def decode(data: bytes, height: int, width: int) -> NDArray[np.uint8]:
    """Decode to an (H, W) uint8 mask; InputError when the runs do not fill it exactly."""
    if len(data) % _RUN.itemsize:
        raise InputError(f"run-length mask: {len(data)} bytes, not a whole number of runs")
    runs = np.frombuffer(data, dtype=_RUN)
    total = int(runs["length"].astype(np.int64).sum())
    if total != height * width or (runs["length"] < 0).any():
        raise InputError(f"run-length mask: {total} pixels for {width}x{height}")
    return np.repeat(runs["label"], runs["length"]).reshape(height, width)

"""Reads rerun's files back."""

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

try:
    from rerun.chunk import RrdReader
except ImportError:  # before 0.40
    from rerun.experimental import RrdReader

Logged = dict[str, dict[str, dict[int | None, Any]]]


def read(path: Path) -> Logged:
    """Return entity -> component -> stamp (nanoseconds; None: static) -> the batch logged then."""
    found: Logged = defaultdict(lambda: defaultdict(dict))
    for chunk in RrdReader(path).stream():
        batch = chunk.to_record_batch()
        columns = dict(zip(batch.schema.names, batch.columns, strict=True))
        stamps = columns.pop("stamp", None)
        times = [None] * batch.num_rows if stamps is None else np.asarray(stamps).astype(int)
        for name, column in columns.items():
            if ":" in name:  # a component's; the others are row ids and timelines
                for time, value in zip(times, column.to_pylist(), strict=True):
                    if value is not None:
                        key = None if time is None else int(time)
                        found[chunk.entity_path.lstrip("/")][name][key] = value
    return found

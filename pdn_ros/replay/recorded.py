"""The nodes' recorded outputs, joined to the images that they came from."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pdn_ros.bags.reader import Bag
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_mask
from pdn_ros.messages.occupancy import read_grid
from pdn_ros.messages.patches import read_patches
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.replay.drive import Drive
from pdn_ros.replay.output import MASK, OCCUPANCY, PATCHES, Output, Seen, topic_of
from pdn_ros.replay.results import NAN
from pdn_ros.replay.scans import sets_with_views


@dataclass(frozen=True, slots=True)
class Arrival:
    """When the mask of an image came.

    Attributes:
        latency_ms: Since the image was published.
        age_ms: Since the image's stamp.
        processing_ms: What the node says it spent in the pipeline.
    """

    latency_ms: float = NAN
    age_ms: float = NAN
    processing_ms: float = NAN


Arrivals = dict[tuple[str, int], Arrival]
"""By camera and stamp of the image."""


def outputs(
    drive: Drive,
    config: PerceptionConfig,
    patch_size: int,
    recording: Path,
    arrivals: Arrivals,
    limit: int,
) -> Iterator[Seen]:
    """Yield every set of images of a drive with what the nodes published for their stamps.

    Args:
        drive: The recording that was played.
        config: Of the perception node.
        patch_size: Side of its patches, pixels.
        recording: Bag of what they published.
        arrivals: Of the masks.
        limit: First images of each camera only; 0: all.
    """
    with Bag(recording) as bag:
        published = {name: _Published(bag, name) for name in drive.cameras}
        grids = _Stream(bag, OCCUPANCY, read_grid)
        for images in sets_with_views(drive, config, patch_size, limit):
            seen = []
            for image, view in images:
                stamp_ns = image.header.stamp_ns
                arrival = arrivals.get((image.camera, stamp_ns), Arrival())
                output = published[image.camera].output(stamp_ns, arrival)
                output.depth = None if view is None else view.depth
                seen.append((image, output))
            newest, output = max(seen, key=lambda pair: pair[0].header.stamp_ns)
            try:
                if (grid := grids.at(newest.header.stamp_ns)) is not None:
                    output.grids["fused"] = grid[1]
            except InputError as error:
                output.error = str(error)
            yield seen


class _Published:
    """What the nodes published of one camera, by the stamp of the image."""

    def __init__(self, bag: Bag, camera: str) -> None:
        self._masks = _Stream(bag, topic_of(MASK, camera), read_mask)
        self._patches = _Stream(bag, topic_of(PATCHES, camera), read_patches)

    def output(self, stamp_ns: int, arrival: Arrival) -> Output:
        output = Output(latency_ms=arrival.latency_ms, age_ms=arrival.age_ms)
        if np.isfinite(arrival.processing_ms):
            output.stages_ms = {
                "pipeline": arrival.processing_ms,
                "transport and waiting": arrival.latency_ms - arrival.processing_ms,
            }
        try:
            if (mask := self._masks.at(stamp_ns)) is not None:
                output.mask = mask[1]
            output.patches = self._patches.at(stamp_ns)
        except InputError as error:
            output.error = str(error)
        return output


class _Stream:
    """The messages of one topic, looked up by rising header stamps."""

    def __init__(self, bag: Bag, topic: str, read: Callable[[bytes], Any]) -> None:
        self._source = bag.messages([topic])
        self._read = read
        self._head: bytes | None = None
        self._next()

    def at(self, stamp_ns: int) -> Any:
        """Return the message of a stamp; None when there is none."""
        while self._head is not None and read_header(self._head).stamp_ns < stamp_ns:
            self._next()
        if self._head is None or read_header(self._head).stamp_ns != stamp_ns:
            return None
        return self._read(self._head)

    def _next(self) -> None:
        message = next(self._source, None)
        self._head = None if message is None else message.data

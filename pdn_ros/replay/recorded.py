"""The nodes' recorded outputs, joined to the images that they came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from pdn_ros.bags.reader import Bag, Message
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import read_header
from pdn_ros.messages.images import read_mask
from pdn_ros.messages.occupancy import read_grid
from pdn_ros.messages.patches import read_patches
from pdn_ros.replay.boxes import Patches
from pdn_ros.replay.drive import Drive, Moment
from pdn_ros.replay.node_parameters import NodeParameters
from pdn_ros.replay.output import Output
from pdn_ros.replay.record import MASK, OCCUPANCY, PATCHES
from pdn_ros.replay.results import NAN
from pdn_ros.replay.scans import scan_view

_USUAL_PATCH: Final = 128


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


def outputs(
    drive: Drive,
    parameters: NodeParameters,
    recording: Path,
    arrivals: dict[int, Arrival],
    limit: int,
) -> Iterator[tuple[Moment, Output]]:
    """Yield every image of a drive with what the nodes published for its stamp.

    Args:
        drive: The recording that was played.
        parameters: The nodes' parameters.
        recording: Bag of what they published.
        arrivals: By the image's stamp.
        limit: First images only; 0: all.
    """
    with Bag(recording) as bag:
        streams = {topic: _Stream(bag, topic) for topic in (MASK, PATCHES, OCCUPANCY)}
        for moment in drive.moments(limit):
            found = {topic: stream.at(moment.stamp_ns) for topic, stream in streams.items()}
            arrival = arrivals.get(moment.stamp_ns, Arrival())
            output = Output(latency_ms=arrival.latency_ms, age_ms=arrival.age_ms)
            if np.isfinite(arrival.processing_ms):
                output.stages_ms = {
                    "pipeline": arrival.processing_ms,
                    "transport and waiting": arrival.latency_ms - arrival.processing_ms,
                }
            try:
                _fill(output, found)
            except InputError as error:
                output.error = str(error)
            size = output.patches.size if output.patches else _USUAL_PATCH
            view = scan_view(drive, moment, parameters, size)
            output.depth = None if view is None else view.depth
            yield moment, output


def _fill(output: Output, found: dict[str, bytes | None]) -> None:
    if (mask := found[MASK]) is not None:
        output.mask = read_mask(mask)[1]
    if (grid := found[OCCUPANCY]) is not None:
        output.grids["fused"] = read_grid(grid)[1]
    if (patches := found[PATCHES]) is not None:
        array = read_patches(patches)
        output.patches = Patches(array.patch_size, array.weights, array.selected)
        output.prior, output.prior_used = array.prior, array.prior is not None


class _Stream:
    """The messages of one topic, looked up by rising header stamps."""

    def __init__(self, bag: Bag, topic: str) -> None:
        self._source = bag.messages([topic])
        self._head: Message | None = None
        self._stamp_ns = 0
        self._next()

    def at(self, stamp_ns: int) -> bytes | None:
        """Return the message of a stamp; None when there is none."""
        while self._head is not None and self._stamp_ns < stamp_ns:
            self._next()
        return self._head.data if self._head is not None and self._stamp_ns == stamp_ns else None

    def _next(self) -> None:
        self._head = next(self._source, None)
        if self._head is not None:
            self._stamp_ns = read_header(self._head.data).stamp_ns

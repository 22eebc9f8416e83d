"""The nodes' recorded outputs, joined to the images that they came from."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from pdn_ros.bags import messages
from pdn_ros.bags.reader import Bag, Message
from pdn_ros.errors import InputError
from pdn_ros.replay.boxes import Patches
from pdn_ros.replay.drive import Drive, Moment, grid_of
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


def _fill(output: Output, found: dict[str, Any]) -> None:
    if found[MASK] is not None:
        output.mask = messages.mask(found[MASK])
    if found[OCCUPANCY] is not None:
        output.grids["fused"] = grid_of(found[OCCUPANCY])
    if (array := found[PATCHES]) is not None:
        shape = (array.rows, array.cols)
        weights = np.array([p.weight for p in array.patches], dtype=np.float32).reshape(shape)
        prior = np.array([p.prior for p in array.patches], dtype=np.float32).reshape(shape)
        chosen = sorted((p for p in array.patches if p.selected), key=lambda p: -p.score)
        output.patches = Patches(
            array.patch_size, weights, np.array([p.index for p in chosen], int)
        )
        output.prior_used = bool(np.isfinite(prior).any())
        output.prior = np.nan_to_num(prior) if output.prior_used else None


class _Stream:
    """The messages of one topic, looked up by rising header stamps."""

    def __init__(self, bag: Bag, topic: str) -> None:
        self._bag = bag
        self._source = bag.messages([topic])
        self._head: Any = None
        self._next()

    def at(self, stamp_ns: int) -> Any:
        """Return the message of a stamp; None when there is none."""
        while self._head is not None and messages.stamp_ns(self._head) < stamp_ns:
            self._next()
        if self._head is None or messages.stamp_ns(self._head) != stamp_ns:
            return None
        return self._head

    def _next(self) -> None:
        message: Message | None = next(self._source, None)
        self._head = message and self._bag.deserialize(message.data, message.msgtype)

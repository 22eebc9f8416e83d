"""Recording the pipeline's outputs as the nodes would publish them."""

from pathlib import Path
from types import TracebackType
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags.writer import LATCHED, VOLATILE, RawWriter
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image, write_mask
from pdn_ros.messages.occupancy import Grid, write_grid
from pdn_ros.messages.patches import write_patches
from pdn_ros.perception import Result
from pdn_ros.replay.drive import Moment

Floats = NDArray[np.float32]

MASK: Final = "/perception/mask"
CONFIDENCE: Final = "/perception/confidence"
PATCHES: Final = "/perception/patches"
OCCUPANCY: Final = "/perception/occupancy"
TYPES: Final = {
    MASK: "sensor_msgs/msg/Image",
    CONFIDENCE: "sensor_msgs/msg/Image",
    PATCHES: "pdn_ros/msg/PatchArray",
    OCCUPANCY: "nav_msgs/msg/OccupancyGrid",
}


class Recorder:
    """A bag with the topics of the perception node; a context manager."""

    def __init__(self, path: Path) -> None:
        self._writer = RawWriter(path)

    def __enter__(self) -> Self:
        """Start the bag."""
        self._writer.__enter__()
        for topic, msgtype in TYPES.items():
            self._writer.topic(topic, msgtype, LATCHED if topic == OCCUPANCY else VOLATILE)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish the bag, or remove it on an error."""
        self._writer.__exit__(kind, error, trace)

    def add(
        self, moment: Moment, result: Result, *, prior: Floats | None, grid: Grid | None
    ) -> None:
        """Record what came of an image at the image's log time."""
        header = Header(moment.stamp_ns, moment.frame)
        self._writer.write(MASK, moment.log_ns, write_mask(header, result.mask))
        if result.confidence is not None:
            confidence = write_image(header, result.confidence, "mono8")
            self._writer.write(CONFIDENCE, moment.log_ns, confidence)
        patches = write_patches(result.patches(header, prior))
        self._writer.write(PATCHES, moment.log_ns, patches)
        if grid is not None:
            self._writer.write(OCCUPANCY, moment.log_ns, write_grid(moment.stamp_ns, grid))

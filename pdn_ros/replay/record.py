"""Recording the pipeline's outputs as the nodes would publish them."""

from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pdn_ros.bags import encode
from pdn_ros.bags.types import typestore
from pdn_ros.bags.writer import LATCHED, VOLATILE, RawWriter
from pdn_ros.perception import Result
from pdn_ros.replay.drive import Moment
from pdn_ros.replay.grids import Grid

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
        stamp, frame = moment.stamp_ns, moment.frame
        self._put(MASK, moment, encode.image(stamp, frame, result.mask, "mono8"))
        if result.confidence is not None:
            self._put(CONFIDENCE, moment, encode.image(stamp, frame, result.confidence, "mono8"))
        self._put(PATCHES, moment, _patches(stamp, frame, result, prior))
        if grid is not None:
            message = encode.occupancy(
                stamp, grid.frame, grid.data, grid.origin_xy, grid.resolution
            )
            self._put(OCCUPANCY, moment, message)

    def _put(self, topic: str, moment: Moment, message: Any) -> None:
        data = typestore().serialize_cdr(message, TYPES[topic])
        self._writer.write(topic, moment.log_ns, memoryview(data))


def _patches(stamp_ns: int, frame: str, result: Result, prior: Floats | None) -> Any:
    """Return the PatchArray: every patch, row-major."""
    types = typestore().types
    time = types["builtin_interfaces/msg/Time"](*divmod(stamp_ns, 1_000_000_000))
    header = types["std_msgs/msg/Header"](time, frame)
    height, width = result.mask.shape
    rows, cols = result.weights.shape
    size, count = result.patch_size, rows * cols
    priors = np.full(count, np.nan) if prior is None else prior.reshape(-1)
    by_driver = np.argsort(-result.weights.reshape(-1), kind="stable")[: len(result.selected)]
    chosen, alone = set(result.selected.tolist()), set(by_driver.tolist())
    patches = []
    for i in range(count):
        x, y = i % cols * size, i // cols * size
        # REASON_* of Patch.msg: none, driver, lidar, all.
        reason = 0 if i not in chosen else 3 if len(chosen) == count else 1 if i in alone else 2
        patches.append(
            types["pdn_ros/msg/Patch"](
                i, x, y, min(size, width - x), min(size, height - y),
                float(result.weights.flat[i]), float(priors[i]), float(result.scores.flat[i]),
                i in chosen, reason,
            )
        )  # fmt: skip
    return types[TYPES[PATCHES]](
        header, width, height, size, rows, cols,
        result.mode, result.budget, result.budget_reason, patches,
    )  # fmt: skip

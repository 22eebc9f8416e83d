"""A rolling window of log-odds that decay to unknown: the memory of the occupancy grid.

Rows run along y, columns along x, from the window's origin (nav_msgs/OccupancyGrid's order).
"""

from typing import Final, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros.geometry.grid_config import GridConfig
from pdn_ros.messages.occupancy import Grid

Cell = TypeVar("Cell", bound=np.generic)

NANOSECONDS: Final = 1e-9
_FREE, _OCCUPIED = -1.4, 1.7  # log-odds of one observation
_LOWEST, _HIGHEST = -3.0, 4.0  # so that four images clear an obstacle that has gone
_BESIDE: Final = np.ones((3, 3), dtype=np.uint8)
_GAP: Final = 0.8  # meters between obstacles in which free ground is not trusted
NOTHING, FREE, HIDDEN, STANDING, MOVING = range(5)  # what an image may say about a cell
_GAIN: Final = np.zeros(256, dtype=np.float32)  # by code, as OpenCV looks it up
_GAIN[[FREE, STANDING, MOVING]] = _FREE, _OCCUPIED, _OCCUPIED
_STEPS, _ZERO = 36, 108  # log-odds to a byte: _LOWEST is 0, _HIGHEST 252
_KEPT: Final = np.zeros(256, dtype=np.float32)
_KEPT[[NOTHING, FREE]] = _LOWEST


class EvidenceGrid:
    """Log-odds of occupancy in a window that moves by whole cells."""

    def __init__(self, config: GridConfig) -> None:
        self.config = config
        columns, rows = config.cells
        self._log_odds = np.zeros((rows, columns), dtype=np.float32)
        self._dynamic = np.zeros((rows, columns), dtype=np.bool_)
        side = 2 * round(_GAP / 2 / config.resolution) + 1
        self._between = np.ones((side, side), dtype=np.uint8)
        self._stamp_ns: int | None = None
        self.corner: tuple[int, int] | None = None  # cell indices (x, y) of the origin
        odds = (np.arange(256) - _ZERO) / _STEPS
        percent = np.rint(100 / (1 + np.exp(-odds)))
        self._percent = np.minimum(percent, config.free_threshold).astype(np.uint8)
        # Certain evidence falls below both thresholds within the decay time.
        weakest = min(-_logit(config.free_threshold), _logit(config.occupied_threshold))
        folds = 1.01 * np.log(max(-_LOWEST, _HIGHEST) / max(weakest, 0.01))
        self._rate = folds / config.decay_s
        self._dynamic_rate = folds / min(config.dynamic_decay_s, config.decay_s)

    def reset(self) -> None:
        """Forget everything."""
        self._log_odds[:] = 0
        self._dynamic[:] = False
        self._stamp_ns = self.corner = None

    def advance(self, stamp_ns: int) -> None:
        """Let the evidence decay until `stamp_ns`; a jump back in time resets the grid."""
        if self._stamp_ns is not None and stamp_ns < self._stamp_ns:
            self.reset()
        if self._stamp_ns is not None:
            self._log_odds *= self._fading(stamp_ns)
        self._stamp_ns = stamp_ns

    def move(self, corner: tuple[int, int]) -> None:
        """Move the window's origin to a cell; what leaves the window is forgotten."""
        if self.corner is not None and self.corner != corner:
            dx, dy = corner[0] - self.corner[0], corner[1] - self.corner[1]
            self._log_odds = _shifted(self._log_odds, dx, dy)
            self._dynamic = _shifted(self._dynamic, dx, dy)
        self.corner = corner

    def add(self, cells: NDArray[np.uint8]) -> None:
        """Add one image's evidence, (rows, columns) uint8 of the codes above.

        A free cell that now holds an obstacle, or is hidden behind one, is no longer free: the
        obstacle may have moved there. Nor is a cell beside an obstacle, whose position is
        uncertain by a cell, or one in a narrow gap: between the returns of a low crown or a
        vehicle's tail the ground is seen below the obstacle.
        """
        occupied = cells >= STANDING
        solid = occupied.view(np.uint8)
        between = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, self._between)
        near = np.maximum(cv2.dilate(solid, _BESIDE), between).view(np.bool_)
        codes = np.where(near & ~occupied, np.uint8(HIDDEN), cells)
        np.maximum(self._log_odds, cv2.LUT(codes, _KEPT), out=self._log_odds)
        self._log_odds += cv2.LUT(codes, _GAIN)
        np.minimum(self._log_odds, np.float32(_HIGHEST), out=self._log_odds)
        np.maximum(self._log_odds, np.float32(_LOWEST), out=self._log_odds)
        self._dynamic &= (codes == NOTHING) | (codes == HIDDEN)
        self._dynamic |= codes == MOVING

    def snapshot(self, stamp_ns: int, frame: str = "") -> Grid:
        """Return the grid at `stamp_ns`, without changing it; `frame` names its frame."""
        config = self.config
        log_odds = self._log_odds
        if self._stamp_ns is not None and stamp_ns > self._stamp_ns:
            log_odds = log_odds * self._fading(stamp_ns)
        # Bit operations on bytes take a fraction of the time of boolean indices.
        one = np.uint8(1)
        free = (log_odds <= _logit(config.free_threshold)).view(np.uint8)
        occupied = (log_odds >= _logit(config.occupied_threshold)).view(np.uint8)
        steps = cv2.convertScaleAbs(log_odds, alpha=_STEPS, beta=_ZERO)
        percent = np.asarray(cv2.LUT(steps, self._percent), dtype=np.uint8)
        data = (percent | (free - one)) & ((occupied - one) | np.uint8(100))
        data = data.view(np.int8)  # 255 is -1
        x, y = self.corner or (0, 0)
        origin = (x * config.resolution, y * config.resolution)
        return Grid(data, origin, config.resolution, frame)

    def _fading(self, stamp_ns: int) -> NDArray[np.float32] | np.float32:
        """Factors by which the log-odds decay from the last image until `stamp_ns`."""
        elapsed = max(0, stamp_ns - (self._stamp_ns or 0)) * NANOSECONDS
        slow = np.float32(np.exp(-self._rate * elapsed))
        fast = np.float32(np.exp(-self._dynamic_rate * elapsed))
        return np.where(self._dynamic, fast, slow)


def _logit(percent: float) -> float:
    with np.errstate(divide="ignore"):
        return float(np.log(np.float64(percent) / (100 - percent)) if percent < 100 else np.inf)


def _shifted(old: NDArray[Cell], dx: int, dy: int) -> NDArray[Cell]:
    """Contents of a window moved by (dx, dy) cells, zeros where nothing was."""
    new = np.zeros_like(old)
    rows, columns = old.shape
    if abs(dx) < columns and abs(dy) < rows:
        new[max(0, -dy) : rows - max(0, dy), max(0, -dx) : columns - max(0, dx)] = old[
            max(0, dy) : rows - max(0, -dy), max(0, dx) : columns - max(0, -dx)
        ]
    return new

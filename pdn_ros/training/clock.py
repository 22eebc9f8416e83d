"""The time of a run: how many steps a stage may take, and how long everything will last."""

import time
from collections import deque
from typing import Final

from lightning_fabric import Fabric

from pdn_ros.training.stage import Progress
from pdn_ros.training.training_config import StageConfig, TrainingConfig

FIRST_GUESS: Final = 100
"""Steps that a stage expects before one of its own was timed."""
LEAST_STEPS: Final = 10
"""Steps of a stage however slow the machine is."""
EVERY: Final = 10
"""Steps between two looks at the clock."""
_TIMED: Final = 30


class Clock:
    """Fits the steps of stages that are given minutes to the machine, again and again.

    What one stage takes too long, validation included, is taken from all that follow it. A stage
    with a number of steps keeps it. Every process goes by the first one's clock.
    """

    def __init__(self, config: TrainingConfig, progress: Progress, fabric: Fabric) -> None:
        self._stages, self._fabric = config.stages, fabric
        self._end = 60 * sum(stage.minutes or 0.0 for stage in config.stages)
        self._origin = time.monotonic() - progress.seconds
        self._paces: deque[float] = deque(maxlen=_TIMED)
        self._validation = 0.0

    def begin(self, progress: Progress) -> None:
        """Begin a stage, or go on in the middle of it after an interruption."""
        self._paces.clear()
        if not progress.step:
            progress.began = progress.seconds = self._now()
        self.fit(progress)

    def note_step(self, progress: Progress, seconds: float) -> None:
        """Note how long a step took; in between fit the stage's steps to the time that is left."""
        progress.seconds = self._now()
        if progress.step > 1:  # the first one also fills caches
            self._paces.append(seconds)
        if progress.step == LEAST_STEPS // 2 or progress.step % EVERY == 0:
            self.fit(progress)

    def note_validation(self, seconds: float) -> None:
        """Note how long a validation took: the next one will take as long."""
        self._validation = seconds

    def fit(self, progress: Progress) -> None:
        """Set the number of steps that the stage will have."""
        stage = self._stages[progress.stage]
        if stage.steps is not None:
            progress.steps = stage.steps
            return
        steps = progress.steps or FIRST_GUESS
        if self._paces:
            left = self._ends(stage, progress) - self._now() - self._validation
            steps = max(progress.step + int(left / self._pace()), progress.step, LEAST_STEPS)
        progress.steps = int(self._fabric.broadcast(steps))

    def left(self, progress: Progress) -> float:
        """Return the seconds that are left to the run, nan before a step was timed."""
        if self._end:
            return max(self._end - self._now(), 0.0)
        later = sum(stage.steps or 0 for stage in self._stages[progress.stage + 1 :])
        return (progress.steps - progress.step + later) * self._pace()

    def share(self, progress: Progress) -> float:
        """Return the share of the run that is done, 0 to 1."""
        if self._end:
            return min(self._now() / self._end, 1.0)
        steps = [stage.steps or 0 for stage in self._stages]
        return (sum(steps[: progress.stage]) + progress.step) / max(sum(steps), 1)

    def _ends(self, stage: StageConfig, progress: Progress) -> float:
        """Return when a stage ends: it has its share of what was left when it began."""
        later = sum(s.minutes or 0.0 for s in self._stages[progress.stage :])
        return progress.began + (self._end - progress.began) * (stage.minutes or 0.0) / later

    def _pace(self) -> float:
        return sum(self._paces) / len(self._paces) if self._paces else float("nan")

    def _now(self) -> float:
        return time.monotonic() - self._origin

"""One stage of a run: objective, optimiser, averaged weights, and the step."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, TypedDict

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.training.data import Mixture
from pdn_ros.training.objectives import Objective, OnePass
from pdn_ros.training.patches import Driver, Joint, Patches
from pdn_ros.training.training_config import TrainingConfig

OBJECTIVES: dict[str, type[Objective]] = {
    "context": OnePass,
    "dense": OnePass,
    "joint": Joint,
    "driver": Driver,
    "patches": Patches,
}
WARM_UP = 100
"""Steps of linear warm-up, at most a tenth of the stage."""
MAX_NORM = 5.0
"""Gradients are clipped to this norm."""


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        stage: Index of the stage.
        step: Steps of it that are done.
        best: Best validation score of it.
        steps: Steps that it will have.
        began: When it began, seconds of the run.
        seconds: Seconds of the run so far.
        fitted: Steps that each of the stages before it had.
    """

    stage: int = 0
    step: int = 0
    best: float = -1.0
    steps: int = 0
    began: float = 0.0
    seconds: float = 0.0
    fitted: list[int] = field(default_factory=list)


class State(TypedDict):
    """What a checkpoint holds; read without unpickling anything but tensors and numbers."""

    progress: dict[str, Any]
    net: dict[str, Tensor]
    optimiser: dict[str, Any]
    average: dict[str, Tensor]


class TrainingStage:
    """Trains a part of the network; starts afresh or from a checkpoint's state.

    Raises:
        InputError: A data set cannot be read, or the batch cannot be shared by the processes.
    """

    def __init__(
        self,
        fabric: Fabric,
        config: TrainingConfig,
        classes: ClassSet,
        net: PatchDriveNet,
        progress: Progress,
        state: State | None,
    ) -> None:
        self.fabric, self.net, self.progress = fabric, net, progress
        self.config = config.stages[progress.stage]
        self._seed = config.seed
        self._share = self.config.batch // fabric.world_size
        if self._share * fabric.world_size != self.config.batch:
            raise InputError(
                f"stage {self.config.name}: a batch of {self.config.batch} cannot be shared by "
                f"{fabric.world_size} processes; make it a multiple"
            )
        if state is not None:
            net.load_state_dict(state["net"])
        else:
            self._hand_over()
        self._mixture = Mixture(self.config.data, classes)
        weights = class_weights(self._mixture.frequencies(len(classes.names)))
        kind = OBJECTIVES[self.config.objective]
        objective = kind(net, self.config, torch.from_numpy(weights).float())
        self._trained = objective.trained()
        optimiser = torch.optim.AdamW(
            objective.groups(), weight_decay=self.config.weight_decay, foreach=True
        )
        self._average = {k: v.detach().clone() for k, v in self._trained.state_dict().items()}
        if state is not None:
            optimiser.load_state_dict(state["optimiser"])
            self._average = state["average"]
        self._model, self._optimiser = fabric.setup(objective, optimiser)

    def _hand_over(self) -> None:
        """Start a part from the one that was trained before it."""
        if self.config.objective == "dense":
            self.net.dense.load_state_dict(self.net.context.state_dict())
        if self.config.objective == "patches" and self.config.selection == "oracle":
            self.net.refinement.start_from(self.net.dense)

    def step(self) -> tuple[float, float]:
        """Take one step; return its loss and the seconds it took."""
        started = time.perf_counter()
        progress = self.progress
        seed = (self._seed, progress.stage, progress.step, self.fabric.global_rank)
        batch = self._mixture.batch(np.random.default_rng(seed), self._share, self.config.crop)
        for group in self._optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(progress.step, progress.steps)
        loss = self._model(self.fabric.to_device(batch), progress.step)
        self._optimiser.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self._model, self._optimiser, max_norm=MAX_NORM)
        self._optimiser.step()
        progress.step += 1
        # Early averages would remember the start for long.
        decay = min(self.config.ema, progress.step / (progress.step + 10))
        with torch.no_grad():
            for key, value in self._trained.state_dict().items():
                self._average[key].lerp_(value, 1 - decay)
        return float(loss.detach()), time.perf_counter() - started

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within the context the network holds the averaged weights."""
        kept = {k: v.detach().clone() for k, v in self._trained.state_dict().items()}
        self._take_average()
        try:
            yield
        finally:
            self._trained.load_state_dict(kept)

    def state(self) -> State:
        """Return all that a resumed run needs."""
        return {
            "progress": asdict(self.progress),
            "net": self.net.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "average": self._average,
        }

    def finish(self) -> None:
        """Leave the averaged weights in the network."""
        self._take_average()

    def _take_average(self) -> None:
        self._trained.load_state_dict(self._average)
        if self.config.objective == "joint":
            self.net.dense.load_state_dict(self.net.context.state_dict())


def class_weights(frequencies: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weigh rare classes up: a = f^-1/4, mean 1 over the classes; absent classes like common ones.

    Args:
        frequencies: (C,) shares of the labelled pixels.
    """
    weights = np.where(frequencies > 0, np.maximum(frequencies, 1e-4) ** -0.25, 1.0)
    result: NDArray[np.float64] = weights / weights.mean()
    return result


def schedule(step: int, steps: int) -> float:
    """Learning rate relative to its peak: linear warm-up, then polynomial decay (power 0.9)."""
    warm = min(1.0, (step + 1) / min(WARM_UP, max(steps // 10, 1)))
    return warm * float((1 - step / steps) ** 0.9)

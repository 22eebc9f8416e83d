"""The training loop on Lightning Fabric: stages, averaging, checkpoints, records."""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from lightning_fabric import Fabric
from torch import Tensor

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.network.backbone import load_imagenet
from pdn_ros.network.checkpoint import load, save
from pdn_ros.training.config import StageConfig, TrainingConfig, read_config
from pdn_ros.training.data import Mixture
from pdn_ros.training.objectives import make_objective
from pdn_ros.training.record import Record
from pdn_ros.training.validation import score

WARM_UP = 100
"""Steps of linear warm-up."""


@dataclass
class Progress:
    """Where a run stands; what a checkpoint holds beside weights and optimiser."""

    stage: int = 0
    step: int = 0
    best: float = -1.0


def run(config_path: Path, *, resume: bool = False, runs: Path = Path("runs")) -> Path:
    """Train as the configuration says.

    Args:
        config_path: YAML file of a `TrainingConfig`.
        resume: Go on from the run's last checkpoint; the result is that of an unbroken run.
        runs: Folder of all runs.

    Returns:
        The run's folder: config.yaml, metrics.csv, curves.png, last.ckpt, best.safetensors.

    Raises:
        InputError: Bad configuration or data, or a run of that name exists and is not resumed.
    """
    config = read_config(config_path)
    classes = load_classes(config.classes)
    folder = runs / config.name
    last = folder / "last.ckpt"
    if resume and not last.is_file():
        raise InputError(f"{last}: nothing to resume; start without --resume")
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=config.processes,
        num_nodes=config.nodes,
        precision=config.precision,
        strategy="ddp" if config.processes * config.nodes > 1 else "auto",
    )
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // config.processes))
    if folder.exists() and not resume and fabric.is_global_zero:
        raise InputError(f"{folder}: that run exists; resume it with --resume or rename it")
    fabric.barrier()
    if fabric.is_global_zero:
        with atomic(folder / "config.yaml") as part:
            part.write_text(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    net = _initial(config, classes)
    progress = Progress()
    state = torch.load(last, weights_only=True) if resume else None
    if state is not None:
        progress = Progress(**state["progress"])
    record = Record(folder, config, progress.stage, progress.step, enabled=fabric.is_global_zero)
    for index in range(progress.stage, len(config.stages)):
        if index != progress.stage:
            progress = Progress(stage=index)
        _run_stage(fabric, config, classes, net, progress, record, state)
        state = None
    record.close()
    return folder


def _initial(config: TrainingConfig, classes: ClassSet) -> PatchDriveNet:
    if config.init is not None:
        return load(config.init).train()
    torch.manual_seed(config.seed)
    net = PatchDriveNet(NetworkConfig(len(classes.names)), classes.model_dump_json())
    for part in (net.context, net.refinement, net.dense):
        load_imagenet(part.backbone)
    return net.to(memory_format=torch.channels_last)


def _run_stage(
    fabric: Fabric,
    config: TrainingConfig,
    classes: ClassSet,
    net: PatchDriveNet,
    progress: Progress,
    record: Record,
    state: dict[str, object] | None,
) -> None:
    """Train one stage; leaves the averaged weights in `net`."""
    stage = config.stages[progress.stage]
    if progress.step == 0:
        _hand_over(net, stage)
    if state is not None:
        net.load_state_dict(state["net"])  # type: ignore[arg-type]
    mixture = Mixture(stage.data, classes)
    weights = torch.from_numpy(class_weights(mixture.frequencies(len(classes.names)))).float()
    objective = make_objective(net, stage, weights.to(fabric.device))
    # Fused updates in one call: on a CPU the loop over parameters costs as much as small layers.
    optimiser = torch.optim.AdamW(objective.groups(), weight_decay=stage.weight_decay, foreach=True)
    trained = objective.trained()
    average = {k: v.detach().clone() for k, v in trained.state_dict().items()}
    if state is not None:
        optimiser.load_state_dict(state["optimiser"])  # type: ignore[arg-type]
        average = state["average"]  # type: ignore[assignment]
    model, optimiser = fabric.setup(objective, optimiser)
    share = stage.batch // fabric.world_size
    if share * fabric.world_size != stage.batch:
        raise InputError(
            f"stage {stage.name}: batch {stage.batch} over {fabric.world_size} processes"
        )

    def keep() -> None:
        if fabric.is_global_zero:
            with atomic(record.folder / "last.ckpt") as part:
                torch.save(
                    {
                        "progress": {
                            "stage": progress.stage,
                            "step": progress.step,
                            "best": progress.best,
                        },
                        "net": net.state_dict(),
                        "optimiser": optimiser.state_dict(),
                        "average": average,
                    },
                    part,
                )

    while progress.step < stage.steps:
        started = time.perf_counter()
        seed = (config.seed, progress.stage, progress.step, fabric.global_rank)
        batch = mixture.batch(np.random.default_rng(seed), share, stage.crop)
        batch = fabric.to_device(batch) if fabric.device.type != "cpu" else batch
        for group in optimiser.param_groups:
            group["lr"] = group["peak"] * schedule(progress.step, stage.steps)
        loss = model(batch, progress.step)
        optimiser.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(model, optimiser, max_norm=5.0)
        optimiser.step()
        progress.step += 1
        decay = min(stage.ema, progress.step / (progress.step + 10))
        _update(average, trained.state_dict(), decay)
        record.step(
            progress.stage, progress.step, float(loss.detach()), time.perf_counter() - started
        )
        done = progress.step == stage.steps
        if progress.step % config.validate_every == 0 or done:
            with _averaged(net, trained, average):
                found = score(net, stage, config.validation, classes, fabric)
                if fabric.is_global_zero and found > progress.best:
                    with atomic(record.folder / "best.safetensors") as part:
                        text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)
                        save(net, part, training=text)
            progress.best = max(found, progress.best)
            record.score(progress.stage, progress.step, found)
        if progress.step % config.checkpoint_every == 0 or done:
            keep()
    trained.load_state_dict(average)


def _hand_over(net: PatchDriveNet, stage: StageConfig) -> None:
    """Start a part from the one that was trained before it."""
    if stage.objective == "dense":
        net.dense.load_state_dict(net.context.state_dict())
    if stage.objective == "patches" and stage.selection == "oracle":
        net.refinement.start_from(net.context)


def class_weights(frequencies: np.ndarray) -> np.ndarray:
    """Weigh rare classes up: a = f^-1/4, mean 1 over the classes, absent classes 1."""
    weights = np.where(frequencies > 0, np.maximum(frequencies, 1e-4) ** -0.25, 1.0)
    result: np.ndarray = weights / weights.mean()
    return result


def schedule(step: int, steps: int) -> float:
    """Learning rate relative to its peak: linear warm-up, then polynomial decay (power 0.9)."""
    warm = min(1.0, (step + 1) / min(WARM_UP, max(steps // 10, 1)))
    return warm * float((1 - step / steps) ** 0.9)


@torch.no_grad()
def _update(average: dict[str, Tensor], current: dict[str, Tensor], decay: float) -> None:
    for key, value in average.items():
        value.lerp_(current[key], 1 - decay)


class _averaged:  # noqa: N801
    """Within the context the trained part holds the averaged weights."""

    def __init__(
        self, net: PatchDriveNet, trained: torch.nn.Module, average: dict[str, Tensor]
    ) -> None:
        self.net, self.trained, self.average = net, trained, average

    def __enter__(self) -> None:
        self.kept = {k: v.detach().clone() for k, v in self.trained.state_dict().items()}
        self.trained.load_state_dict(self.average)

    def __exit__(self, *_: object) -> None:
        self.trained.load_state_dict(self.kept)


def stages(config: TrainingConfig) -> Iterator[str]:
    """Names of the stages in order."""
    return (s.name for s in config.stages)

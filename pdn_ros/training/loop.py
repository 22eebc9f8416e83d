"""A run: its stages one after the other, on Lightning Fabric."""

import os
import time
from dataclasses import replace
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, read_yaml
from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.network.backbone import load_imagenet
from pdn_ros.network.transfer import transfer
from pdn_ros.training.clock import Clock
from pdn_ros.training.record import Record
from pdn_ros.training.stage import Progress, State, TrainingStage
from pdn_ros.training.training_config import Precision, TrainingConfig
from pdn_ros.training.validation import score

SHIPPED = "street"
"""What `init` calls the weights that ship."""


def run(config_path: Path, *, resume: bool = False, runs: Path = Path("runs")) -> Path:
    """Train as a file says.

    Args:
        config_path: YAML file of a `TrainingConfig`.
        resume: Go on from the run's last checkpoint; the result is that of an unbroken run.
        runs: Folder of all runs.

    Returns:
        The run's folder, see `train`.

    Raises:
        InputError: As `train`, or the file is no configuration.
    """
    config = read_yaml(config_path, TrainingConfig)
    fabric = launch(config.processes, config.nodes, config.accelerator, config.precision)
    train(config, runs / config.name, fabric, resume=resume)
    return runs / config.name


def train(config: TrainingConfig, folder: Path, fabric: Fabric, *, resume: bool = False) -> None:
    """Train as a configuration says.

    Args:
        config: What to train.
        folder: Where config.yaml, metrics.csv, curves.png, last.ckpt, first.safetensors and
            best.safetensors go, the weights of the first and of the best validation. config.yaml
            has in the end the steps that stages with minutes had, so that it repeats the run.
        fabric: From `launch`.
        resume: Go on from the last checkpoint in the folder.

    Raises:
        InputError: Bad configuration or data, or the folder exists and is not resumed.
    """
    classes = load_classes(config.classes)
    last = folder / "last.ckpt"
    if resume and not last.is_file():
        raise InputError(f"{last}: nothing to resume; start anew, in another folder if it exists")
    if folder.exists() and not resume and fabric.is_global_zero:
        raise InputError(f"{folder}: that run exists; resume it with --resume or rename it")
    fabric.barrier()
    state: State | None = torch.load(last, weights_only=True) if resume else None
    progress = Progress(**state["progress"]) if state else Progress()
    clock = Clock(config, progress, fabric)
    if fabric.is_global_zero:
        write_config(config, folder)
    net = initial(config, classes)
    record = Record(folder, config, progress, clock, enabled=fabric.is_global_zero)
    try:
        for index in range(progress.stage, len(config.stages)):
            if index != progress.stage:
                fitted = [*progress.fitted, progress.steps]
                progress = Progress(stage=index, fitted=fitted)
            stage = TrainingStage(fabric, config, classes, net, progress, state)
            _train(stage, config, classes, record, clock)
            state = None
    finally:
        record.close()
    if fabric.is_global_zero:
        write_config(_with_steps(config, [*progress.fitted, progress.steps]), folder)


def launch(
    processes: int = 1, nodes: int = 1, accelerator: str = "auto", precision: Precision = "32-true"
) -> Fabric:
    """Start the processes of a run, or join those that torchrun started.

    The arguments are those of `TrainingConfig`; torchrun's numbers go before them.
    """
    if TorchElasticEnvironment.detect():
        processes = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // processes
    fabric = Fabric(
        accelerator=accelerator,
        devices=processes,
        num_nodes=nodes,
        precision=precision,
        # A step of the joint objective leaves some parts alone.
        strategy="ddp_find_unused_parameters_true" if processes * nodes > 1 else "auto",
    )
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(max(1, _cores() // processes))
    return fabric


def _cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def initial(config: TrainingConfig, classes: ClassSet) -> PatchDriveNet:
    """Return the network that a run starts from.

    Raises:
        InputError: The weights to start from cannot be read.
    """
    torch.manual_seed(config.seed)
    text = classes.model_dump_json()
    if config.init is None:
        net = PatchDriveNet(NetworkConfig(len(classes.names)), text).channels_last()
        for part in (net.context, net.refinement, net.dense):
            load_imagenet(part.backbone)
    else:
        try:
            source = PatchDriveNet.load(None if config.init == SHIPPED else config.init)
        except ValueError as error:
            raise InputError(str(error)) from error
        net = transfer(source, text)
    if config.context_pixels is not None:
        net.config = replace(net.config, context_pixels=config.context_pixels)
    return net.train()


def _train(
    stage: TrainingStage, config: TrainingConfig, classes: ClassSet, record: Record, clock: Clock
) -> None:
    """Train one stage to its end; leaves the averaged weights in the network."""
    progress = stage.progress
    clock.begin(progress)
    while progress.step < progress.steps:
        loss, seconds = stage.step()
        clock.note_step(progress, seconds)
        record.step(progress, loss, seconds)
        done = progress.step >= progress.steps
        if progress.step % config.validate_every == 0 or done:
            began = time.monotonic()
            first = record.folder / "first.safetensors"
            with stage.averaged():
                objective, images = stage.config.objective, config.validation_images
                sets = config.validation
                found = score(stage.net, objective, sets, classes, stage.fabric, images)
                # Where nothing is validated the last weights are the best.
                if stage.fabric.is_global_zero and not first.is_file():
                    _save(stage.net, first, config)
                if stage.fabric.is_global_zero and found >= progress.best:
                    _save(stage.net, record.folder / "best.safetensors", config)
            progress.best = max(found, progress.best)
            record.score(progress, found)
            clock.note_validation(time.monotonic() - began)
        if (progress.step % config.checkpoint_every == 0 or done) and stage.fabric.is_global_zero:
            with atomic(record.folder / "last.ckpt") as part:
                torch.save(stage.state(), part)
    stage.finish()


def _save(net: PatchDriveNet, path: Path, config: TrainingConfig) -> None:
    with atomic(path) as part:
        net.save(part, training=text_of(config))


def _with_steps(config: TrainingConfig, steps: list[int]) -> TrainingConfig:
    """Return the configuration that repeats a run whose stages had so many steps."""
    stages = tuple(
        stage.model_copy(update={"steps": n, "minutes": None})
        for stage, n in zip(config.stages, steps, strict=True)
    )
    return config.model_copy(update={"stages": stages})


def write_config(config: TrainingConfig, folder: Path) -> None:
    """Write config.yaml."""
    with atomic(folder / "config.yaml") as part:
        part.write_text(text_of(config))


def text_of(config: TrainingConfig) -> str:
    """Return a configuration as YAML."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)

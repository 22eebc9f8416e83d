"""A run: its stages one after the other, on Lightning Fabric."""

import os
from pathlib import Path

import torch
import yaml
from lightning_fabric import Fabric

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, read_yaml
from pdn_ros.network import NetworkConfig, PatchDriveNet
from pdn_ros.network.backbone import load_imagenet
from pdn_ros.training.record import Record
from pdn_ros.training.stage import Progress, State, TrainingStage
from pdn_ros.training.training_config import TrainingConfig
from pdn_ros.training.validation import score


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
    config = read_yaml(config_path, TrainingConfig)
    classes = load_classes(config.classes)
    folder = runs / config.name
    last = folder / "last.ckpt"
    if resume and not last.is_file():
        raise InputError(f"{last}: nothing to resume; start without --resume")
    fabric = _launch(config)
    if folder.exists() and not resume and fabric.is_global_zero:
        raise InputError(f"{folder}: that run exists; resume it with --resume or rename it")
    fabric.barrier()
    if fabric.is_global_zero:
        with atomic(folder / "config.yaml") as part:
            part.write_text(_text(config))
    net = _initial(config, classes)
    state: State | None = torch.load(last, weights_only=True) if resume else None
    progress = Progress(**state["progress"]) if state else Progress()
    record = Record(folder, config, progress, enabled=fabric.is_global_zero)
    try:
        for index in range(progress.stage, len(config.stages)):
            if index != progress.stage:
                progress = Progress(stage=index)
            stage = TrainingStage(fabric, config, classes, net, progress, state)
            _train(stage, config, classes, record)
            state = None
    finally:
        record.close()
    return folder


def _launch(config: TrainingConfig) -> Fabric:
    parallel = config.processes * config.nodes > 1
    fabric = Fabric(
        accelerator=config.accelerator,
        devices=config.processes,
        num_nodes=config.nodes,
        precision=config.precision,
        strategy="ddp_find_unused_parameters_true" if parallel else "auto",
    )
    fabric.launch()
    if fabric.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // config.processes))
    return fabric


def _initial(config: TrainingConfig, classes: ClassSet) -> PatchDriveNet:
    if config.init is not None:
        return PatchDriveNet.load(config.init).train()
    torch.manual_seed(config.seed)
    net = PatchDriveNet(NetworkConfig(len(classes.names)), classes.model_dump_json())
    for part in (net.context, net.refinement, net.dense):
        load_imagenet(part.backbone)
    return net.channels_last()


def _train(stage: TrainingStage, config: TrainingConfig, classes: ClassSet, record: Record) -> None:
    """Train one stage to its end; leaves the averaged weights in the network."""
    progress, steps = stage.progress, stage.config.steps
    while progress.step < steps:
        loss, seconds = stage.step()
        record.step(progress, loss, seconds)
        done = progress.step == steps
        if progress.step % config.validate_every == 0 or done:
            with stage.averaged():
                objective = stage.config.objective
                found = score(stage.net, objective, config.validation, classes, stage.fabric)
                # Where nothing is validated the last weights are the best.
                if stage.fabric.is_global_zero and found >= progress.best:
                    with atomic(record.folder / "best.safetensors") as part:
                        stage.net.save(part, training=_text(config))
            progress.best = max(found, progress.best)
            record.score(progress, found)
        if (progress.step % config.checkpoint_every == 0 or done) and stage.fabric.is_global_zero:
            with atomic(record.folder / "last.ckpt") as part:
                torch.save(stage.state(), part)
    stage.finish()


def _text(config: TrainingConfig) -> str:
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)

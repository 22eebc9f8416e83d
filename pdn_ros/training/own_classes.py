"""`pdn train DIR`: own images and classes, in the time that there is."""

import json
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import torch
from lightning_fabric import Fabric

from pdn_ros import machine
from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, read_yaml
from pdn_ros.network import PatchDriveNet
from pdn_ros.training import evaluation
from pdn_ros.training.card import model_card
from pdn_ros.training.evaluation import evaluate
from pdn_ros.training.loop import initial, launch, text_of, train
from pdn_ros.training.record import say
from pdn_ros.training.report import write_report
from pdn_ros.training.schedule import TRIED, make_schedule, probe
from pdn_ros.training.stage import Progress, State, TrainingStage
from pdn_ros.training.survey import Survey, survey
from pdn_ros.training.training_config import DataConfig, Precision, TrainingConfig
from pdn_ros.training.validation import score

_SET_UP: Final = 8.0
"""Seconds for what nobody measures: libraries, curves, report."""


@dataclass(frozen=True, slots=True)
class Order:
    """What to train.

    Attributes:
        folder: The data set.
        out: The run's folder.
        classes: Class set: a file, or the name of one that ships; None: classes.yaml of the folder.
        minutes: Time for everything.
        start: `street` (the weights that ship), `imagenet`, or a file of weights.
        processes: Data-parallel processes on this machine.
    """

    folder: Path
    out: Path
    classes: str | None = None
    minutes: float = 60.0
    start: str = "street"
    processes: int = 1


def train_own(order: Order) -> None:
    """Train on own images with a schedule that is made for them.

    Raises:
        InputError: The data cannot be trained on, the classes do not fit, the folder exists, or
            the time is too short for this machine.
    """
    began = time.monotonic()
    if order.out.exists() and "LOCAL_RANK" not in os.environ:
        raise InputError(f"{order.out}: exists; go on with --resume, or name another --out")
    if not order.folder.is_dir():
        raise InputError(f"{order.folder}: no such folder; give one with images/ and labels/")
    name = order.classes or _own_classes(order.folder)
    classes = load_classes(name)
    data = survey(order.folder, classes)
    precision = _precision()
    fabric = launch(order.processes, precision=precision)
    trial = TrainingConfig(
        name=order.out.resolve().name,
        classes=name,
        stages=(probe(data, fabric.world_size),),
        validation=(DataConfig(spec=data.spec, split="val"),),
        init=None if order.start == "imagenet" else order.start,
        processes=order.processes,
        precision=precision,
    )
    step, image = _measure(trial, classes, fabric)
    last_look = evaluation.COST * min(len(data.val), evaluation.MOST) * image
    spent = time.monotonic() - began + _SET_UP + last_look
    config = make_schedule(
        data,
        trial,
        minutes=order.minutes - spent / 60,
        seconds_per_step=step,
        seconds_per_image=image,
        processes=fabric.world_size,
    )
    config = fabric.broadcast(config)  # every process goes by the first one's clock
    if fabric.is_global_zero:
        stages = ", ".join(f"{s.name} {s.minutes:.1f} min" for s in config.stages if s.minutes)
        say(
            f"{len(data.train)} training and {len(data.val)} validation images of"
            f" {data.width}x{data.height}; {step:.2f} s a step, {image:.2f} s to validate an image:"
            f" {stages}"
        )
    train(config, order.out, fabric)
    if fabric.is_global_zero:
        _conclude(order.out, data, fabric.device)


def resume_own(folder: Path, out: Path) -> None:
    """Go on with an interrupted run.

    Raises:
        InputError: There is nothing to go on with.
    """
    config = read_yaml(out / "config.yaml", TrainingConfig)
    fabric = launch(config.processes, precision=config.precision)
    data = survey(folder, load_classes(config.classes))
    train(config, out, fabric, resume=True)
    if fabric.is_global_zero:
        _conclude(out, data, fabric.device)


def _conclude(folder: Path, data: Survey, device: torch.device) -> None:
    """Evaluate the best weights; write weights.safetensors, model card and report."""
    config = read_yaml(folder / "config.yaml", TrainingConfig)
    classes = load_classes(config.classes)
    net = PatchDriveNet.load(folder / "best.safetensors", device=str(device))
    found = evaluate(net, config, classes, folder / "first.safetensors", device)
    state: State = torch.load(folder / "last.ckpt", weights_only=True, map_location="cpu")
    seconds = float(state["progress"]["seconds"])
    figures = {
        mode: {
            "miou": found.miou(mode),
            "per_class_iou": {
                name: None if math.isnan(iou) else round(float(iou), 4)
                for name, iou in zip(classes.names, found.iou[mode], strict=True)
            },
        }
        for mode in evaluation.MODES
    }
    with atomic(folder / "weights.safetensors") as part:
        net.save(part, training=text_of(config), figures=json.dumps(figures))
    with atomic(folder / "model_card.md") as part:
        part.write_text(model_card(config, classes, data, found, seconds), encoding="utf-8")
    write_report(folder, config=config, classes=classes, data=data, found=found, seconds=seconds)
    for mode in (*evaluation.MODES, evaluation.BEFORE):
        say(f"mIoU of {found.images} validation images, {mode}: {found.miou(mode):.3f}")


def _own_classes(folder: Path) -> str:
    """Return the class file that lies beside the images."""
    path = folder / "classes.yaml"
    if not path.is_file():
        raise InputError(f"{folder}: no classes.yaml in it; give a class file with --classes")
    return str(path)


def _precision() -> Precision:
    """Return bfloat16 where the processor computes in it: a step then takes two thirds."""
    fast = {"avx512_bf16", "amx_bf16"} & set(machine.instruction_sets())
    return "bf16-mixed" if fast and not torch.cuda.is_available() else "32-true"


def _measure(config: TrainingConfig, classes: ClassSet, fabric: Fabric) -> tuple[float, float]:
    """Return the seconds of a step and of the validation of an image."""
    net = initial(config, classes)
    progress = Progress(steps=TRIED)
    stage = TrainingStage(fabric, config, classes, net, progress, None)
    step = min([stage.step()[1] for _ in range(TRIED)][1:])
    times = []
    for _ in range(2):
        began = time.monotonic()
        score(net, "context", config.validation, classes, fabric, images=fabric.world_size)
        times.append(time.monotonic() - began)
    return step, min(times)

"""The report of a run on own classes: one HTML file that needs no network."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from pdn_ros import machine
from pdn_ros.classes import ClassSet
from pdn_ros.metrics.confusion import at_size
from pdn_ros.page import Picture, photo, share, write_page
from pdn_ros.training.evaluation import BEFORE, MODES, Evaluation, Shown
from pdn_ros.training.loop import SHIPPED
from pdn_ros.training.survey import Survey
from pdn_ros.training.training_config import TrainingConfig
from pdn_ros.visualization import overlay

CURVES: Final = (990, 440)
"""Size of curves.png, pixels."""


def write_report(
    folder: Path,
    *,
    config: TrainingConfig,
    classes: ClassSet,
    data: Survey,
    found: Evaluation,
    seconds: float,
) -> None:
    """Write report.html.

    Args:
        folder: The run's folder; curves.png lies in it.
        config: What was trained, with the steps that there were.
        classes: The classes.
        data: The data set.
        found: What the validation images show.
        seconds: What the training took.
    """
    write_page(
        folder / "report.html",
        "training.html.jinja",
        title=config.name,
        facts=f"{len(data.train)} training and {len(data.val)} validation images of"
        f" {data.width}x{data.height}, {len(classes.names)} classes,"
        f" {seconds / 60:.1f} minutes from {_start(config)}",
        cards=_cards(found),
        legend=[(_words(info.name), info.hex_color) for info in classes.classes],
        before=found.before,
        images=[(one.sample.name, _pictures(one, classes)) for one in found.shown],
        modes=(*MODES, BEFORE),
        classes=_class_rows(classes, data, found),
        blocks=[(kind, len(list(group))) for kind, group in groupby(data.order)],
        left_out="gap" in data.order,
        split=_split(data),
        stages=[stage for stage in config.stages if stage.steps],
        machine=machine.describe(),
        curves=Picture((folder / "curves.png").read_bytes(), *CURVES, "image/png"),
    )


def _start(config: TrainingConfig) -> str:
    known = {None: "ImageNet's backbone", SHIPPED: "the shipped weights"}
    return known.get(config.init, f"{config.init}")


def _cards(found: Evaluation) -> list[tuple[str, str, str]]:
    """Label, value and note of the summary figures."""
    notes = {
        "patch": ("mIoU, patch mode", "what the node runs"),
        "context": ("mIoU, context alone", "the whole image, scaled down"),
        "dense": ("mIoU, dense", "every pixel in one pass"),
        BEFORE: ("mIoU before", found.before),
    }
    return [(title, share(found.miou(key)), note) for key, (title, note) in notes.items()]


def _pictures(one: Shown, classes: ClassSet) -> list[tuple[str, Picture]]:
    image = one.sample.image
    masks = {"Label": one.sample.label, "Before": one.before, "After": one.after}
    return [
        (text, photo(overlay(image, at_size(mask, image.shape[:2]), classes)))
        for text, mask in masks.items()
    ]


def _class_rows(
    classes: ClassSet, data: Survey, found: Evaluation
) -> list[tuple[str, str, float, list[float]]]:
    """Name, color, share of the validation labels, and IoU by mode; the mean comes last."""
    columns = [found.iou[mode] for mode in (*MODES, BEFORE)]
    rows = [
        (_words(info.name), info.hex_color, share, [float(column[i]) for column in columns])
        for i, (info, share) in enumerate(zip(classes.classes, data.shares[1], strict=True))
    ]
    means = [found.miou(mode) for mode in (*MODES, BEFORE)]
    return [*rows, ("mean", "", 1.0, means)]


def _split(data: Survey) -> list[tuple[str, str]]:
    return [("Training", _ends(data.train)), ("Validation", _ends(data.val))]


def _ends(names: Sequence[str]) -> str:
    return f"{len(names)}: {names[0]} to {names[-1]}"


def _words(name: str) -> str:
    return name.replace("_", " ")

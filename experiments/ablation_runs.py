"""Trained ablations: short runs of the patch stage that differ in one thing each."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch
from evidence import Images, Model, budget, say
from lightning_fabric import Fabric
from torch import Tensor

from pdn_ros.classes import load_classes
from pdn_ros.files import atomic, read_yaml
from pdn_ros.metrics.selection import Waste
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.refinement import Refined
from pdn_ros.network.segmentation import Segmentation
from pdn_ros.training.stage import Progress, TrainingStage
from pdn_ros.training.training_config import StageConfig, TrainingConfig
from pdn_ros.validation.cost import Cost

STEPS: Final = 120
SHARES: Final = (0.10, 0.25)
"""Shares of the patches that the runs are measured at."""


class WithoutContext(PatchDriveNet):
    """The patches see nothing of the context; composition still starts from its logits."""

    def run_refinement(
        self, crops: Tensor, context: Segmentation, centres: Tensor, scale: float
    ) -> Refined:
        """Refine with zeros in the place of the context's logits and features."""
        nothing = Segmentation(torch.zeros_like(context.logits), torch.zeros_like(context.features))
        return super().run_refinement(crops, nothing, centres, scale)


@dataclass(frozen=True, slots=True)
class Variant:
    """What one run changes.

    Attributes:
        title: What the table calls it.
        network: Changed hyper-parameters.
        stage: Changed fields of the stage.
        kind: The network's class.
        source: The one-pass network that the refinement takes its first weights from. Where the
            oracle picks, the stage itself takes them from dense.
        seed: Of the data's order and of the new layers.
    """

    title: str
    network: dict[str, int] = field(default_factory=dict)
    stage: dict[str, Any] = field(default_factory=dict)
    kind: type[PatchDriveNet] = PatchDriveNet
    source: Literal["dense", "context"] = "dense"
    seed: int = 0


BASE: Final = "base"
VARIANTS: Final = {
    BASE: Variant("base: 128 px, 2 mixing layers, context, supervised gate, lambda 0"),
    "seed": Variant("base, another seed", seed=1),
    "patch_64": Variant("patches of 64 px", network={"patch_size": 64, "mixing_pool": 5}),
    "depth_11": Variant("patches pass 11 blocks, not 9", network={"patch_blocks": 11}),
    "no_mixing": Variant("no mixing layers", network={"mixing_layers": 0}),
    "no_context": Variant("patches without context features", kind=WithoutContext),
    "straight_through": Variant(
        "selection learned, straight-through", stage={"selection": "straight_through"}
    ),
    "from_context": Variant(
        "straight-through, refinement initialised from context",
        stage={"selection": "straight_through"},
        source="context",
    ),
    "perturbed": Variant("selection learned, perturbed top-K", stage={"selection": "perturbed"}),
    "distilled": Variant("distilled from dense", stage={"distillation": 1.0}),
    "lambda_0.001": Variant("lambda 0.001", stage={"sparsity": 0.001}),
    "lambda_0.01": Variant("lambda 0.01", stage={"sparsity": 0.01}),
}
SPARSITIES: Final = {0.0: BASE, 0.001: "lambda_0.001", 0.01: "lambda_0.01"}
"""The runs that differ in lambda alone."""


def train(start: Path, data: Path, out: Path, names: list[str], steps: int) -> None:
    """Train variants from the context and dense weights of `start`; those that exist are kept.

    Driver and refinement start anew (the latter from the dense network's weights where it is
    alike), so that no variant profits from an earlier training of its own kind.

    Args:
        start: Weights.
        data: Training configuration whose last stage's data are used.
        out: Folder for the weights.
        names: Of `VARIANTS`.
        steps: Steps of each run.
    """
    classes = load_classes("street")
    sets = read_yaml(data, TrainingConfig).stages[-1].data
    for name in names:
        path = out / f"{name}.safetensors"
        if path.is_file():
            continue
        variant = VARIANTS[name]
        stage = StageConfig.model_validate(
            {
                "name": name,
                "objective": "patches",
                "data": sets,
                "steps": steps,
                "batch": 4,
                "crop": (384, 640),
                **variant.stage,
            }
        )
        config = TrainingConfig(name=name, stages=(stage,), seed=variant.seed, accelerator="cpu")
        net = _start(start, variant)
        fabric = Fabric(accelerator="cpu", devices=1)
        running = TrainingStage(fabric, config, classes, net, Progress(), None)
        begun = time.monotonic()
        for step in range(steps):
            loss, _ = running.step()
            if step % 20 == 19 or step == steps - 1:
                pace = (time.monotonic() - begun) / (step + 1)
                say(f"{name} {step + 1}: loss {loss:.3f}, {pace:.1f} s a step")
        running.finish()
        with atomic(path) as part:
            net.save(part, training=config.model_dump_json())


def _start(path: Path, variant: Variant) -> PatchDriveNet:
    """Build a variant's network with the common start."""
    given = PatchDriveNet.load(path)
    torch.manual_seed(variant.seed)
    net = variant.kind(replace(given.config, **variant.network), given.classes)
    net.context.load_state_dict(given.context.state_dict())
    net.dense.load_state_dict(given.dense.state_dict())
    net.refinement.start_from(net.dense if variant.source == "dense" else net.context)
    return net.channels_last().train()


def trained(out: Path) -> Iterator[tuple[str, Model]]:
    """Yield the variants that have been trained, on torch, which runs any subclass."""
    for name, variant in VARIANTS.items():
        path = out / f"{name}.safetensors"
        if path.is_file():
            yield name, Model(variant.kind.load(path), "torch")


def measure(model: Model, images: Images) -> dict[str, Any]:
    """Score patch mode at each of `SHARES`, with the cost and the waste."""
    cost, plain = Cost(model.config), [images.classes.id_of(name) for name in ("sky", "road")]
    found: dict[str, Any] = {}
    for share in SHARES:
        score, waste, gmac = images.score(), Waste(plain=tuple(plain)), []
        for sample in images:
            size = sample.image.shape[0], sample.image.shape[1]
            count = model.run(sample.image, budget=0).grid.count
            result = model.run(sample.image, budget=budget(share, count))
            score.update(result.mask, sample.label)
            waste.update(result.selected, sample.label, size, result.grid.size)
            gmac.append(cost.patches(*size, len(result.selected)) / cost.dense(*size))
        found[f"{share:.2f}"] = {
            **score.figures(),
            "gmac_share": round(sum(gmac) / len(gmac), 4),
            "wasted_share": round(waste.wasted_share, 4),
        }
    return found

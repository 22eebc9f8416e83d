"""Scores of the network's modes on labelled images, from one run: `validate.json` and a table."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pdn_ros.config import build
from pdn_ros.datasets import LabelledImages, open_dataset
from pdn_ros.metrics.confusion import at_size
from pdn_ros.perception import PipelineConfig
from pdn_ros.validation.cost import COUNTER
from pdn_ros.validation.results import ModeFigures, Validation, mean_figures
from pdn_ros.validation.runner import MODES, SINGLES, Runner, check_modes
from pdn_ros.validation.score import Score, differences

WINDOW = 3
"""Neighboring scales whose mean `best_single` takes: single ones differ by a point."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What to validate.

    Attributes:
        dataset: Specification as for `pdn_ros.datasets.open_dataset`.
        split: Split of the data set.
        modes: Of `MODES`.
        weights: Path of the weights; empty for those that ship.
        backend: Inference backend.
        precision: Its precision.
        budget: K of patch mode; 0 is a quarter of the patches.
        limit: Only the first images; 0 for all.
    """

    dataset: str
    split: str = "val"
    modes: Sequence[str] = MODES
    weights: str = ""
    backend: str = "auto"
    precision: str = "auto"
    budget: int = 0
    limit: int = 0

    def __post_init__(self) -> None:
        check_modes(tuple(self.modes))


def validate(settings: Settings, report: Callable[[int, int], None] | None = None) -> Validation:
    """Run the modes over a data set, image by image in turn, so that all see the same machine.

    Args:
        settings: What to validate.
        report: Called with the images done and their number.

    Raises:
        InputError: The data set or the weights cannot be used.
    """
    names = ("weights", "backend", "precision", "budget")
    runner = Runner(build(PipelineConfig, {name: getattr(settings, name) for name in names}))
    data = open_dataset(settings.dataset, settings.split, runner.classes)
    ids = {name: i for i, name in enumerate(data.classes)}
    hidden = {ids[h]: ids[g] for h, g in data.hidden.items()}
    runs = [r for mode in settings.modes for r in (SINGLES if mode == "best_single" else (mode,))]
    scores = {run: Score.of(runner.classes, hidden) for run in runs}
    count = min(len(data), settings.limit or len(data))
    for index in range(count):
        _add_image(runner, data, index, scores)
        if report:
            report(index + 1, count)
    figures = {run: score.figures() for run, score in scores.items()}
    members = {mode: _members(mode, figures) for mode in settings.modes}
    patch = scores.get("patch")
    return Validation(
        dataset=settings.dataset,
        split=settings.split,
        images=count,
        classes=runner.classes.names,
        hidden=dict(data.hidden),
        weights=settings.weights or "shipped",
        backend=runner.backend,
        gmac_counter=COUNTER,
        modes={mode: mean_figures([figures[m] for m in of]) for mode, of in members.items()},
        differences={}
        if patch is None
        else {
            f"patch-{mode}": differences([patch], [scores[m] for m in of])
            for mode, of in members.items()
            if mode != "patch"
        },
    )


def _members(mode: str, figures: dict[str, ModeFigures]) -> tuple[str, ...]:
    """Return the runs whose mean figures are a mode's.

    The best single pass is three neighboring scales: those with the highest mean mIoU.
    """
    if mode != "best_single":
        return (mode,)
    windows = [SINGLES[i : i + WINDOW] for i in range(len(SINGLES) - WINDOW + 1)]
    return max(windows, key=lambda w: sum(figures[m].miou for m in w))


def _add_image(runner: Runner, data: LabelledImages, index: int, scores: dict[str, Score]) -> None:
    """Run the modes on one image and add it to their scores."""
    sample = data.sample(index)
    label, size = sample.label, (sample.image.shape[0], sample.image.shape[1])
    results = {mode: runner.run(mode, sample.image) for mode in scores}
    masks = {mode: at_size(result.mask, label.shape) for mode, result in results.items()}
    for mode, score in scores.items():
        result = results[mode]
        score.update(masks[mode], label, size, result)
        score.gmac.append(runner.gmac(mode, sample.image, len(result.selected)))
        if mode == "patch" and {"context", "all_patches"} <= results.keys():
            picked = runner.by_entropy(sample.image, len(result.selected))
            for errors, selected in (
                (score.mendable, result.selected),
                (score.mendable_thin, result.selected),
                (score.by_entropy, picked),
                (score.by_entropy_thin, picked),
            ):
                errors.update(
                    selected,
                    label=label,
                    context=masks["context"],
                    refined=masks["all_patches"],
                    image_size=size,
                    patch_size=result.patch_size,
                )

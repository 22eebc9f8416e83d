"""What a training run is: everything that is needed to repeat it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self


def _folder_name(name: str) -> str:
    if not name or name.startswith(".") or Path(name).name != name or not name.isprintable():
        raise ValueError("give the name of one folder: no slash, no dot in front")
    return name


FolderName = Annotated[str, AfterValidator(_folder_name)]
"""Name of a folder directly below another one."""
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]
Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class DataConfig(BaseModel):
    """One data set of the mixture: `spec` as `pdn_ros.datasets.open_dataset` reads it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    spec: str
    split: str = "train"
    weight: Positive = 1.0
    """Share of the samples, relative to the other sets."""
    scales: tuple[Positive, Positive] = (0.5, 1.6)
    """Range of the random scale, relative to the images' own size."""


class StageConfig(BaseModel):
    """One stage: what is trained, on what, for how long."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    objective: Literal["context", "dense", "joint", "driver", "patches"]
    data: Annotated[tuple[DataConfig, ...], Field(min_length=1)]
    steps: Annotated[int, Field(ge=0)] | None = None
    """With 0 the stage's part takes over the weights that it would start from."""
    minutes: Positive | None = None
    """In the place of steps: as many as fit into this time, on the machine that trains."""
    batch: Annotated[int, Field(gt=0)] = 8
    """Images of a step, over all processes."""
    crop: tuple[int, int] = (352, 480)
    """Most height and width of a training window, pixels; smaller images are taken whole."""
    lr: Positive = 1.5e-3
    """Peak learning rate of new layers."""
    backbone_lr: Positive = 2.5e-4
    """Peak learning rate of the pretrained backbone."""
    frozen_blocks: Annotated[int, Field(ge=0, le=9)] = 0
    """First blocks of each backbone that stay as they are, the stem with them; 0: none."""
    weight_decay: float = 0.01
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.995
    """Decay of the averaged weights that the next stage and the result take."""
    selection: Literal["oracle", "straight_through", "perturbed"] = "oracle"
    """How the patches of a step are picked (objective `patches`)."""
    oracle: Literal["labels", "gain"] = "labels"
    """What makes a patch worth refining: coarse errors, boundaries and thin things in the labels,
    or what refining it mends, measured by refining every patch (objective `driver`)."""
    single_scales: tuple[Positive, Positive] = (0.25, 1.1)
    """Range of the random scale at which a single pass sees a window (objective `joint`)."""
    random_share: Share = 0.25
    """Share of the picked patches that are drawn at random, so that every kind is seen."""
    sparsity: Annotated[float, Field(ge=0)] = 0.0
    """lambda of the patch selection loss, lambda * sum |w_i|."""
    distillation: Annotated[float, Field(ge=0)] = 0.0
    """mu, weight of the divergence from the dense network inside the picked patches."""
    context_shares: tuple[Share, Share, Share] = (0.6, 0.3, 0.1)
    """How often each of `CONTEXT_SCALES` is met in the patch stages; the sum is 1."""

    @model_validator(mode="after")
    def _steps_or_minutes(self) -> Self:
        if (self.steps is None) == (self.minutes is None):
            raise ValueError("give steps or minutes, one of them")
        if abs(sum(self.context_shares) - 1) > 1e-6:
            raise ValueError("the context_shares must add up to 1")
        return self


class TrainingConfig(BaseModel):
    """A run: its stages follow each other, each starts from the last one's averaged weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: FolderName
    """The run's folder below `runs/`."""
    stages: Annotated[tuple[StageConfig, ...], Field(min_length=1)]
    validation: tuple[DataConfig, ...] = ()
    classes: str = "street"
    seed: int = 0
    processes: Annotated[int, Field(gt=0)] = 1
    """Data-parallel processes on this machine (CPU cores or GPUs)."""
    nodes: Annotated[int, Field(gt=0)] = 1
    accelerator: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Precision = "32-true"
    init: str | None = None
    """Weights to start from: `street`, those that ship, or a file; their classes may be others.
    None: ImageNet backbone."""
    context_pixels: Annotated[int, Field(gt=0)] | None = None
    """The network's, where it shall be other than that of the start weights."""
    checkpoint_every: Annotated[int, Field(gt=0)] = 50
    validate_every: Annotated[int, Field(gt=0)] = 250
    validation_images: Annotated[int, Field(gt=0)] = 24
    """Most images of each validation set that the best weights are picked by, evenly spread."""

    @model_validator(mode="after")
    def _all_or_none_by_the_clock(self) -> Self:
        timed = [stage for stage in self.stages if stage.minutes is not None]
        if timed and any(stage.steps for stage in self.stages):
            raise ValueError("give all stages minutes or all of them steps")
        return self

"""The pipeline: a `Frame` in, a `Result` out, whoever asks (node, command line, evaluation)."""

from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.inference.backends import load_parts
from pdn_ros.inference.deadline import Deadline
from pdn_ros.inference.frame import Frame, Result
from pdn_ros.network import Options, PatchDriveNet, patch_grid, predict
from pdn_ros.network.selector import default_budget

Mode = Literal["patch", "context", "dense"]


class PipelineConfig(BaseModel):
    """How to segment; the names are the node's parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: str = ""
    """Path of a .safetensors file; empty: the weights that ship with the package."""
    classes: str = ""
    """Class set (name or YAML) that replaces the names and colours of the weights' own."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: str = "auto"
    mode: Mode = "patch"
    budget: Annotated[int, Field(ge=0)] = 0
    """K, patches to refine at most; 0: a quarter of them."""
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Refine only patches that score at least this; 0: always K."""
    lidar_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    deadline_ms: Annotated[float, Field(ge=0)] = 0.0
    """Time a frame may take; 0: no limit."""
    dense_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """Scale of the image that dense mode sees."""


class Pipeline:
    """Network and backend, ready for frames of any size.

    Raises:
        InputError: Weights, classes, device or backend cannot be had.
    """

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config or PipelineConfig()
        self.device = _device(self.config.device)
        try:
            net = PatchDriveNet.load(self.config.weights or None, self.device)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.classes = _classes(net, self.config.classes)
        self.network = net.config
        self.backend, self._parts = load_parts(self.config.backend, net, self.device)
        self._deadline = Deadline(self.config.deadline_ms)

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels."""
        return self.network.patch_size

    def reconfigure(self, config: PipelineConfig) -> None:
        """Take over what can change between two frames: all but what is loaded.

        Raises:
            InputError: Weights, classes, device or backend would have to change.
        """
        for name in ("weights", "classes", "device", "backend"):
            if getattr(config, name) != getattr(self.config, name):
                raise InputError(f"{name}: cannot change while running; configure the node anew")
        if config.deadline_ms != self.config.deadline_ms:
            self._deadline = Deadline(config.deadline_ms)
        self.config = config

    def budget(self, height: int, width: int) -> int:
        """Return K for images of this size."""
        count = patch_grid(height, width, self.network).count
        return min(count, self.config.budget or default_budget(count))

    @torch.inference_mode()
    def process(self, frame: Frame, *, confidence: bool = True) -> Result:
        """Segment one frame.

        Raises:
            InputError: The image is too small or no uint8 BGR, or the prior has another grid.
        """
        config = self.config
        height, width = frame.image.shape[:2]
        try:
            budget = 0 if config.mode != "patch" else self.budget(height, width)
            reason = "asked for" if config.budget else "a quarter of the patches"
            if config.deadline_ms and budget:
                count = patch_grid(height, width, self.network).count
                allowed, why = self._deadline.budget(budget, count)
                reason = reason if allowed == budget else why
                budget = allowed
            options = Options(
                mode=config.mode,
                budget=budget,
                threshold=config.threshold,
                prior_weight=config.lidar_weight,
                dense_scale=config.dense_scale,
                confidence=confidence,
            )
            done = predict(
                self._parts,
                self.network,
                frame.image,
                options,
                prior=frame.prior,
                device=self.device,
            )
        except ValueError as error:
            raise InputError(str(error)) from error
        self._deadline.observe(done.times.total, done.times.refine, len(done.selected))
        return Result(
            mask=done.mask,
            confidence=done.confidence,
            patch_size=done.grid.size,
            weights=done.weights,
            scores=done.scores,
            selected=done.selected,
            prior_used=frame.prior is not None and config.mode == "patch",
            mode=config.mode,
            budget=budget,
            budget_reason=reason,
            times=done.times,
        )


def _device(name: str) -> str:
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device cuda: torch sees no GPU here; use device: auto or cpu")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name


def _classes(net: PatchDriveNet, override: str) -> ClassSet:
    try:
        own = ClassSet.model_validate_json(net.classes)
    except ValidationError as error:
        raise InputError("weights: carry no class set; train them anew with pdn train") from error
    if not override:
        return own
    classes = load_classes(override)
    if classes.names != own.names:
        raise InputError(
            f"classes {override}: {len(classes.names)} classes {classes.names[:3]}..., but the "
            f"weights were trained on {len(own.names)} {own.names[:3]}...; use matching weights"
        )
    return classes

"""The pipeline from image to prediction, for node, command line and replay."""

import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import ValidationError

from pdn_ros.classes import ClassSet, load_classes
from pdn_ros.errors import InputError
from pdn_ros.network import Frame, Options, Parts, PatchDriveNet, Prediction, predict_set
from pdn_ros.network.predict import image_grid
from pdn_ros.network.selector import default_budget
from pdn_ros.perception.backends import load_parts
from pdn_ros.perception.backends.accuracy import street_image
from pdn_ros.perception.backends.compiled import one_thread
from pdn_ros.perception.config import PipelineConfig
from pdn_ros.perception.deadline import Deadline, bucket
from pdn_ros.resources import weights_path

_log = logging.getLogger(__name__)


class Pipeline:
    """Network and backend, ready for images of any size.

    Raises:
        InputError: Weights, classes, device, backend or precision cannot be used.
    """

    def __init__(self, config: PipelineConfig | None = None) -> None:
        self.config = config or PipelineConfig()
        net = self._load(_device(self.config.device), self.config.backend, self.config.precision)
        self.classes = _classes(net, self.config.classes)
        self.network = net.config
        self._memory_limit: int | None = None
        self._on_spare = False
        self._deadline = Deadline(self.config.deadline_ms)
        self._sizes, self._started = "", 0.0

    @torch.inference_mode()
    def warm_up(self, width: int, height: int) -> None:
        """Build and run once what images of a size need, so that the first one does not wait.

        Do not call it while another thread segments.

        Args:
            width: Of the images, pixels.
            height: Of the images, pixels.

        Raises:
            InputError: Images of this size cannot be segmented.
        """
        frames = [Frame(np.asarray(cv2.resize(street_image(), (width, height)), np.uint8))]
        try:
            count = self._count(frames)
            # Always with patches, so that the refinement is built too.
            budget = max(1, self._wanted(count)) if self.config.mode == "patch" else 0
            self._predict(frames, count, Options(mode=self.config.mode, budget=budget))
        except ValueError as error:
            raise InputError(str(error)) from error

    def _load(self, device: str, backend: str, precision: str) -> PatchDriveNet:
        """Make the parts ready and return the network that they were made from."""
        weights = Path(self.config.weights) if self.config.weights else weights_path()
        try:
            net = PatchDriveNet.load(weights, device)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.device = device
        self._parts = load_parts(backend, net, device, weights, precision)
        return net

    @property
    def backend(self) -> str:
        """What runs the network now."""
        return self._parts.backend

    @property
    def precision(self) -> str:
        """What the backend computes in now."""
        return self._parts.precision

    @property
    def fallback(self) -> str:
        """Why a faster choice is not used; empty if the fastest is."""
        return self._parts.fallback

    @property
    def building(self) -> str:
        """What the present image waits for; empty if nothing. Thread-safe."""
        if not self._parts.building:
            return ""
        seconds = monotonic() - self._started
        return f"building the models for {self._sizes} images ({seconds:.0f} s so far)"

    @property
    def patch_size(self) -> int:
        """Side of a patch, pixels."""
        return self.network.patch_size

    @property
    def parts(self) -> Parts:
        """The network's parts as the backend runs them."""
        return self._parts

    def reconfigure(self, config: PipelineConfig) -> None:
        """Take over a new configuration; only what needs no reloading may differ.

        Raises:
            InputError: Weights, classes, device, backend or precision would have to change.
        """
        for name in ("weights", "classes", "device", "backend", "precision"):
            if getattr(config, name) != getattr(self.config, name):
                raise InputError(f"{name}: cannot change while running; configure the node anew")
        if config.deadline_ms != self.config.deadline_ms:
            self._deadline = Deadline(config.deadline_ms)
        self._memory_limit = None
        self.config = config

    def _wanted(self, count: int) -> int:
        return min(count, self.config.budget or default_budget(count))

    def check(self, image: NDArray[np.uint8]) -> None:
        """Raise InputError if an image cannot be segmented."""
        try:
            image_grid(image, self.network, self.config.mode)
        except ValueError as error:
            raise InputError(str(error)) from error

    def segment(
        self,
        image: NDArray[np.uint8],
        prior: NDArray[np.float32] | None = None,
        *,
        confidence: bool = True,
        dense_scale: float = 1.0,
    ) -> Prediction:
        """Segment one image: a set of one.

        Args:
            image: (H, W, 3) uint8 BGR; a view of a message is fine.
            prior: (rows, cols) float32 LiDAR prior in [0, 1].
            confidence: Whether the confidence is wanted.
            dense_scale: Scale of the image that dense mode sees.

        Raises:
            InputError: The image is too small or not uint8 BGR, or the prior has another grid.
        """
        (prediction,) = self.segment_set(
            [Frame(image, prior)], confidence=confidence, dense_scale=dense_scale
        )
        return prediction

    @torch.inference_mode()
    def segment_set(
        self, frames: Sequence[Frame], *, confidence: bool = True, dense_scale: float = 1.0
    ) -> list[Prediction]:
        """Segment the images of a rig, which share budget, deadline, threshold and memory.

        Args:
            frames: One or more images, of any sizes.
            confidence: Whether their confidence is wanted.
            dense_scale: Scale of the images that dense mode sees.

        Raises:
            InputError: As for `segment`, for any of the images.
        """
        config = self.config
        try:
            count = self._count(frames)
            models = self._parts.models
            budget, reason = self._budget(count)
            options = Options(
                mode=config.mode,
                budget=budget,
                threshold=config.threshold,
                lidar_weight=config.lidar.weight,
                dense_scale=dense_scale,
                confidence=confidence,
                budget_reason=reason,
                floor=config.rig.floor,
            )
            with self._threads():
                done = self._predict(frames, count, options)
        except ValueError as error:
            raise InputError(str(error)) from error
        if self._parts.models == models:  # times with building predict nothing
            self._deadline.observe(
                sum(one.times.total for one in done),
                sum(one.times.refine for one in done),
                sum(len(one.selected) for one in done),
                count,
            )
        return done

    def _count(self, frames: Sequence[Frame]) -> int:
        """Return N, the number of patches of all images, and note what is segmented now."""
        grids = [image_grid(frame.image, self.network, self.config.mode) for frame in frames]
        self._sizes = " and ".join(dict.fromkeys(f"{one.width}x{one.height}" for one in grids))
        self._started = monotonic()
        return sum(one.count for one in grids)

    def _threads(self) -> AbstractContextManager[None]:
        """With a deadline and a compiling backend, run torch's part on one thread.

        Torch's threads spin until the last is done: on a busy machine composition sometimes takes
        many times as long. Without other load one thread is a little slower.
        """
        compiled = self.backend != "torch"
        return one_thread() if compiled and self.config.deadline_ms else nullcontext()

    def _budget(self, count: int) -> tuple[int, str]:
        """Return K for the next set of N = `count` patches and the reason for it."""
        reason = "asked for" if self.config.budget else "a quarter of the patches"
        if self.config.mode != "patch":
            return 0, reason
        budget = self._wanted(count)
        if self.config.deadline_ms:
            allowed, why = self._deadline.budget(budget, count)
            budget, reason = allowed, reason if allowed == budget else why
        if self._memory_limit is not None and budget > self._memory_limit:
            return self._memory_limit, "out of GPU memory"
        return budget, reason

    def _predict(self, frames: Sequence[Frame], count: int, options: Options) -> list[Prediction]:
        """Predict with as many patches as fit into memory, as a last resort on the CPU."""
        while True:
            budget = options.budget or 0
            try:
                return predict_set(self._parts, self.network, frames, options, device=self.device)
            except torch.OutOfMemoryError as error:
                if budget == 0 and self._on_spare:
                    raise InputError("out of memory: give smaller images") from error
            # Outside the handler: the error holds the tensors of what filled the memory.
            if budget > 0:
                fewer = self._memory_limit = bucket(budget // 2, count)
                _log.warning("out of GPU memory: at most %d patches from now on", fewer)
                options = replace(options, budget=fewer, budget_reason="out of GPU memory")
                continue
            _log.warning("out of GPU memory: the network runs on the CPU from now on")
            self._load("cpu", "auto", "auto")
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self._on_spare, self._memory_limit = True, None
            reason = "out of GPU memory: on the CPU"
            options = replace(options, budget=self._budget(count)[0], budget_reason=reason)


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

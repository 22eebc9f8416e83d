"""A schedule from data, time and machine: the stages of `pdn train DIR`."""

import math
from typing import Any, Final

from pdn_ros.errors import InputError
from pdn_ros.network.network_config import CONTEXT_SCALES, NetworkConfig, patch_grid
from pdn_ros.training.survey import Survey
from pdn_ros.training.training_config import DataConfig, StageConfig, TrainingConfig

BATCH: Final = 4
CROP: Final = (352, 480)
"""Window of the one-pass stages."""
FROZEN: Final = 3
"""First blocks that stay: edges and textures are the same everywhere, and a quarter of the time."""
WINDOW: Final = (768, 1280)
"""Largest window of the patch stages: what the driver chooses from should be nearly the image."""
WHOLE: Final = (1088, 1920)
"""The same of the driver's stage, which needs less memory."""
TRIED: Final = 4
"""Steps that tell how fast the machine is."""
VALIDATIONS: Final = 20
"""How often a long run is validated, about."""
VALIDATE_EVERY: Final = 300
"""Least steps between two validations."""
LEAST_STEPS: Final = 60
"""Below so many steps of the context nothing is worth training."""
LONG: Final = 3500
"""From so many steps on more stages pay than the two that make patch mode work."""
_STRETCH: Final = 1.3
"""An image so much larger than the context's limit keeps the larger scale of the context."""


def probe(data: Survey, processes: int = 1) -> StageConfig:
    """Return the first stage, a few steps of it: they tell how fast the machine is."""
    return StageConfig(
        name="context",
        objective="context",
        steps=TRIED,
        batch=_shared(BATCH, processes),
        crop=CROP,
        frozen_blocks=FROZEN,
        data=(DataConfig(spec=data.spec, scales=(0.75 * _context_scale(data), 1.1)),),
    )


def make_schedule(
    data: Survey,
    trial: TrainingConfig,
    *,
    minutes: float,
    seconds_per_step: float,
    seconds_per_image: float,
    processes: int = 1,
) -> TrainingConfig:
    """Make the configuration of a run.

    Args:
        data: The data set.
        trial: The run with `probe`'s stage alone.
        minutes: Time for all stages together.
        seconds_per_step: Of `probe`'s stage on this machine.
        seconds_per_image: Of the validation of one image.
        processes: Processes that share a batch, on all machines.

    Raises:
        InputError: There is too little time for this machine.
    """
    steps = 60 * minutes / seconds_per_step
    if steps < LEAST_STEPS:
        raise InputError(
            f"--minutes: too few: {max(steps, 0):.0f} steps of {seconds_per_step:.1f} s fit into"
            f" them; give {math.ceil((LEAST_STEPS - steps) * seconds_per_step / 60)} more"
        )
    # A validation may take a hundredth of the time: in a short run there are five or so.
    images = 0.01 * 60 * minutes / max(seconds_per_image, 1e-3)
    stages = _stages(data, trial.stages[0], minutes, processes, long=steps >= LONG)
    changes = {
        "stages": stages,
        "context_pixels": _context_pixels(data),
        "validate_every": max(VALIDATE_EVERY, round(steps / VALIDATIONS)),
        "validation_images": int(min(max(images, 3), 24)),
    }
    return trial.model_copy(update=changes)


def _stages(
    data: Survey, one_pass: StageConfig, minutes: float, processes: int, *, long: bool
) -> tuple[StageConfig, ...]:
    """Share the time among the stages."""
    scale = _context_scale(data)
    height, width = _within(WINDOW, data)
    patches = _checked(
        one_pass,
        name="patches",
        objective="patches",
        batch=_shared(4 if height * width < 400_000 else 2, processes),
        crop=(height, width),
        data=(DataConfig(spec=data.spec, scales=(0.85, 1.2)),),
        context_shares=tuple(float(s == scale) for s in CONTEXT_SCALES),
        lr=1e-3,
        backbone_lr=1.5e-4,
    )
    # Trained at all scales, the context's weights serve the dense network too.
    dense = _checked(one_pass, name="dense", objective="dense", steps=0)
    if not long:
        return (
            _timed(one_pass, 0.55 * minutes),
            dense,
            _timed(patches, 0.45 * minutes),
        )
    learned = _checked(
        patches, name="patches_learned", selection="straight_through", lr=7e-4, backbone_lr=1.2e-4
    )
    driver = _checked(
        patches,
        name="driver_gain",
        objective="driver",
        oracle="gain",
        crop=_within(WHOLE, data),
        lr=2e-3,
        ema=0.98,  # a short stage
    )
    return (
        _timed(_checked(one_pass, ema=0.998), 0.45 * minutes),
        dense,
        _timed(patches, 0.25 * minutes),
        _timed(learned, 0.22 * minutes),
        _timed(driver, 0.08 * minutes),
    )


def _within(most: tuple[int, int], data: Survey) -> tuple[int, int]:
    """Return a window around whole images, height and width, no larger than `most`."""
    return min(most[0], -(-data.height // 32) * 32), min(most[1], -(-data.width // 32) * 32)


def _checked(stage: StageConfig, **changes: Any) -> StageConfig:
    """Return the stage with some of its fields changed."""
    return StageConfig.model_validate({**stage.model_dump(), **changes})


def _timed(stage: StageConfig, minutes: float) -> StageConfig:
    """Return the stage with a time in the place of a number of steps."""
    return _checked(stage, steps=None, minutes=minutes)


def _shared(batch: int, processes: int) -> int:
    """Return the smallest multiple of the processes that is no smaller than the batch."""
    return -(-batch // processes) * processes


def _context_pixels(data: Survey) -> int:
    """Return the context's limit: a little higher where the camera is just above it.

    At 1296x966 half the size is 0.313 MP, 1 % too many; the next scale would see half of that.
    """
    usual = NetworkConfig(2).context_pixels
    fits = [s for s in CONTEXT_SCALES if data.height * data.width * s * s <= _STRETCH * usual]
    pixels = data.height * data.width * fits[0] ** 2 if fits else 0
    return max(usual, math.ceil(pixels))


def _context_scale(data: Survey) -> float:
    """Return the scale at which the context will see the images."""
    config = NetworkConfig(2, context_pixels=_context_pixels(data))
    return patch_grid(data.height, data.width, config).scale

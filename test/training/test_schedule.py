"""The schedule that is made for own images."""

import numpy as np
import pytest

from pdn_ros.errors import InputError
from pdn_ros.network import NetworkConfig, patch_grid
from pdn_ros.network.network_config import CONTEXT_SCALES
from pdn_ros.training.schedule import make_schedule, probe
from pdn_ros.training.survey import Survey
from pdn_ros.training.training_config import DataConfig, TrainingConfig


def survey(width: int, height: int, images: int = 45) -> Survey:
    names = tuple(map(str, range(images)))
    return Survey("folder:x", names, names[:15], height, width, np.ones((2, 3)) / 3, ())


def schedule(
    data: Survey, minutes: float = 10, seconds: float = 0.3, processes: int = 1
) -> TrainingConfig:
    trial = TrainingConfig(
        name="x",
        stages=(probe(data, processes),),
        validation=(DataConfig(spec=data.spec, split="val"),),
    )
    return make_schedule(
        data,
        trial,
        minutes=minutes,
        seconds_per_step=seconds,
        seconds_per_image=0.3,
        processes=processes,
    )


@pytest.mark.parametrize("minutes", [3.0, 10.0, 60.0, 600.0])
@pytest.mark.parametrize("size", [(320, 240), (1296, 966), (3840, 2160)])
def test_the_stages_share_the_time(size: tuple[int, int], minutes: float) -> None:
    config = schedule(survey(*size), minutes)
    assert sum(s.minutes or 0 for s in config.stages) == pytest.approx(minutes)
    objectives = [s.objective for s in config.stages]
    assert objectives[:3] == ["context", "dense", "patches"]
    # It can be read again as it was written.
    assert TrainingConfig.model_validate(config.model_dump(mode="json")) == config


def test_the_context_trains_at_the_scale_that_the_camera_will_have() -> None:
    for width, height in ((480, 360), (1296, 966), (1920, 1080), (3840, 2160)):
        config = schedule(survey(width, height))
        network = NetworkConfig(3, context_pixels=config.context_pixels or 0)
        scale = patch_grid(height, width, network).scale
        low, high = config.stages[0].data[0].scales
        assert low < scale < 1 < high
        assert dict(zip(CONTEXT_SCALES, config.stages[2].context_shares, strict=True))[scale] == 1


def test_a_camera_just_above_the_limit_keeps_the_larger_scale() -> None:
    usual = NetworkConfig(2).context_pixels
    assert schedule(survey(1296, 966)).context_pixels == 648 * 483 > usual
    assert schedule(survey(1920, 1080)).context_pixels == usual
    assert schedule(survey(640, 480)).context_pixels == usual


def test_a_step_is_shared_evenly_by_the_processes() -> None:
    config = schedule(survey(1296, 966), processes=3)
    assert all(stage.batch % 3 == 0 for stage in config.stages)


def test_validation_takes_less_where_there_is_less_time() -> None:
    data = survey(1296, 966)
    assert schedule(data, 60).validation_images == 24
    assert schedule(data, 2).validation_images < 10


def test_too_little_time_is_refused() -> None:
    with pytest.raises(InputError, match=r"--minutes: too few: 30 steps of 2.0 s .* give 1 more"):
        schedule(survey(1296, 966), minutes=1, seconds=2.0)

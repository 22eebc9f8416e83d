"""Stages that are given minutes: how many steps they take."""

from types import SimpleNamespace

import pytest

from pdn_ros.training import clock as module
from pdn_ros.training.clock import FIRST_GUESS, LEAST_STEPS, Clock
from pdn_ros.training.stage import Progress
from pdn_ros.training.training_config import StageConfig, TrainingConfig

ALONE = SimpleNamespace(broadcast=lambda value: value)


class Time:
    """A machine whose steps take what they are told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)

    def train(self, clock: Clock, progress: Progress, pace: float) -> None:
        """Take a stage's steps."""
        clock.begin(progress)
        while progress.step < progress.steps:
            self.now += pace
            progress.step += 1
            clock.note_step(progress, pace)


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def config(**of_stages: float | int) -> TrainingConfig:
    """Make a run whose stages have minutes (float) or steps (int)."""
    stages = [
        {
            "name": name,
            "objective": "context",
            "data": [{"spec": "folder:x"}],
            ("steps" if isinstance(value, int) else "minutes"): value,
        }
        for name, value in of_stages.items()
    ]
    return TrainingConfig(name="x", stages=tuple(map(StageConfig.model_validate, stages)))


def test_steps_fill_the_time(time: Time) -> None:
    progress = Progress()
    time.train(Clock(config(a=2.0), progress, ALONE), progress, 0.5)
    assert progress.step == 240
    assert progress.seconds == pytest.approx(120)


def test_a_slow_stage_takes_from_those_that_follow(time: Time) -> None:
    setting = config(a=1.0, copy=0, b=2.0, c=1.0)
    clock = Clock(setting, Progress(), ALONE)
    counts = []
    for stage, pace in enumerate((20.0, 1.0, 0.5, 0.5)):
        progress = Progress(stage=stage)
        time.train(clock, progress, pace)
        counts.append(progress.step)
    # Ten steps of 20 s leave 40 s of four minutes, two thirds of them for b.
    assert counts == [LEAST_STEPS, 0, 53, pytest.approx(26, abs=1)]
    assert time.now == pytest.approx(1000 + 240, abs=1)


def test_a_machine_that_becomes_slower_still_ends_in_time(time: Time) -> None:
    progress = Progress()
    clock = Clock(config(a=2.0), progress, ALONE)
    clock.begin(progress)
    while progress.step < progress.steps:
        pace = 0.5 if progress.step < 60 else 2.0
        time.now += pace
        progress.step += 1
        clock.note_step(progress, pace)
    assert progress.seconds == pytest.approx(120, abs=10)


def test_a_validation_is_part_of_the_stage(time: Time) -> None:
    progress = Progress()
    clock = Clock(config(a=2.0), progress, ALONE)
    clock.note_validation(30.0)
    time.train(clock, progress, 0.5)
    assert progress.seconds == pytest.approx(90)


def test_an_interruption_costs_no_time(time: Time) -> None:
    progress = Progress(step=100, steps=240, began=0.0, seconds=50.0)
    time.train(Clock(config(a=2.0), progress, ALONE), progress, 0.5)
    assert progress.step == 240


def test_numbers_of_steps_stay(time: Time) -> None:
    clock = Clock(config(a=7, b=3), Progress(), ALONE)
    progress = Progress()
    clock.begin(progress)
    assert progress.steps == 7
    progress.step = 5
    for _ in range(2):
        clock.note_step(progress, 2.0)
    assert clock.left(progress) == (2 + 3) * 2.0
    assert clock.share(progress) == 0.5


def test_before_a_step_was_timed_a_guess_stands(time: Time) -> None:
    progress = Progress()
    Clock(config(a=2.0), progress, ALONE).begin(progress)
    assert progress.steps == FIRST_GUESS


@pytest.mark.parametrize("stages", [{"a": 1.0, "b": 5}, {"a": 5, "b": 1.0}])
def test_minutes_and_steps_do_not_mix(stages: dict[str, float | int]) -> None:
    with pytest.raises(ValueError, match="all stages minutes or all of them steps"):
        config(**stages)

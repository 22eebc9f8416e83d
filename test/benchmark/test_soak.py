"""The soak: which missing masks count, and a short real run."""

import pytest

pytest.importorskip("rclpy", exc_type=ImportError)
pytest.importorskip("psutil")

from pdn_ros.benchmark.run import run
from pdn_ros.benchmark.settings import BenchmarkSettings
from pdn_ros.benchmark.soak import Report, missing

SECOND = 10**9


def at(*seconds: float) -> list[int]:
    return [round(second * SECOND) for second in seconds]


def reports(*seconds: float, well: bool = True) -> list[Report]:
    return [Report(moment, "", well) for moment in at(*seconds)]


EVERY = [0.5 * i for i in range(1, 20)]


def test_an_image_whose_mask_comes_in_time_is_not_missing() -> None:
    assert missing(at(1.0), at(2.9), reports(*EVERY)) == (0, 0)


def test_a_late_mask_is_missing_and_unsaid_where_all_was_called_well() -> None:
    assert missing(at(1.0, 4.0), at(3.1, 4.1), reports(*EVERY)) == (1, 1)


def test_a_mask_of_before_is_no_answer() -> None:
    assert missing(at(1.0), at(0.9), reports(*EVERY)) == (1, 1)


@pytest.mark.parametrize(("moment", "unsaid"), [(0.9, 1), (1.2, 0), (3.9, 0), (4.1, 1)])
def test_a_warning_counts_within_three_seconds(moment: float, unsaid: int) -> None:
    said = sorted(reports(*EVERY) + reports(moment, well=False), key=lambda report: report.at_ns)
    assert missing(at(1.0), [], said) == (1, unsaid)


def test_diagnostics_that_stay_away_say_it_too() -> None:
    assert missing(at(1.0), [], reports(0.9, 3.0, 3.5, 4.0)) == (1, 0)
    assert missing(at(1.0), [], reports(0.9, 2.5, 3.5, 4.0)) == (1, 1)
    assert missing(at(1.0), [], []) == (1, 0)


@pytest.mark.ros
def test_a_short_soak(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ROS_DOMAIN_ID", "ROS_AUTOMATIC_DISCOVERY_RANGE"):  # put back afterwards
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "")
    settings = BenchmarkSettings(suites=("soak",), soak_frames=40)
    rows = {row.name: row for row in run(settings, _Silent).rows}
    assert rows["soak_masks"].value >= 40
    assert rows["soak_faults"].value >= 1
    assert rows["soak_masks_missing_unsaid"].value == 0
    assert rows["soak_recovery"].p50_ms > 0


class _Silent:
    def __init__(self, name: str) -> None:
        assert name == "soak"

    def __enter__(self):
        return lambda done, total: None

    def __exit__(self, *_: object) -> None:
        return None

"""Summaries and what differs between them, against figures computed by hand."""

import json
from pathlib import Path

import pytest

from pdn_ros.errors import InputError
from pdn_ros.replay.compare import Earlier, compare
from pdn_ros.replay.overview import write_overview
from pdn_ros.replay.summary import FIGURES, BagRow, Summary, figures_of

MACHINE = {"processor": "x"}


def summary(figures: dict[str, dict[str, float]], **options: object) -> Summary:
    """Return a summary of bags; one without figures has failed."""
    rows = [
        BagRow(name, name, f"/bags/{name}", 5, found, error="" if found else "is <damaged>")
        for name, found in figures.items()
    ]
    return Summary.of(rows, {"live": False, "mode": "patch", **options}, 1, MACHINE)


def earlier(figures: dict[str, dict[str, float]], **changed: object) -> Earlier:
    bags = [{"name": name, "figures": found} for name, found in figures.items()]
    values = {"settings": {"live": False, "mode": "dense"}, "jobs": 1, "machine": MACHINE}
    return Earlier(source=Path("then"), bags=bags, **{**values, **changed})


def test_means_and_worst_follow_what_is_better() -> None:
    found = summary({
        "a": {"miou": 0.5, "latency_ms.p95": 10.0},
        "b": {"miou": 0.7, "latency_ms.p95": 30.0},
        "c": {"miou": 0.6},
        "d": {},
    }).figures  # fmt: skip
    assert (found["miou"].mean, found["miou"].worst_bag, found["miou"].bags) == (0.6, "a", 3)
    assert (found["latency_ms.p95"].mean, found["latency_ms.p95"].worst) == (20.0, 30.0)
    assert "thin_miou" not in found


def test_figures_are_picked_where_known() -> None:
    metrics = {"miou": None, "failed": 0, "grid": {"fused": {"false_free": 0.25}}, "boxes": {}}
    assert figures_of(metrics) == {"failed": 0.0, "grid.fused.false_free": 0.25}


@pytest.mark.parametrize(
    ("key", "then", "now", "worse"),
    [
        ("miou", 0.600, 0.594, True),
        ("miou", 0.600, 0.596, False),  # within the tolerance
        ("miou", 0.600, 0.700, False),
        ("grid.fused.false_free", 0.001, 0.003, True),
        ("grid.fused.false_free", 0.003, 0.001, False),
        ("failed", 0.0, 1.0, True),
        ("latency_ms.p50", 50.0, 54.0, False),
        ("latency_ms.p50", 50.0, 56.0, True),
        ("rate_hz", 20.0, 17.0, True),
    ],
)
def test_a_figure_beyond_its_tolerance_is_a_regression(
    key: str, then: float, now: float, worse: bool
) -> None:
    found = compare(summary({"a": {key: now}}), earlier({"a": {key: then}}))
    assert found.figures[key].mean == pytest.approx(now - then)
    assert found.figures[key].regression is worse
    assert bool(found.regressions) is worse
    assert found.worse == ({"a": [key]} if worse else {})
    assert found.settings == {"mode": ["dense", "patch"]}


@pytest.mark.parametrize("changed", [{"machine": {}}, {"jobs": 2}, {"settings": {"live": True}}])
def test_times_of_another_machine_or_load_are_not_judged(changed: dict[str, object]) -> None:
    times = summary({"a": {"latency_ms.p50": 90.0, "miou": 0.4}})
    found = compare(times, earlier({"a": {"latency_ms.p50": 50.0, "miou": 0.5}}, **changed))
    assert not found.figures["latency_ms.p50"].judged
    assert [line.split(":")[0] for line in found.regressions] == ["mIoU"]


def test_from_six_bags_on_chance_is_no_regression() -> None:
    """One bag of six falls by far: the mean is worse, but the interval reaches zero."""
    then = {str(i): {"miou": 0.6} for i in range(6)}
    now = then | {"3": {"miou": 0.4}}
    found = compare(summary(now), earlier(then)).figures["miou"]
    assert found.mean == pytest.approx(-0.2 / 6)
    # It is drawn into a set n times, n binomial of 6 and 1/6: not at all in 33 % of sets, four
    # times or more in 0.9 %, three times or more in 6 %.
    assert (found.low, found.high) == (pytest.approx(-0.1), 0.0)
    assert (found.worst_bag, found.worst) == ("3", pytest.approx(-0.2))
    assert not found.regression
    every = {name: {"miou": 0.58} for name in then}
    assert compare(summary(every), earlier(then)).figures["miou"].regression


def test_a_bag_that_fails_now_is_a_regression_and_others_are_left_out() -> None:
    then = earlier({"a": {"miou": 0.5}, "b": {"miou": 0.5}, "old": {"miou": 0.9}})
    found = compare(summary({"a": {"miou": 0.5}, "b": {}, "new": {"miou": 0.1}}), then)
    assert found.regressions == ["b: fails now: is <damaged>"]
    assert found.unmatched == ["new", "old"]
    assert found.figures["miou"].bags == 1


def test_a_single_earlier_evaluation_is_matched_by_its_folder(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "metrics.json").write_text(json.dumps({"frames": 5, "miou": 0.5}))
    then = Earlier.read(tmp_path / "b")
    found = compare(summary({"a": {"miou": 0.7}, "b": {"miou": 0.6}}), then)
    assert found.figures["miou"].mean == pytest.approx(0.1)
    alone = compare(summary({"c": {"miou": 0.7}}), then)  # a pair needs no name
    assert alone.figures["miou"].mean == pytest.approx(0.2)
    with pytest.raises(InputError, match="has none of these bags"):
        compare(summary({"a": {"miou": 0.7}, "c": {"miou": 0.6}}), then)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "no result"), ("[]", "no figures"), ('{"bags": 1}', "no result"), ("{}", "no figures")],
)
def test_what_is_no_result_is_refused(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text(text)
    with pytest.raises(InputError, match=says):
        Earlier.read(tmp_path)


def test_the_page_stands_alone_marks_and_escapes(tmp_path: Path) -> None:
    known = {figure.key: 0.5 for figure in FIGURES}
    now = summary({"a b": known | {"miou": 0.4}, "bad": {}}, weights="<w>")
    found = compare(now, earlier({"a b": known, "bad": known}))
    path = tmp_path / "summary.html"
    write_overview(path, Summary(now.settings, 1, MACHINE, now.bags, now.figures, found))
    text = path.read_text(encoding="utf-8")
    assert 'href="a%20b/report.html"' in text
    assert '<td class="number warn">40.0 %<small>-10.0</small></td>' in text
    assert text.count("is &lt;damaged&gt;") == 3
    assert "&lt;w&gt;" in text and "<w>" not in text
    assert "src=" not in text and "http:" not in text and "https:" not in text
    for figure in FIGURES:
        assert figure.label in text

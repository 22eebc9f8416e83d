"""A summary against an earlier one: differences, how sure they are, and what became worse."""

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ValidationError
from typing_extensions import Self

from pdn_ros.errors import InputError
from pdn_ros.metrics.bootstrap import difference
from pdn_ros.replay.results import NAN
from pdn_ros.replay.summary import (
    ENOUGH,
    FIGURES,
    Comparison,
    Difference,
    Figure,
    Summary,
    figures_of,
)


class _Row(BaseModel):
    name: str
    figures: dict[str, float] = {}
    error: str = ""


class Earlier(BaseModel):
    """What an earlier evaluation left; of a single one only the figures are known."""

    source: Path
    bags: list[_Row]
    settings: dict[str, Any] = {}
    jobs: int = 0
    machine: dict[str, str] = {}

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a summary.json or metrics.json, or one in a folder.

        Raises:
            InputError: There is none.
        """
        places = [path / "summary.json", path / "metrics.json"] if path.is_dir() else [path]
        file = next((place for place in places if place.is_file()), None)
        if file is None:
            raise InputError(f"{path}: holds no summary.json or metrics.json: name what to compare")
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
            if "bags" not in content:
                row = {"name": file.resolve().parent.name, "figures": figures_of(content)}
                content = {"bags": [row]}
            earlier = cls.model_validate({**content, "source": path})
        except (OSError, ValueError, TypeError) as error:  # pydantic's and json's are ValueErrors
            reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
            raise InputError(f"{file}: is no result of pdn evaluate ({reason})") from error
        if not any(row.figures for row in earlier.bags):
            raise InputError(f"{file}: holds no figures: name another result of pdn evaluate")
        return earlier

    def matched(self, names: Sequence[str]) -> dict[str, _Row]:
        """Return the earlier rows of bags that are in both, by the present names.

        Raises:
            InputError: There are none.
        """
        rows = {row.name: row for row in self.bags}
        if len(names) == len(rows) == 1:  # whatever their names
            return dict(zip(names, self.bags, strict=True))
        found = {name: rows[name] for name in names if name in rows}
        if not found:
            raise InputError(
                f"{self.source}: has none of these bags (but {', '.join(sorted(rows)[:5])}): "
                "compare evaluations of the same bags"
            )
        return found


def compare(summary: Summary, earlier: Earlier) -> Comparison:
    """Compare a summary with an earlier one, bag by bag as their names say.

    Raises:
        InputError: They have no bag in common.
    """
    now = {row.name: row for row in summary.bags}
    then = earlier.matched(list(now))
    fields = ("live", "rate")
    way = [[source.get(name) for name in fields] for source in (summary.settings, earlier.settings)]
    same = (summary.machine, summary.jobs, way[0]) == (earlier.machine, earlier.jobs, way[1])
    result = Comparison(
        str(earlier.source),
        _differing(earlier.settings, summary.settings),
        same_machine=same and bool(summary.machine),
        unmatched=sorted(set(now) - set(then))
        + sorted({row.name for row in earlier.bags} - {row.name for row in then.values()}),
    )
    for name in then:
        if now[name].error and not then[name].error:
            result.regressions.append(f"{name}: fails now: {now[name].error}")
    for figure in FIGURES:
        pairs = {
            name: (now[name].figures[figure.key], then[name].figures[figure.key])
            for name in then
            if figure.key in now[name].figures and figure.key in then[name].figures
        }
        if pairs:
            _add(result, figure, pairs)
    return result


def _add(result: Comparison, figure: Figure, pairs: Mapping[str, tuple[float, float]]) -> None:
    """Add the differences of one figure, given as (now, then) of each bag."""
    judged = result.same_machine or not figure.timed
    for name, (now, then) in pairs.items():
        result.bags.setdefault(name, {})[figure.key] = now - then
        if judged and _is_worse(figure, now, then):
            result.worse.setdefault(name, []).append(figure.key)
    ours, theirs = np.array(list(pairs.values())).T
    change = ours - theirs
    low = high = NAN
    if len(pairs) >= ENOUGH:
        interval = difference(lambda sums: sums / len(pairs), [ours], [theirs])
        low, high = interval.low, interval.high
    sure = math.isnan(low) or (high < 0 if figure.better > 0 else low > 0)
    regression = judged and sure and _is_worse(figure, ours.mean(), theirs.mean())
    at = int(np.argmin(figure.better * change))
    result.figures[figure.key] = Difference(
        len(pairs), float(change.mean()), low, high, float(change[at]), list(pairs)[at],
        judged, bool(regression),
    )  # fmt: skip
    if regression:
        means = f"{figure.text(theirs.mean())} to {figure.text(ours.mean())}"
        result.regressions.append(f"{figure.label}: from {means} over {len(pairs)} bags")


def _is_worse(figure: Figure, now: float, then: float) -> bool:
    limit = figure.tolerance * (abs(then) if figure.timed else 1)
    return figure.better * (then - now) > limit


def _differing(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the options that both know and that differ."""
    return {
        name: [then[name], now[name]] for name in now if name in then and then[name] != now[name]
    }

"""Tables and plots of docs/ablations.md, from results/*.json alone."""

import math
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from ablation_runs import SHARES, VARIANTS
from evidence import DOCS, SETS, read, replace_block, table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pdn_ros.files import atomic

DOCUMENT: Final = DOCS / "ablations.md"
IMAGES: Final = DOCS / "images"
FIGURES: Final = {"miou": "mIoU", "thin_miou": "thin mIoU", "boundary_iou": "boundary IoU"}
STYLES: Final = {
    "oracle": ("black", ":", "oracle (gain, from the labels)"),
    "driver": ("tab:red", "-", "driver (ours)"),
    "entropy": ("tab:blue", "--", "coarse entropy"),
    "horizon": ("tab:olive", "--", "horizon band"),
    "random": ("0.6", "--", "random"),
    "equal_cost": ("tab:green", "-.", "dense network, one pass of equal GMAC"),
}
"""Color, line and name of each row of the curves."""


def report() -> None:
    """Write the tables between their markers and draw the plots, for what has been measured."""
    mpl.rcParams.update({"axes.spines.top": False, "axes.spines.right": False, "font.size": 9})
    if curves := read("curves"):
        replace_block(DOCUMENT, "selectors", _selectors(curves))
        _draw_selectors(curves, IMAGES / "ablation-selectors.png")
        _draw_cost(curves, IMAGES / "ablation-cost.png")
    if thresholds := read("thresholds"):
        replace_block(DOCUMENT, "thresholds", _thresholds(thresholds))
        _draw_thresholds(thresholds, IMAGES / "ablation-thresholds.png")
    if runs := read("ablations"):
        replace_block(DOCUMENT, "runs", _runs(runs))


def _sets(record: dict[str, Any]) -> list[str]:
    return [name for name in SETS if name in record]


def _selectors(record: dict[str, Any]) -> str:
    """One table a set: mIoU / thin mIoU of each selector at each share."""
    blocks = []
    for name in _sets(record):
        found = record[name]
        shares, ends, curves = found["shares"], found["ends"], found["curves"]
        title = f"**{SETS[name].title}**, {found['images']} images"
        reach = ", ".join(f"{key} {_pair(ends[key])}" for key in ("context", "dense"))
        header = ["mIoU / thin mIoU", *(f"{share:.0%}" for share in shares)]
        rows = [
            [label, *(_pair(curves[key], i) for i in range(len(shares)))]
            for key, (_, _, label) in STYLES.items()
        ]
        pairs = zip(found["gmac"]["patch"], found["gmac"]["dense"], strict=True)
        rows.append(["GMAC of dense", *(f"{ours / dense:.0%}" for ours, dense in pairs)])
        blocks.append(f"{title}; {reach}:\n\n{table(header, rows)}")
    return "\n\n".join(blocks)


def _pair(figures: dict[str, Any], index: int | None = None) -> str:
    values = (figures[key] if index is None else figures[key][index] for key in list(FIGURES)[:2])
    return " / ".join("-" if math.isnan(value) else f"{value:.1f}" for value in values)


def _panels(record: dict[str, Any], size: tuple[float, float]) -> tuple[Figure, list[list[Axes]]]:
    """Open a figure with a row for each set and a column for each of `FIGURES`."""
    names = _sets(record)
    figure = Figure(figsize=(size[0], size[1] * len(names) + 0.6), layout="constrained")
    axes = figure.subplots(len(names), len(FIGURES), squeeze=False)
    for row, name in zip(axes, names, strict=True):
        row[0].set_ylabel(SETS[name].title)
        for axis, (key, title) in zip(row, FIGURES.items(), strict=True):
            axis.set_title(f"{title}, %", fontsize=9)
            axis.grid(alpha=0.3)
            axis.set_gid(key)
    return figure, axes.tolist()


def _finish(figure: Figure, axes: list[list[Axes]], label: str, path: Path) -> None:
    for axis in axes[-1]:
        axis.set_xlabel(label)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    with atomic(path) as part:
        figure.savefig(part, dpi=110, format="png")


def _draw_selectors(record: dict[str, Any], path: Path) -> None:
    figure, axes = _panels(record, (10, 2.5))
    for row, name in zip(axes, _sets(record), strict=True):
        found = record[name]
        shares = [100 * share for share in found["shares"]]
        for axis, key in zip(row, FIGURES, strict=True):
            for selector, (color, line, label) in STYLES.items():
                if selector != "equal_cost":
                    axis.plot(shares, found["curves"][selector][key], line, color=color,
                              label=label, marker=".", lw=1.3)  # fmt: skip
            axis.axhline(found["ends"]["dense"][key], color="tab:green", lw=1, label="dense")
            axis.axhline(found["ends"]["context"][key], color="tab:brown", lw=1, label="context")
            axis.axvline(25, color="0.9", lw=5, zorder=0)
    _finish(figure, axes, "patches refined, %", path)


def _draw_cost(record: dict[str, Any], path: Path) -> None:
    figure, axes = _panels(record, (10, 2.3))
    for row, name in zip(axes, _sets(record), strict=True):
        found = record[name]
        pairs = zip(found["gmac"]["patch"], found["gmac"]["dense"], strict=True)
        cost = [100 * ours / dense for ours, dense in pairs]
        for axis, key in zip(row, FIGURES, strict=True):
            for selector in ("oracle", "driver", "equal_cost"):
                color, line, label = STYLES[selector]
                points = [p for p in zip(cost, found["curves"][selector][key], strict=True)
                          if p[0] <= 100 or selector != "equal_cost"]  # fmt: skip
                axis.plot(*zip(*points, strict=True), line, color=color, label=label, marker=".")
            axis.plot([100], [found["ends"]["dense"][key]], "s", color="tab:green", label="dense")
            axis.set_xlim(0, 150)
    _finish(figure, axes, "GMAC, % of dense", path)


def _thresholds(record: dict[str, Any]) -> str:
    """One table a set: share of the patches, accuracy, and the fixed budget of the same mean."""
    blocks = []
    for name in _sets(record):
        rows = []
        for title, found in record[name].items():
            adaptive, fixed = found["threshold"], found["fixed"]
            for i, threshold in enumerate(adaptive["thresholds"]):
                share = adaptive["share"][i]
                same = {key: interpolate(share, fixed["share"], fixed[key]) for key in FIGURES}
                rows.append([title, f"{threshold:g}", f"{share:.1%}", _pair(adaptive, i),
                             _pair(same)])  # fmt: skip
        header = ["weights", "threshold", "mean share", "mIoU / thin mIoU",
                  "fixed K of the same mean"]  # fmt: skip
        blocks.append(f"**{SETS[name].title}**\n\n{table(header, rows)}")
    return "\n\n".join(blocks)


def interpolate(x: float, known: list[float], values: list[float]) -> float:
    """Interpolate linearly; nan outside what is known."""
    for i in range(len(known) - 1):
        if known[i] <= x <= known[i + 1]:
            t = (x - known[i]) / (known[i + 1] - known[i])
            return (1 - t) * values[i] + t * values[i + 1]
    return float("nan")


def _draw_thresholds(record: dict[str, Any], path: Path) -> None:
    figure, axes = _panels(record, (10, 2.3))
    for row, name in zip(axes, _sets(record), strict=True):
        for number, (title, found) in enumerate(record[name].items()):
            for axis, key in zip(row, FIGURES, strict=True):
                for kind, line in (("threshold", "-"), ("fixed", ":")):
                    shares = [100 * share for share in found[kind]["share"]]
                    axis.plot(shares, found[kind][key], line, color=f"C{number}", marker=".",
                              label=f"{title}, {kind}")  # fmt: skip
    _finish(figure, axes, "mean share of the patches refined, %", path)


def _runs(record: dict[str, Any]) -> str:
    """One table: each variant's figures on each set, at each share."""
    names = [name for name in SETS if any(name in found for found in record.values())]
    header = ["run", "K", "GMAC of dense", *(SETS[name].title for name in names), "wasted"]
    rows = []
    for variant in (name for name in VARIANTS if name in record):
        found = record[variant]
        for share in (f"{share:.2f}" for share in SHARES):
            at = {name: found[name][share] for name in names if name in found}
            cost, waste = (max(one[key] for one in at.values())
                           for key in ("gmac_share", "wasted_share"))  # fmt: skip
            title = f"{VARIANTS[variant].title} ({found['steps']} steps)"
            rows.append([
                title, f"{float(share):.0%}", f"{cost:.0%}",
                *(_pair(at[name]) if name in at else "" for name in names), f"{waste:.1%}",
            ])  # fmt: skip
    return table(header, rows)

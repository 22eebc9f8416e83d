"""The report's plots: matplotlib SVG whose colors follow the page's theme."""

import io
import math
import re
import zlib
from collections.abc import Sequence
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from pdn_ros.replay.results import FrameRow, Metrics

# Stand-ins that the page's CSS variables replace.
_THEME: Final = {
    "#010101": "var(--text)",
    "#020202": "var(--faint)",
    "#030303": "var(--line)",
    "#040404": "var(--accent)",
    "#050505": "var(--second)",
    "#060606": "var(--warn)",
}
_TEXT, _FAINT, _LINE, _ACCENT, _SECOND, _WARN = _THEME
_STYLE: Final[Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "pdn",
    "font.family": "sans-serif",
    "font.size": 10.5,
    "text.color": _TEXT,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _FAINT,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.grid.axis": "y",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "grid.color": _LINE,
    "grid.linewidth": 0.8,
    "xtick.color": _FAINT,
    "ytick.color": _FAINT,
    "ytick.left": False,
    "xtick.major.size": 3,
    "legend.frameon": False,
    "legend.fontsize": 10,
}


def draw(rows: Sequence[FrameRow], metrics: Metrics) -> list[tuple[str, str, str]]:
    """Draw the plots that the data allow: title, description and SVG of each."""
    if not rows:
        return []
    seconds = (np.array([row.stamp_ns for row in rows]) - rows[0].stamp_ns) / 1e9
    latency = np.array([row.latency_ms for row in rows])
    with mpl.rc_context(_STYLE):
        return [
            plot
            for plot in (
                _latency(seconds, latency, metrics),
                _distribution(latency, metrics),
                _rate(seconds, latency),
                _stages(metrics),
                _accuracy(seconds, np.array([row.miou for row in rows])),
            )
            if plot is not None
        ]


def _latency(
    seconds: np.ndarray, latency: np.ndarray, metrics: Metrics
) -> tuple[str, str, str] | None:
    if not np.isfinite(latency).any():
        return None
    figure, axes = _axes("drive time, s", "ms")
    _line(axes, seconds, latency)
    axes.axhline(metrics.latency_ms.p95, color=_SECOND, linewidth=1, linestyle=(0, (4, 3)))
    axes.text(
        1,
        metrics.latency_ms.p95,
        "p95",
        color=_SECOND,
        va="bottom",
        ha="right",
        transform=axes.get_yaxis_transform(),
    )
    if (lost := ~np.isfinite(latency)).any():
        axes.plot(seconds[lost], np.zeros(lost.sum()), "|", color=_WARN, label="no mask")
        axes.legend(loc="upper left", borderaxespad=0)
    axes.set_ylim(0, 1.25 * np.nanmax(latency))
    what = "publishing to receipt" if metrics.live else "pipeline"
    summary = f"median {metrics.latency_ms.p50:.1f} ms, p95 {metrics.latency_ms.p95:.1f} ms"
    return f"Latency, {what}", summary, _svg(figure)


def _distribution(latency: np.ndarray, metrics: Metrics) -> tuple[str, str, str] | None:
    known = latency[np.isfinite(latency)]
    if known.size < 3:
        return None
    figure, axes = _axes("latency, ms", "frames")
    axes.hist(known, bins=min(40, max(8, known.size // 4)), color=_ACCENT, rwidth=0.9)
    for name, value in (("p50", metrics.latency_ms.p50), ("p95", metrics.latency_ms.p95)):
        axes.axvline(value, color=_SECOND, linewidth=1, linestyle=(0, (4, 3)))
        axes.text(
            value,
            1.01,
            name,
            color=_SECOND,
            ha="center",
            va="bottom",
            transform=axes.get_xaxis_transform(),
        )
    return "Latency distribution", f"{known.size} masks", _svg(figure)


def _rate(seconds: np.ndarray, latency: np.ndarray) -> tuple[str, str, str] | None:
    """Images offered and masks that came of them, for every second of the drive."""
    if seconds[-1] < 2:
        return None
    edges = np.arange(0, math.floor(seconds[-1]) + 1)
    offered = np.histogram(seconds, edges)[0]
    came = np.histogram(seconds[np.isfinite(latency)], edges)[0]
    figure, axes = _axes("drive time, s", "1/s")
    axes.stairs(offered, edges, color=_SECOND, linewidth=1.4, label="images")
    axes.stairs(came, edges, color=_ACCENT, fill=True, alpha=0.35)
    axes.stairs(came, edges, color=_ACCENT, linewidth=1.4, label="masks")
    axes.set_ylim(0, 1.35 * max(1, offered.max()))
    axes.legend(loc="upper right", ncols=2)
    return "Rate", f"{came.sum()} masks of {offered.sum()} images", _svg(figure)


def _stages(metrics: Metrics) -> tuple[str, str, str] | None:
    stages = {k: v for k, v in metrics.stages_ms.items() if v > 0}
    if not stages:
        return None
    figure, axes = _axes("median, ms", "")
    axes.grid(visible=False)
    bars = axes.barh(list(stages), list(stages.values()), color=_ACCENT, height=0.6)
    axes.bar_label(bars, fmt="%.1f", padding=4, color=_TEXT)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    return "Where the time goes", f"{sum(stages.values()):.1f} ms in all", _svg(figure)


def _line(axes: Axes, seconds: np.ndarray, values: np.ndarray) -> None:
    """Draw what is known; a live run drops most images, which would leave single points unseen."""
    known = np.isfinite(values)
    axes.plot(seconds[known], values[known], ".-", color=_ACCENT, linewidth=1.4, markersize=3)


def _accuracy(seconds: np.ndarray, miou: np.ndarray) -> tuple[str, str, str] | None:
    if not np.isfinite(miou).any():
        return None
    figure, axes = _axes("drive time, s", "mIoU, %")
    _line(axes, seconds, 100 * miou)
    axes.set_ylim(0, 100)
    summary = f"from {100 * np.nanmin(miou):.1f} to {100 * np.nanmax(miou):.1f} %"
    return "mIoU of each frame", summary, _svg(figure)


def _axes(x: str, y: str) -> tuple[Figure, Any]:
    figure = Figure(figsize=(5.0, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.tick_params(axis="y", length=0)
    return figure, axes


def _svg(figure: Figure) -> str:
    """The figure as an SVG element for the page: no prologue, no fixed size, themed colors."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", text, count=1)
    # Two figures on one page must not share ids.
    salt = f"f{zlib.crc32(text.encode()):08x}"
    text = re.sub(r'id="([^"]+)"', rf'id="{salt}-\1"', text)
    text = re.sub(r'(href="#|url\(#)', rf"\g<1>{salt}-", text)
    for stand_in, variable in _THEME.items():
        text = text.replace(stand_in, variable)
    return text.replace("<svg", '<svg aria-hidden="true"', 1)

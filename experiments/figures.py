"""The figures of the documents that are drawn from the code or from a report.

python experiments/figures.py network                       docs/images/network.png
python experiments/figures.py architecture                  docs/images/architecture.svg
python experiments/figures.py overview REPORT.html FRAME    docs/images/overview.jpg

`architecture` draws the folders of the package in the layers that import-linter holds, with the
imports that are really there; an import that a longer way implies is left out.
"""

import argparse
import base64
import importlib.util
import json
import re
from collections.abc import Iterator
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final

import cv2
import grimp
import numpy as np
import tomllib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pdn_ros.files import atomic
from pdn_ros.network import NetworkConfig, patch_grid
from pdn_ros.network.backbone import PYRAMID_CHANNELS
from pdn_ros.network.segmentation import OUTPUT_STRIDE
from pdn_ros.network.selector import default_budget

ROOT: Final = Path(__file__).resolve().parents[1]
IMAGES: Final = ROOT / "docs" / "images"
HEIGHT, WIDTH = 1080, 1920
CONTEXT, DRIVER, PATCHES, PLAIN = "#cfe3f5", "#fbe0b8", "#d5ecd0", "#eeeeee"
LINE: Final = "#444444"


def box(axes: Axes, at: tuple[float, float], size: tuple[float, float], title: str, text: str,
        color: str) -> None:  # fmt: skip
    """Draw a part: a bold title, shapes below it; `at` is its center."""
    corner = at[0] - size[0] / 2, at[1] - size[1] / 2
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, fc=color, ec=LINE, lw=1))
    lines = text.count("\n") + 1 if text else 0
    axes.text(at[0], at[1] + 0.105 * lines, title, ha="center", va="center", weight="bold",
              fontsize=9.5)  # fmt: skip
    if text:
        axes.text(at[0], at[1] - 0.13, text, ha="center", va="center", fontsize=8.2)


def arrow(axes: Axes, *points: tuple[float, float], text: str = "",
          place: tuple[float, float] = (0, 0)) -> None:  # fmt: skip
    """Draw a line through points with a head at its end, and a text at a place."""
    for start, end in pairwise(points):
        style = "-|>" if end == points[-1] else "-"
        axes.annotate("", end, start, arrowprops={"arrowstyle": style, "color": LINE, "lw": 1.2,
                                                  "shrinkA": 0, "shrinkB": 0})  # fmt: skip
    if text:
        axes.text(*place, text, fontsize=7.8, ha="center", va="center", color="#333333")


def draw_parts(axes: Axes) -> None:
    """Draw all parts for an image of 1920x1080."""
    config = NetworkConfig(num_classes=12)
    grid = patch_grid(HEIGHT, WIDTH, config)
    small = grid.context_size
    maps = -(-small[0] // OUTPUT_STRIDE), -(-small[1] // OUTPUT_STRIDE)
    chosen, side = default_budget(grid.count), config.patch_size + 2 * config.halo
    cells, inner = side // OUTPUT_STRIDE, config.patch_size // OUTPUT_STRIDE
    whole = f"{grid.rows * inner} x {grid.cols * inner}"
    width = config.channels
    tokens = (side // 16 // config.mixing_pool) ** 2
    strides = " / ".join(str(2 ** (i + 2)) for i in range(len(PYRAMID_CHANNELS)))
    channels = " / ".join(map(str, PYRAMID_CHANNELS))

    box(axes, (1.15, 3.1), (1.9, 0.8), "Image", f"{HEIGHT} x {WIDTH} x 3", PLAIN)
    box(axes, (4.2, 5.0), (2.9, 1.35), "Global Context Network",
        f"image at scale {grid.scale:g}: {small[0]} x {small[1]}\nbackbone, strides {strides}\n"
        f"channels {channels}\npyramid decoder, width {width}", CONTEXT)  # fmt: skip
    box(axes, (8.05, 5.0), (2.2, 1.05), "Driver Module",
        f"pooled features, entropy,\nmargin, class shares\nweights w: {grid.rows} x {grid.cols}",
        DRIVER)  # fmt: skip
    box(axes, (10.95, 5.0), (2.2, 1.05), "Selector",
        f"(1 - b) w + b prior\ntop K or threshold\nN = {grid.count}, K = {chosen}",
        DRIVER)  # fmt: skip
    box(axes, (10.95, 6.3), (2.2, 0.6), "LiDAR prior", f"{grid.rows} x {grid.cols}", PLAIN)
    box(axes, (4.2, 1.0), (2.9, 0.8), "Crops",
        f"{chosen} x {side} x {side} x 3, halo {config.halo}", PLAIN)  # fmt: skip
    box(axes, (8.6, 1.0), (4.3, 1.75), "Patch Refinement Module",
        f"{config.patch_blocks} blocks of the backbone, own weights\n"
        "context sampled at the crops' place,\n"
        "added at strides 16 and 8\n"
        f"{config.mixing_layers} Patch-Mixing Layers: attention over K x {tokens} tokens\n"
        "upper half by weight: every layer", PATCHES)  # fmt: skip
    box(axes, (8.6, 3.1), (3.0, 0.95), "Composition",
        f"coarse + g (refined - coarse), feathered\nlogits {config.num_classes} x {whole}",
        PATCHES)  # fmt: skip
    box(axes, (12.3, 3.1), (1.9, 0.8), "Mask", f"{HEIGHT} x {WIDTH} uint8", PLAIN)

    arrow(axes, (1.15, 3.5), (1.15, 5.0), (2.75, 5.0), text="resize", place=(1.95, 5.15))
    arrow(axes, (1.15, 2.7), (1.15, 1.0), (2.75, 1.0))
    arrow(axes, (5.65, 5.0), (6.95, 5.0))
    arrow(axes, (9.15, 5.0), (9.85, 5.0))
    arrow(axes, (10.95, 6.0), (10.95, 5.525))
    arrow(axes, (5.65, 1.0), (6.45, 1.0))
    arrow(axes, (4.9, 4.325), (4.9, 3.1), (7.1, 3.1),
          text=f"coarse logits {config.num_classes} x {maps[0]} x {maps[1]}",
          place=(6.0, 3.27))  # fmt: skip
    arrow(axes, (4.2, 4.325), (4.2, 2.3), (7.2, 2.3), (7.2, 1.875),
          text=f"logits, features {width} x {maps[0]} x {maps[1]}",
          place=(5.7, 2.45))  # fmt: skip
    arrow(axes, (8.6, 1.875), (8.6, 2.625),
          text=f"logits {chosen} x {config.num_classes} x {cells} x {cells}\n"
          f"gate g {chosen} x 1 x {cells} x {cells}", place=(9.75, 2.25))  # fmt: skip
    arrow(axes, (10.1, 3.1), (11.35, 3.1), text="argmax", place=(10.7, 3.25))
    arrow(axes, (12.05, 5.0), (13.5, 5.0), (13.5, -0.25), (4.2, -0.25), (4.2, 0.6),
          text="ids of the K patches, best first", place=(11.9, -0.1))  # fmt: skip


def draw_network(out: Path) -> None:
    """Draw the network's parts with their shapes, read from the code, for 1920x1080."""
    figure = Figure(figsize=(13.6, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 13.7), ylim=(-0.45, 6.8))
    axes.axis("off")
    draw_parts(axes)
    with atomic(out) as part:
        figure.savefig(part, dpi=105, format="png")


def pictures(report: Path, frame: int) -> dict[str, np.ndarray]:
    """Return a frame's pictures by name: view-camera, view-mask, map-fused, ..."""
    page = report.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="frames">(.*?)</script>', page)
    assert found, f"{report}: no report of pdn evaluate"
    uris = json.loads(found[1])[frame]["pictures"]
    return {name: _decoded(uri.partition(",")[2]) for name, uri in uris.items()}


def _decoded(text: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(text), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR))


def draw_overview(out: Path, report: Path, frame: int) -> None:
    """Put four pictures of a report's frame together; `frame` counts those shown, from 0."""
    shown = pictures(report, frame)
    mask, grid = shown["view-mask"], shown["map-fused"]
    height, width = mask.shape[:2]
    tile = np.full_like(mask, grid[0, 0])
    size = height * grid.shape[1] // grid.shape[0]
    left = (width - size) // 2
    tile[:, left : left + size] = cv2.resize(grid, (size, height), interpolation=cv2.INTER_AREA)
    pairs = ((mask, shown["view-saliency"]), (shown["view-lidar"], tile))
    with atomic(out) as part:
        jpeg = cv2.imencode(".jpg", np.vstack([np.hstack(p) for p in pairs]))[1]
        part.write_bytes(jpeg.tobytes())


ROOM: Final = (150, 52)
"""Width and height of a folder's box in the drawing of the architecture, pixels."""
GAP: Final = (14, 46)


def draw_architecture(out: Path) -> None:
    """Draw layers and imports of the package as SVG."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contract = project["tool"]["importlinter"]["contracts"][0]
    rows = [[name.strip() for name in layer.split("|")] for layer in contract["layers"]]
    places = {
        name: (x, y * (ROOM[1] + GAP[1]) + 10)
        for y, row in enumerate(rows)
        for name, x in zip(row, _centered(len(row), max(map(len, rows))), strict=True)
    }
    width = 2 * GAP[0] + max(map(len, rows)) * (ROOM[0] + GAP[0])
    height = len(rows) * (ROOM[1] + GAP[1])
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="#888"/></marker></defs>',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for upper, lower in _imports(rows):
        (x0, y0), (x1, y1) = places[upper], places[lower]
        x0, x1 = x0 + ROOM[0] // 2, x1 + ROOM[0] // 2
        lines.append(
            f'<line x1="{x0}" y1="{y0 + ROOM[1]}" x2="{x1}" y2="{y1}" stroke="#888" '
            'marker-end="url(#head)"/>'
        )
    for name, (x, y) in places.items():
        lines += _room(name, x, y)
    with atomic(out) as part:
        part.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")


def _centered(count: int, most: int) -> Iterator[int]:
    step = ROOM[0] + GAP[0]
    return (GAP[0] + i * step + (most - count) * step // 2 for i in range(count))


def _imports(rows: list[list[str]]) -> list[tuple[str, str]]:
    """Imports of lower folders, without those that a longer way implies."""
    graph = grimp.build_graph("pdn_ros")
    row_of = {name: number for number, row in enumerate(rows) for name in row}
    names = list(row_of)
    for name in names:
        if graph.find_children(name):
            graph.squash_module(name)
    direct = {
        name: {
            other
            for other in graph.find_modules_directly_imported_by(name)
            if row_of.get(other, -1) > row_of[name]
        }
        for name in names
    }

    def reached(name: str) -> set[str]:
        return direct[name].union(*map(reached, direct[name]))

    return [
        (name, other)
        for name in names
        for other in sorted(direct[name])
        if not any(other in reached(between) for between in direct[name] - {other})
    ]


def _room(name: str, x: int, y: int) -> list[str]:
    """Box of a folder: its name, its size, and what its docstring says as the tool tip."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    origin = Path(spec.origin)
    files = sorted(origin.parent.rglob("*.py")) if origin.name == "__init__.py" else [origin]
    count = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)
    first = origin.read_text(encoding="utf-8").removeprefix('"""').splitlines()[0]
    says = escape(first.removesuffix('"""'))
    middle, short = x + ROOM[0] // 2, name.removeprefix("pdn_ros.")
    return [
        f'<g><title>{says}</title><rect x="{x}" y="{y}" width="{ROOM[0]}" height="{ROOM[1]}" '
        'rx="6" fill="#e8f0f8" stroke="#446"/>',
        f'<text x="{middle}" y="{y + 23}" font-size="15" text-anchor="middle">{short}</text>',
        f'<text x="{middle}" y="{y + 41}" font-size="11" fill="#555" text-anchor="middle">'
        f"{len(files)} files, {count} lines</text></g>",
    ]


def main() -> None:
    """Draw one of the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    figures = parser.add_subparsers(dest="figure", required=True)
    figures.add_parser("network")
    figures.add_parser("architecture")
    overview = figures.add_parser("overview")
    overview.add_argument("report", type=Path)
    overview.add_argument("frame", type=int)
    options = parser.parse_args()
    if options.figure == "network":
        draw_network(IMAGES / "network.png")
    elif options.figure == "architecture":
        draw_architecture(IMAGES / "architecture.svg")
    else:
        draw_overview(IMAGES / "overview.jpg", options.report, options.frame)


if __name__ == "__main__":
    main()

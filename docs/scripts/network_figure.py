"""Draw docs/images/network.png, the parts with their shapes: python docs/scripts/network_figure.py.

Shapes and the pyramid's channels are read from the code, for an image of 1920x1080.
"""

from itertools import pairwise
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from pdn_ros.files import atomic
from pdn_ros.network import NetworkConfig, patch_grid
from pdn_ros.network.backbone import PYRAMID_CHANNELS
from pdn_ros.network.segmentation import OUTPUT_STRIDE
from pdn_ros.network.selector import default_budget

OUT: Final = Path(__file__).resolve().parents[1] / "images" / "network.png"
HEIGHT, WIDTH = 1080, 1920
CONTEXT, DRIVER, PATCHES, PLAIN = "#cfe3f5", "#fbe0b8", "#d5ecd0", "#eeeeee"
LINE: Final = "#444444"


def box(axes: Axes, at: tuple[float, float], size: tuple[float, float], title: str, text: str,
        colour: str) -> None:  # fmt: skip
    """Draw a part: a bold title, shapes below it; `at` is its centre."""
    corner = at[0] - size[0] / 2, at[1] - size[1] / 2
    style = "round,pad=0,rounding_size=0.08"
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=style, fc=colour, ec=LINE, lw=1))
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


def draw(axes: Axes) -> None:
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


def main() -> None:
    """Draw the figure."""
    figure = Figure(figsize=(13.6, 7.0), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 13.7), ylim=(-0.45, 6.8))
    axes.axis("off")
    draw(axes)
    with atomic(OUT) as part:
        figure.savefig(part, dpi=105, format="png")


if __name__ == "__main__":
    main()

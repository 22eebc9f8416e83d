"""Everything in docs/model-card.md: figures of the shipped weights (README.md too) and failures.

python experiments/model_card.py validate [--sets NAME...]   pdn validate on every set, to results/
python experiments/model_card.py write                       the tables, from results/
python experiments/model_card.py failures [--frames 3]       docs/images/failures.jpg

failures.jpg shows the frames of the simulated drive where patch mode errs most; each row: the image
with the selected patches, the truth, patch mode's mask, and the errors (red: made in patch mode;
blue: made in context mode and mended).
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import cv2
import numpy as np
from evidence import (
    DOCS,
    ROOT,
    SETS,
    Images,
    Model,
    ensure_drive,
    read,
    replace_block,
    say,
    table,
    write,
)
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.files import atomic
from pdn_ros.machine import hardware
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.checkpoint import SHIPPED, read_checkpoint
from pdn_ros.visualization import colorize

CARD: Final = DOCS / "model-card.md"
SMALL: Final = "folder:../shared/data/camvid_480x360"
MODES: Final = {
    "context": "context",
    "patch": "**patch, K = 25 %**",
    "all_patches": "patch, K = N",
    "dense": "dense",
    "equal_cost": "dense, one pass at patch mode's cost",
    "best_single": "dense, best single pass at no more cost",
}


README_MODES: Final = ("context", "patch", "dense", "best_single")


def validate(names: list[str], weights: str) -> None:
    """Run `pdn validate` on the sets, and context mode alone on the small images."""
    runs = {name: (SETS[name].spec, SETS[name].split, ",".join(MODES)) for name in names}
    if names == list(SETS):
        runs["camvid_480x360"] = (SMALL, "val", "context")
    for name, (spec, split, modes) in runs.items():
        if name == "drive":
            ensure_drive()
        with TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pdn_ros.cli.app", "validate", spec]
            command += ["--split", split, "--mode", modes, "--out", folder]
            command += ["--weights", weights] if weights else []
            subprocess.run(command, check=True, cwd=ROOT)
            write(f"validate-{name}", json.loads((Path(folder) / "validate.json").read_text()))


def number(value: float | None, factor: float = 1.0, form: str = ".1f") -> str:
    """Format a figure; nothing where there is none."""
    return "" if value is None or math.isnan(value) else f"{factor * value:{form}}"


def figures(records: dict[str, dict[str, Any]], modes: Sequence[str] = tuple(MODES)) -> str:
    """Write the table of the modes."""
    header = ["set", "mode", "GMAC", "of dense", "mIoU", "mIoU, 11 classes", "thin mIoU",
              "boundary IoU", "small F1", "30-100 px"]  # fmt: skip
    rows = []
    for name, record in records.items():
        dense = record["modes"]["dense"]
        for mode in modes:
            found = record["modes"][mode]
            scores = ("miou", "miou_11", "thin_miou", "boundary_iou")
            small = found["small"]
            rows.append([
                SETS[name].title, MODES[mode], number(found["gmac"], form=".2f"),
                number(found["gmac"] / dense["gmac"], 100, ".0f") + " %",
                *(number(found[key], 100) for key in scores),
                number(small["f1"], 100), number(small["by_size"]["30-100"]["f1"], 100),
            ])  # fmt: skip
    return table(header, rows)


def requirements(records: dict[str, dict[str, Any]]) -> str:
    """Write patch mode against the other modes, and its choice of patches."""
    points = {"miou": "mIoU", "thin_miou": "thin mIoU", "small_f1": "small F1"}
    rows = []
    for other in ("best_single", "dense", "context"):
        for key, title in points.items():
            found = (r["differences"][f"patch-{other}"][key] for r in records.values())
            cells = [
                f"{number(f['value'], 100, '+.1f')} ({number(f['low'], 100, '+.1f')} to "
                f"{number(f['high'], 100, '+.1f')})"
                for f in found
            ]
            name = {"best_single": "best single pass"}
            rows.append([f"{title}, patch less {name.get(other, other)}", *cells])
    ratios = (
        r["modes"]["patch"]["small"]["f1"] / r["modes"]["best_single"]["small"]["f1"]
        for r in records.values()
    )
    rows.append(["small F1, patch over best single pass", *(f"{r:.2f}" for r in ratios)])
    patches = [record["modes"]["patch"] for record in records.values()]
    dense = [record["modes"]["dense"] for record in records.values()]
    cells = [f"{p['gmac'] / d['gmac']:.2f}" for p, d in zip(patches, dense, strict=True)]
    rows.append(["GMAC, patch over dense", *cells])
    for kind, title in (("_thin", "thin classes"), ("", "all classes")):
        cells = [
            " / ".join(
                number(p[f"mendable_recall{who}{kind}"], 100, ".0f")
                for who in ("", "_entropy", "_oracle")
            )
            for p in patches
        ]
        rows.append([f"mendable errors in the selected patches, {title}, %: "
                     "driver / coarse entropy / oracle", *cells])  # fmt: skip
    rows.append(["refined patches wholly on sky or plain road",
                 *(number(p["wasted_share"], 100) + " %" for p in patches)])  # fmt: skip
    rows.append(["label changes at patch borders over those beside them: masks / labels",
                 *(" / ".join(number(p[key], 1, ".2f") for key in ("seam_ratio",
                 "seam_ratio_labels")) for p in patches)])  # fmt: skip
    return table(["", *(SETS[name].title for name in records)], rows)


def classes(records: dict[str, dict[str, Any]]) -> str:
    """Write the IoU of each class, patch and dense mode."""
    names = next(iter(records.values()))["classes"]
    rows = [
        [
            name,
            *(
                " / ".join(
                    number(record["modes"][mode]["per_class_iou"][name], 100) or "-"
                    for mode in ("patch", "dense")
                )
                for record in records.values()
            ),
        ]
        for name in names
    ]
    return table(["IoU, patch / dense", *(SETS[name].title for name in records)], rows)


def about(records: dict[str, dict[str, Any]]) -> str:
    """Say what the weights are and what the figures were taken with."""
    state = read_checkpoint(SHIPPED).state
    parts = {
        part: sum(t.numel() for name, t in state.items() if name.startswith(f"{part}.")) / 1e6
        for part in ("context", "driver", "refinement", "dense")
    }
    shares = ", ".join(f"{name} {count:.2f}" for name, count in parts.items())
    record = next(iter(records.values()))
    images = ", ".join(f"{SETS[name].title} {found['images']}" for name, found in records.items())
    return (
        f"`{SHIPPED.relative_to(ROOT)}`: {SHIPPED.stat().st_size / 1e6:.1f} MB in half precision, "
        f"{sum(parts.values()):.1f} million parameters ({shares}).\n\n"
        f"Figures: images {images}; backend {record['backend']} on {hardware()['processor']}; "
        f"multiply-accumulates by `{record['gmac_counter']}`; one training, n = 1."
    )


def write_card() -> None:
    """Fill the card's blocks from the results."""
    records = {name: found for name in SETS if (found := read(f"validate-{name}"))}
    blocks = {"about": about, "figures": figures, "requirements": requirements, "classes": classes}
    for name, make in blocks.items():
        replace_block(CARD, name, make(records))
    replace_block(ROOT / "README.md", "figures", figures(records, README_MODES))
    small = read("validate-camvid_480x360")
    if small:
        score = number(small["modes"]["context"]["miou_11"], 100)
        text = f"By itself, at the images' own size, the context network reaches **{score}** mIoU"
        replace_block(CARD, "native", f"{text} on CamVid 480x360 val with 11 classes.")


FAILURES: Final = DOCS / "images" / "failures.jpg"
WIDTH: Final = 480
"""Of one picture."""
RED, BLUE = (40, 40, 230), (210, 140, 40)
Picture = NDArray[np.uint8]


def errors(model: Model, image: Picture, label: Picture) -> tuple[float, float, list[Picture]]:
    """Return the shares of wrong pixels, of thin classes and of all, and the row's pictures."""
    found = model.run(image)
    coarse = model.run(image, budget=0).mask
    valid = label != VOID
    wrong = (found.mask != label) & valid
    mended = (coarse != label) & valid & ~wrong
    framed = image.copy()
    for patch in found.selected.tolist():
        corner = np.array([patch % found.grid.cols, patch // found.grid.cols]) * found.grid.size
        end = (corner + found.grid.size - 3).tolist()
        cv2.rectangle(framed, corner.tolist(), end, (80, 220, 255), 3)
    shown = image // 3
    shown[mended], shown[wrong] = BLUE, RED
    masks = [colorize(ids, model.classes) for ids in (label, found.mask)]
    thin = np.isin(label, model.classes.thin)
    pictures = [np.asarray(p, np.uint8) for p in (framed, *masks, shown)]
    return wrong[thin].mean() if thin.any() else 0.0, wrong.mean(), pictures


def draw_failures(frames: int, limit: int, backend: str) -> None:
    """Pick the frames with the largest share of wrong pixels among the thin classes."""
    model = Model(PatchDriveNet.load(), backend)
    rows = []
    for sample in Images("drive", model.classes, limit):
        thin, every, pictures = errors(model, sample.image, sample.label)
        size = (WIDTH, WIDTH * sample.image.shape[0] // sample.image.shape[1])
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
        rows.append((thin, every, sample.name, np.hstack(small)))
    rows.sort(key=lambda row: -row[0])
    for thin, every, name, _ in rows[:frames]:
        say(f"{name}: {100 * thin:.1f} % of the thin classes' pixels wrong, {100 * every:.1f} %")
    FAILURES.parent.mkdir(exist_ok=True)
    with atomic(FAILURES) as part:
        quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        picture = np.vstack([row for *_, row in rows[:frames]])
        part.write_bytes(cv2.imencode(".jpg", picture, quality)[1].tobytes())


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("validate", "write", "failures"))
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--weights", default="", help="none: those that ship")
    parser.add_argument("--frames", type=int, default=3, help="of the failures")
    parser.add_argument("--limit", type=int, default=0, help="images for the failures; 0: all")
    parser.add_argument("--backend", default="auto", help="for the failures")
    options = parser.parse_args()
    if options.command == "failures":
        draw_failures(options.frames, options.limit, options.backend)
        return
    if options.command == "validate":
        validate(options.sets, options.weights)
    write_card()


if __name__ == "__main__":
    main()

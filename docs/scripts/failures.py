"""Draw docs/images/failures.jpg: the frames of the simulated drive where patch mode errs most.

python docs/scripts/failures.py [--frames 3]

Each row: the image with the selected patches, the truth, patch mode's mask, and the errors
(red: made in patch mode; blue: made in context mode and mended).
"""

import argparse
from typing import Final

import cv2
import numpy as np
from evidence import DOCS, Images, Model, say
from numpy.typing import NDArray

from pdn_ros.classes import VOID
from pdn_ros.files import atomic
from pdn_ros.network import PatchDriveNet
from pdn_ros.visualization import colorize

OUT: Final = DOCS / "images" / "failures.jpg"
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


def main() -> None:
    """Pick the frames with the largest share of wrong pixels among the thin classes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=3)
    parser.add_argument("--limit", type=int, default=0, help="images, evenly picked; 0: all")
    parser.add_argument("--backend", default="auto")
    options = parser.parse_args()
    model = Model(PatchDriveNet.load(), options.backend)
    rows = []
    for sample in Images("drive", model.classes, options.limit):
        thin, every, pictures = errors(model, sample.image, sample.label)
        size = (WIDTH, WIDTH * sample.image.shape[0] // sample.image.shape[1])
        small = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in pictures]
        rows.append((thin, every, sample.name, np.hstack(small)))
    rows.sort(key=lambda row: -row[0])
    for thin, every, name, _ in rows[: options.frames]:
        say(f"{name}: {100 * thin:.1f} % of the thin classes' pixels wrong, {100 * every:.1f} %")
    OUT.parent.mkdir(exist_ok=True)
    with atomic(OUT) as part:
        quality = [cv2.IMWRITE_JPEG_QUALITY, 85]
        picture = np.vstack([row for *_, row in rows[: options.frames]])
        part.write_bytes(cv2.imencode(".jpg", picture, quality)[1].tobytes())


if __name__ == "__main__":
    main()

"""What comes of single image files, written."""

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from pdn_ros import visualization
from pdn_ros.files import atomic
from pdn_ros.perception import Pipeline, Result


def write_result(
    path: Path, image: NDArray[np.uint8], result: Result, pipeline: Pipeline, out: Path
) -> None:
    """Write the mask, pictures and figures of the image file `path` into `out`.

    Raises:
        InputError: `out` cannot be written.
    """
    visualization.save_mask(out / f"{path.stem}.mask.png", result.mask, pipeline.classes)
    _write_jpeg(
        out / f"{path.stem}.overlay.jpg",
        visualization.overlay(image, result.mask, pipeline.classes),
    )
    _write_jpeg(
        out / f"{path.stem}.saliency.jpg",
        visualization.saliency(image, result.weights, result.selected, result.patch_size),
    )
    with atomic(out / f"{path.stem}.json") as part:
        part.write_text(json.dumps(_figures(path, result, pipeline), indent=2), encoding="utf-8")


def _write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    with atomic(path) as part:
        _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 92])
        part.write_bytes(data.tobytes())


def _figures(path: Path, result: Result, pipeline: Pipeline) -> dict[str, object]:
    rows, columns = result.weights.shape
    chosen = set(result.selected.tolist())
    names = pipeline.classes.names
    shares = np.bincount(result.mask.ravel(), minlength=256) / result.mask.size
    return {
        "image": path.name,
        "height": result.mask.shape[0],
        "width": result.mask.shape[1],
        "mode": result.mode,
        "backend": pipeline.backend,
        "patch_size": result.patch_size,
        "rows": rows,
        "columns": columns,
        "patches": [
            {
                "row": i // columns,
                "column": i % columns,
                "weight": round(float(result.weights.flat[i]), 4),
                "selected": i in chosen,
            }
            for i in range(rows * columns)
        ],
        "class_share": {n: round(float(s), 5) for n, s in zip(names, shares, strict=False)},
        "times_ms": {k: round(v, 3) for k, v in asdict(result.times).items()},
    }

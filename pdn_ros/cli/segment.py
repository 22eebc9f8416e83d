"""`pdn segment`: images in, masks and pictures out."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pdn_ros.cli.common import Backend, Budget, Config, Mode, Out, Precision, Weights, progress
from pdn_ros.cli.interrupt import held_back
from pdn_ros.errors import InputError
from pdn_ros.files import atomic, require_writable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from pdn_ros.network import Prediction
    from pdn_ros.perception import Pipeline


def segment(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files.")],
    *,
    out: Out,
    mode: Mode = "patch",
    budget: Budget = 0,
    backend: Backend = "auto",
    precision: Precision = "auto",
    weights: Weights = "",
    config: Config = None,
) -> None:
    """Segment images; each gives NAME.mask.png, .overlay.jpg, .saliency.jpg and .json.

    Example: pdn segment street.jpg --out result
    """
    del config
    repeated = len(images) - len({path.stem for path in images})
    if repeated:
        raise InputError(f"{repeated} images share a name with another one: rename them")
    if missing := [path for path in images if _missing(path)]:
        raise InputError(f"{missing[0]}: no such file ({len(missing)} of {len(images)} missing)")
    require_writable(out)

    with held_back():
        from pdn_ros.messages.compressed import read_image_file
        from pdn_ros.perception import Pipeline, PipelineConfig

    pipeline = Pipeline(
        PipelineConfig(
            weights=weights, backend=backend, precision=precision, mode=mode, budget=budget
        )
    )
    failures = 0
    with progress("segment") as report:
        for number, path in enumerate(images):
            try:
                if not path.is_file():  # a pipe would never end
                    raise InputError(f"{path}: is not a file")
                image = read_image_file(path, upright=True)
                write_result(path, image, pipeline.segment(image), pipeline, out)
            except Exception as error:  # noqa: BLE001 - one image must not end the others' work
                failures += 1
                line = " ".join(str(error).split()) or type(error).__name__
                named = line if str(path) in line else f"{path}: {line}"
                print(f"pdn: error: {named}", file=sys.stderr)
            report(number + 1, len(images))
    print(f"{len(images) - failures} of {len(images)} images segmented: {out}")
    if failures:
        raise typer.Exit(1)


def _missing(path: Path) -> bool:
    """Return whether no such file exists: then the command line is wrong, not an image."""
    try:
        path.stat()
    except FileNotFoundError:
        return True
    except OSError:  # any other error must not stop the images that can be read
        return False
    return False


def write_result(
    path: Path,
    image: "NDArray[np.uint8]",
    prediction: "Prediction",
    pipeline: "Pipeline",
    out: Path,
) -> None:
    """Write the mask, pictures and figures of the image file `path` into `out`.

    Raises:
        InputError: `out` cannot be written.
    """
    from pdn_ros import visualization
    from pdn_ros.messages.compressed import encode_jpeg

    classes, name = pipeline.classes, path.stem
    visualization.save_mask(out / f"{name}.mask.png", prediction.mask, classes)
    pictures = {
        "overlay": visualization.overlay(image, prediction.mask, classes),
        "saliency": visualization.saliency(
            image, prediction.weights, prediction.selected, prediction.patch_size
        ),
    }
    for kind, picture in pictures.items():
        with atomic(out / f"{name}.{kind}.jpg") as part:
            part.write_bytes(encode_jpeg(picture))
    with atomic(out / f"{name}.json") as part:
        text = json.dumps(_figures(path, prediction, pipeline), indent=2)
        part.write_text(text, encoding="utf-8")


def _figures(path: Path, prediction: "Prediction", pipeline: "Pipeline") -> dict[str, object]:
    import numpy as np

    rows, columns = prediction.weights.shape
    chosen = set(prediction.selected.tolist())
    names, mask = pipeline.classes.names, prediction.mask
    shares = np.bincount(mask.ravel(), minlength=256) / mask.size
    return {
        "image": path.name,
        "height": mask.shape[0],
        "width": mask.shape[1],
        "mode": prediction.mode,
        "backend": pipeline.backend,
        "precision": pipeline.precision,
        "patch_size": prediction.patch_size,
        "rows": rows,
        "columns": columns,
        "patches": [
            {
                "row": i // columns,
                "column": i % columns,
                "weight": round(float(prediction.weights.flat[i]), 4),
                "selected": i in chosen,
            }
            for i in range(rows * columns)
        ],
        "class_share": {n: round(float(s), 5) for n, s in zip(names, shares, strict=False)},
        "times_ms": {k: round(v, 3) for k, v in asdict(prediction.times).items()},
    }

"""`pdn labels export`: from a folder of labels to a labeling format."""

import shutil
from pathlib import Path

from pdn_ros.errors import InputError
from pdn_ros.files import atomic
from pdn_ros.labels.folder import FRAMES, LABELS, open_folder, require_new
from pdn_ros.labels.formats import find_format


def export_labels(
    kind: str, path: Path, out: Path, *, labels: str = LABELS, tolerance: float = 1.0
) -> int:
    """Write the labels of a folder in another format, with their images; return their number.

    Args:
        kind: The format, one of `FORMATS`.
        path: What `pdn labels import` or `pdn frames` has written.
        out: Folder to make.
        labels: Which labels: the name of the folder in `path`.
        tolerance: How far simplified outlines may be off, pixels, in formats of polygons.

    Raises:
        InputError: There are no labels, one of them is damaged, or `out` exists already.
    """
    require_new(out)
    write = find_format(kind).write
    data = open_folder(path, labels)
    number = len(data.labels.keys() & data.images.keys())
    if not number:
        raise InputError(f"{path / labels}: no label has an image of its name in {path / 'images'}")
    with atomic(out) as part:
        part.mkdir()
        write(data, part, tolerance)
        if (path / FRAMES).is_file():
            shutil.copyfile(path / FRAMES, part / FRAMES)
    return number

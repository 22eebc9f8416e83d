"""Finding the image of a label by its name."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from pdn_ros.datasets.folder import IMAGE_SUFFIXES
from pdn_ros.errors import InputError
from pdn_ros.labels.folder import DATASET

_IMAGE_END: Final = re.compile(r"(?i)[_-](images?|img|rgb|photo|frame|camera|leftimg8bit)$")
_LABEL_END: Final = re.compile(
    r"(?i)[_-](annotations?|masks?|labels?|gt|groundtruth|ground_truth|segmentation|seg|colou?rs?"
    r"|ids|labelids|l|gtfine|gtfine_polygons|gtfine_labelids|gtfine_color)$"
)
_UPLOAD: Final = re.compile(r"[0-9a-f]{8}-(?=.)")
"""What Label Studio puts before the name of an uploaded file."""
_IMAGE_FOLDERS: Final = ("images", "image", "imgs", "img", "jpegimages", "rgb", "leftimg8bit")
_LABEL_FOLDER: Final = re.compile(
    r"(?i)(annotations?|masks?|labels?|proposals|segmentation(class|object)?|gt|gtfine)([_-].*)?"
)


class Images:
    """The images below or beside the labels.

    Args:
        path: File or folder of the labels.
        folder: Where to look instead.
        labels: Files that are labels, not images.

    Raises:
        InputError: The folder does not exist.
    """

    def __init__(self, path: Path, folder: Path | None, labels: Collection[Path]) -> None:
        self._where = folder or path
        if folder is not None and not folder.is_dir():
            raise InputError(f"{folder}: no such folder: give the images' folder with --images")
        files = _below(folder) if folder is not None else _around(path)
        excluded = {file.absolute() for file in labels}
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for file in sorted({file.absolute() for file in files} - excluded):
            if file.suffix.lower() in IMAGE_SUFFIXES:
                for name in {file.stem, _IMAGE_END.sub("", file.stem)}:
                    self._by_name[name].append(file)

    def find(self, name: str, label: Path) -> Path:
        """Return the image file of a name as a label file has it.

        Raises:
            InputError: There is none, or there are several.
        """
        found = self._candidates(name)
        if not found:
            raise InputError(
                f"{label}: no image {name} below {self._where} or beside it; name the images'"
                " folder with --images"
            )
        parents = PurePosixPath(name.replace("\\", "/")).parent.parts
        best = min(_rank(file, parents) for file in found)
        found = [file for file in found if _rank(file, parents) == best]
        if len(found) > 1:
            raise InputError(
                f"{label}: several images fit, {found[0]} and {found[1]} among them; name the"
                " images' folder with --images"
            )
        return found[0]

    def _candidates(self, name: str) -> list[Path]:
        stem = _stem(name)
        short = _LABEL_END.sub("", _IMAGE_END.sub("", stem))
        for key in (stem, short, _UPLOAD.sub("", stem, count=1)):
            if key in self._by_name:
                return self._by_name[key]
        return []


def _stem(name: str) -> str:
    """Return a file's name without folders and image ending; other dots stay."""
    path = PurePosixPath(name.replace("\\", "/"))
    return path.stem if path.suffix.lower() in IMAGE_SUFFIXES else path.name


def _below(folder: Path, depth: int = 4) -> Iterator[Path]:
    """Yield the files of a folder and of those in it."""
    for path in folder.iterdir():
        if path.is_file():
            yield path
        elif depth > 1 and path.is_dir() and not _is_made(path):
            yield from _below(path, depth - 1)


def _around(path: Path) -> Iterator[Path]:
    """Yield the files below the labels' folder and, where they may be images, beside it."""
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    yield from _below(folder)
    for beside in folder.parent.iterdir():
        if beside == folder or not beside.is_dir() or _is_made(beside):
            continue
        if not _LABEL_FOLDER.fullmatch(beside.name):
            yield from _below(beside, 4 if beside.name.lower() in _IMAGE_FOLDERS else 1)


def _is_made(folder: Path) -> bool:
    """Tell whether a folder is a data set that an import has made, or hidden."""
    return folder.name.startswith(".") or (folder / DATASET).is_file()


def _rank(file: Path, parents: tuple[str, ...]) -> tuple[int, bool, bool]:
    """Order images of one name: folders as the label says, folders of images, no label folders."""
    folders = file.parent.parts
    shared = 0
    for ours, theirs in zip(reversed(folders), reversed(parents), strict=False):
        if ours != theirs:
            break
        shared += 1
    lower = [folder.lower() for folder in folders[-3:]]
    return (
        -shared,
        not any(folder in _IMAGE_FOLDERS for folder in lower),
        bool(_LABEL_FOLDER.fullmatch(file.parent.name)),
    )

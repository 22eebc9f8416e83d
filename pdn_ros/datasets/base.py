"""The interface of every data set, and code that the layouts share."""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.errors import InputError
from pdn_ros.messages.cdr import MAX_PIXELS
from pdn_ros.messages.compressed import read_image_file

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sample:
    """One labeled image.

    Attributes:
        name: Name within the data set.
        image: (H, W, 3) uint8 BGR.
        label: (h, w) uint8 class ids, 255 void. Its size may differ from the image's; both
            cover the same field of view.
    """

    name: str
    image: NDArray[np.uint8]
    label: NDArray[np.uint8]


class LabelledImages(Protocol):
    """Labeled images in the ids of one class set, with random access from any process."""

    @property
    def name(self) -> str:
        """Where the images come from, for tables and messages."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in id order."""

    @property
    def hidden(self) -> Mapping[str, str]:
        """Classes without a label of their own here, and the class they are labeled as."""

    def __len__(self) -> int: ...

    def sample(self, index: int) -> Sample:
        """Return one sample. Raises InputError, naming the file, when it is damaged."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The two files of a sample."""

    name: str
    image: Path
    label: Path


@dataclass(frozen=True)
class ImageFiles:
    """A data set of image and label files; `read_label` turns a label file into class ids."""

    name: str
    classes: tuple[str, ...]
    pairs: tuple[Pair, ...]
    read_label: Callable[[Path], NDArray[np.uint8]]
    hidden: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int) -> Sample:
        """Read one image and its label."""
        pair = self.pairs[index]
        return Sample(pair.name, read_image_file(pair.image), self.read_label(pair.label))


class IdTable:
    """Reads label files and translates a data set's ids into those of a class set.

    Args:
        source: Name of the data set, for the warning.
        names: Class name of each id in the files; ids whose class is not in the class set are void.
        classes: The class set.
        void: The data set's ids, besides 255, that have no class here.

    Raises:
        InputError: None of the names is in the class set.
    """

    def __init__(
        self,
        source: str,
        names: Mapping[int, str],
        classes: ClassSet,
        void: Iterable[int] = (),
    ):
        ids = {name: i for i, name in enumerate(classes.names)}
        if not ids.keys() & set(names.values()):
            raise InputError(
                f"{source}: shares no class with class set {classes.name}; give a class file"
                " with its names"
            )
        self.source = source
        self.table = np.full(256, VOID, dtype=np.uint8)
        self.known = np.zeros(256, dtype=bool)
        self.known[[VOID, *void]] = True
        for i, name in names.items():
            self.table[i] = ids.get(name, VOID)
            self.known[i] = True
        left_out = sorted(set(names.values()) - ids.keys())
        if left_out:
            log.warning("%s: not in class set %s, void: %s", source, classes.name, left_out)

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a label file; ids that the data set does not have are void, with one warning."""
        raw = read_ids(path)
        if not self.known[raw].all():
            unknown = np.unique(raw[~self.known[raw]])
            # Once per id: a set labeled by another scheme would flood the log.
            self.known[unknown] = True
            log.warning("%s: ids %s have no class in it: void", path, unknown.tolist())
        return self.table[raw]


def read_ids(path: Path) -> NDArray[np.uint8]:
    """Read a label file (palette or 8-bit grayscale) as (h, w) uint8: the stored values.

    Raises:
        InputError: The file is absent, damaged or has several channels.
    """
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise InputError(f"{path}: {image.width} x {image.height} pixels are too many")
            if image.mode not in ("P", "L", "1"):
                raise InputError(
                    f"{path}: label of mode {image.mode}; save ids as a palette or 8-bit gray PNG"
                )
            return np.array(image, dtype=np.uint8)
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; the data set is incomplete") from error
    # Pillow reports damage in any of these.
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise InputError(
            f"{path}: damaged or not an image ({error}); replace or remove it"
        ) from error


def read_colors(path: Path) -> NDArray[np.uint32]:
    """Read a mask whose colors mean something as (h, w) uint32: 0xRRGGBB.

    Raises:
        InputError: The file is absent, damaged or not an image.
    """
    blue, green, red = read_image_file(path).astype(np.uint32).transpose(2, 0, 1)
    return np.asarray((red << 16) | (green << 8) | blue, dtype=np.uint32)


class ColorTable:
    """Reads masks whose colors are the classes; unknown colors are void, with one warning.

    Args:
        source: Name of the data set, for messages.
        colors: Class name of each color (0xRRGGBB); None is void.
        classes: The class set.

    Raises:
        InputError: None of the names is in the class set.
    """

    def __init__(self, source: str, colors: Mapping[int, str | None], classes: ClassSet):
        ids = {name: i for i, name in enumerate(classes.names)}
        self.colors = np.array(sorted(colors), dtype=np.uint32)
        names = (colors[color] for color in sorted(colors))
        self.ids = np.array([ids.get(name or "", VOID) for name in names], dtype=np.uint8)
        if (self.ids == VOID).all():
            raise InputError(
                f"{source}: shares no class with class set {classes.name}; give a class file"
                " with its names"
            )
        self.warned = False

    def __call__(self, path: Path) -> NDArray[np.uint8]:
        """Read a mask as (h, w) uint8 class ids."""
        packed = read_colors(path)
        place = np.searchsorted(self.colors, packed).clip(max=len(self.colors) - 1)
        known = self.colors[place] == packed
        if not self.warned and not known.all():
            self.warned = True
            log.warning("%s: %d pixels of unknown color, void", path, np.sum(~known))
        return np.where(known, self.ids[place], np.uint8(VOID))


Key = TypeVar("Key")


def as_named(
    published: Mapping[Key, str], street: Mapping[str, str], classes: ClassSet
) -> dict[Key, str]:
    """Return the name under which a class set has each of a data set's classes.

    Args:
        published: The data set's names by id or color.
        street: Our street class for a published name, where there is one.
        classes: The class set; a published name in it goes before the street class.
    """
    own = set(classes.names)
    return {key: n if n in own else street.get(n, n) for key, n in published.items()}


def evenly(count: int, most: int) -> list[int]:
    """Pick at most `most` of the indices 0 to count - 1, evenly spread."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(most, count)).tolist()})


def hidden_in(classes: ClassSet, hidden: Mapping[str, str]) -> dict[str, str]:
    """Keep the entries whose hidden class and substitute are both in the class set."""
    names = set(classes.names)
    return {h: g for h, g in hidden.items() if h in names and g in names}


def no_options(layout: str, options: Mapping[str, str], known: Iterable[str] = ()) -> None:
    """Raise InputError if a specification has options that its layout does not know."""
    unknown = sorted(options.keys() - set(known))
    if unknown:
        raise InputError(f"{layout}: no option {unknown[0]!r}; it has {sorted(known) or 'none'}")

"""What a reader of a labeling format yields, before classes have ids."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.errors import InputError

Ids: TypeAlias = NDArray[np.uint8]
Color: TypeAlias = tuple[int, int, int]

BACKGROUND: Final = "background"
"""Name of the class of pixels that no annotation covers."""
_NO_LABEL: Final = ("void", "unlabeled", "unlabelled", "ignore", "ignored")


@dataclass(frozen=True, slots=True)
class Category:
    """A class as the format knows it.

    Attributes:
        name: As annotated.
        color: RGB, where the format has one.
        place: Where it occurs first (file and pixel or annotation); empty: only declared.
    """

    name: str
    color: Color | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """The label of one image.

    Attributes:
        image: The image's file name as the format has it, with or without folders and ending.
        file: Where the label is from, for errors.
        read: Returns the label, (H, W) uint8 indices into the categories, 255 void.
    """

    image: str
    file: Path
    read: Callable[[], Ids]


@dataclass(frozen=True, slots=True)
class Request:
    """What a reader is asked for.

    Attributes:
        path: File or folder of the labels.
        classes: The class set, where there is one.
        table: File with the colors of the classes, where there is one.
        void: Names and colors (`#rrggbb`) that become void.
    """

    path: Path
    classes: ClassSet | None = None
    table: Path | None = None
    void: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """All labels that were found.

    Attributes:
        categories: What the indices in the labels mean.
        items: The labels.
        notes: Lines for the user, about what was left out.
        synonyms: Names to try for a category that a class set does not have.
    """

    categories: tuple[Category, ...]
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()
    synonyms: Mapping[str, str] = field(default_factory=dict)


class Categories:
    """Collects categories in the order in which they appear.

    Args:
        declared: Those that the format lists beforehand.
    """

    def __init__(self, declared: Iterable[Category] = ()) -> None:
        self._list: list[Category] = []
        self._index: dict[str, int] = {}
        for category in declared:
            self.add(category)

    def add(self, category: Category) -> int:
        """Return the index of a category; of one name, the first place counts.

        Raises:
            InputError: It has no name, or there are too many categories.
        """
        if not plain(category.name):
            raise InputError(f"{category.place or 'a class'}: it has no name: give it one")
        i = self._index.setdefault(category.name, len(self._list))
        if i == len(self._list):
            if i >= VOID:
                raise InputError(
                    f"{category.place or category.name}: more than {VOID} classes: merge some"
                )
            self._list.append(category)
        elif not self._list[i].place:
            self._list[i] = replace(self._list[i], place=category.place)
        return i

    def background(self) -> int:
        """Return the index of the class of pixels that no annotation covers."""
        known = next((n for n in self._index if plain(n) == BACKGROUND), BACKGROUND)
        return self.add(Category(known))

    def all(self) -> tuple[Category, ...]:
        """Return the categories in the order of their indices."""
        return tuple(self._list)


def left_out(without_area: int, empty: int) -> tuple[str, ...]:
    """Return the lines about annotations without an area, and images without annotations."""
    lines = (
        (without_area, "boxes, lines and points have no mask: left out"),
        (empty, "images without annotations are left out"),
    )
    return tuple(f"{number} {what}" for number, what in lines if number)


def plain(name: str) -> str:
    """Return a name as names are compared: lower case, words joined by underscores."""
    return "_".join(name.lower().replace("-", " ").replace("_", " ").split())


def no_label(name: str) -> bool:
    """Tell whether a name means that a pixel has no label."""
    return plain(name) in _NO_LABEL

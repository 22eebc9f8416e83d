"""Class sets made from what was found, and names matched with a class set."""

import json
from collections.abc import Collection, Sequence
from typing import Final

import numpy as np

from pdn_ros.classes import VOID, ClassInfo, ClassSet, Role
from pdn_ros.errors import InputError
from pdn_ros.labels.source import BACKGROUND, Color, Ids, Source, no_label, plain
from pdn_ros.labels.tables import voc_colors

_ROLES: Final = {
    Role.SKY: "sky",
    Role.GROUND: (
        "ground road lane lane_marking street sidewalk pavement parking crosswalk terrain grass"
        " soil dirt gravel sand mud asphalt concrete floor carpet path track field snow manhole"
        " runway"
    ),
    Role.DYNAMIC: (
        "person people pedestrian human child man woman rider cyclist bicyclist worker vehicle car"
        " truck bus van train tram motorcycle motorbike bicycle bike caravan trailer animal dog cat"
        " cow sheep horse bird deer robot forklift tractor boat"
    ),
}
_ROLE_OF: Final = {name: role for role, names in _ROLES.items() for name in names.split()}
_THIN: Final = (
    "pole sign traffic_sign traffic_light person pedestrian human cyclist rider wire cable rope"
)


def match(source: Source, classes: ClassSet, void: Collection[str]) -> Ids:
    """Return the table (256,) uint8 from a source's categories to the ids of a class set.

    Names are compared without regard to case, hyphens and spaces.

    Args:
        source: What was found.
        classes: The class set.
        void: Names that become void.

    Raises:
        InputError: A category that occurs is not in the class set, is not void, and has no synonym.
    """
    ids = {plain(name): i for i, name in enumerate(classes.names)}
    dropped = {plain(name) for name in void}
    table = np.full(256, VOID, dtype=np.uint8)
    for i, category in enumerate(source.categories):
        name = plain(category.name)
        if name in dropped:
            continue
        synonym = source.synonyms.get(category.name, "")
        found = ids.get(name, ids.get(plain(synonym)))
        if found is not None:
            table[i] = found
        elif category.place and not no_label(name) and not no_label(synonym) and name != BACKGROUND:
            raise InputError(
                f"{category.place}: class {category.name!r} is not in class set {classes.name}"
                f" ({', '.join(classes.names)}): add it there, or drop it with --void"
            )
    return table


def make_classes(
    source: Source, counts: Sequence[int], name: str, void: Collection[str]
) -> ClassSet:
    """Return a class set of what was found; colors and roles are guesses that users may change.

    Args:
        source: What was found.
        counts: Pixels of each category.
        name: Of the class set.
        void: Names that become void.

    Raises:
        InputError: No class was found.
    """
    dropped = {plain(word) for word in void}
    found: dict[str, Color | None] = {}
    for i, category in enumerate(source.categories):
        title = plain(category.name)
        if counts[i] and not no_label(title) and title not in dropped:
            found.setdefault(title, None if category.color in found.values() else category.color)
    if not found:
        raise InputError(f"{name}: every pixel is void; there is nothing to learn from")
    spare = (color for color in voc_colors()[1:] if color not in found.values())
    classes = [
        ClassInfo(
            name=title,
            color=color or next(spare),
            role=_ROLE_OF.get(title, Role.STATIC),
            thin=title in _THIN.split(),
        )
        for title, color in found.items()
    ]
    return ClassSet(name=name, classes=tuple(classes))


def class_file(classes: ClassSet) -> str:
    """Return a class set as YAML, one class a line."""
    lines = [
        "# The position in the list is the id in the masks; 255 is void. color: RGB.",
        "# role: what the occupancy grid makes of it (ground, static, dynamic, sky). thin: needs"
        " resolution.",
        f"name: {json.dumps(classes.name)}",
        "classes:",
    ]
    for info in classes.classes:
        thin = ", thin: true" if info.thin else ""
        lines.append(
            f"  - {{name: {json.dumps(info.name, ensure_ascii=False)}, color: {list(info.color)},"
            f" role: {info.role}{thin}}}"
        )
    return "\n".join(lines) + "\n"

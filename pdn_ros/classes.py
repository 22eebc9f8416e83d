"""Class sets: what the ids in a mask mean."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pdn_ros.errors import InputError
from pdn_ros.files import read_yaml
from pdn_ros.resources import config_path

VOID = 255
"""Id of pixels without a label (also vision_msgs' UNLABELED for 8-bit masks)."""

Channel = Annotated[int, Field(ge=0, le=255)]


class Role(str, Enum):
    """What a class means to the occupancy grid."""

    __str__ = str.__str__  # as StrEnum, which Python 3.10 does not have

    GROUND = "ground"
    STATIC = "static"
    DYNAMIC = "dynamic"
    SKY = "sky"


class ClassInfo(BaseModel):
    """One class: its name, display color (RGB), role, and whether its objects are thin."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    color: tuple[Channel, Channel, Channel]
    role: Role
    thin: bool = False

    @property
    def hex_color(self) -> str:
        """The color as `#rrggbb`."""
        return "#{:02x}{:02x}{:02x}".format(*self.color)


class ClassSet(BaseModel):
    """The classes in id order: the position is the id."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    classes: Annotated[tuple[ClassInfo, ...], Field(min_length=1, max_length=VOID)]

    @property
    def names(self) -> tuple[str, ...]:
        """Names in id order."""
        return tuple(c.name for c in self.classes)

    @property
    def thin(self) -> tuple[int, ...]:
        """Ids of the thin classes."""
        return tuple(i for i, c in enumerate(self.classes) if c.thin)

    @property
    def colors(self) -> NDArray[np.uint8]:
        """Display colors, (C, 3) uint8 RGB."""
        return np.array([c.color for c in self.classes], dtype=np.uint8)

    def id_of(self, name: str) -> int:
        """Return the id of the class called `name`; raises InputError if there is none."""
        if name not in self.names:
            raise InputError(f"class set {self.name}: no class {name!r} among {self.names}")
        return self.names.index(name)

    def with_role(self, *roles: Role) -> tuple[int, ...]:
        """Ids of the classes that have one of the roles."""
        return tuple(i for i, c in enumerate(self.classes) if c.role in roles)

    def role_table(self) -> NDArray[np.uint8]:
        """Table from class id to the role codes of `pdn_ros.geometry.roles`, (256,) uint8.

        Ids without a class, void among them, are unknown.
        """
        from pdn_ros.geometry import roles

        codes = {
            Role.GROUND: roles.GROUND,
            Role.STATIC: roles.STATIC,
            Role.DYNAMIC: roles.DYNAMIC,
            Role.SKY: roles.SKY,
        }
        table = np.full(256, roles.UNKNOWN, dtype=np.uint8)
        for i, info in enumerate(self.classes):
            table[i] = codes[info.role]
        return table


def load_classes(name: str | Path) -> ClassSet:
    """Read a class set: the name of one that ships (`street`) or the path of a YAML file.

    Raises:
        InputError: There is no such file, or it is not a class set.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        try:
            path = config_path(f"classes/{name}.yaml")
        except FileNotFoundError as error:
            raise InputError(f"classes {name}: no such class set ships; give a .yaml") from error
    return read_yaml(path, ClassSet)

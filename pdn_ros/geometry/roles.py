"""Role codes: what a pixel means to geometry, whatever the class set."""

from typing import Final

UNKNOWN: Final = 0
GROUND: Final = 1
STATIC: Final = 2
DYNAMIC: Final = 3
SKY: Final = 4

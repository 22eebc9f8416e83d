"""Settings of an evaluation."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pdn_ros.config import build
from pdn_ros.errors import InputError
from pdn_ros.files import require_writable
from pdn_ros.perception.config import PerceptionConfig

CAMERA: Final = "{camera}"
"""Stands for a camera's name in the name of a topic."""
Progress = Callable[[int, int], None]
"""Called with the steps done and their total."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Speed of a live replay: times the recorded one, or (`per_image`) images a second."""

    value: float = 1.0
    per_image: bool = False

    def __str__(self) -> str:
        return f"{self.value:g} images/s" if self.per_image else f"{self.value:g} x recorded"


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """The options of `pdn evaluate`; an empty topic is found by its type.

    `cameras`: names of a rig's cameras; in a topic `{camera}` stands for the name. None: a single
    camera.

    `true_masks`: the grid is made from the recording's true masks, to judge geometry alone.
    `rerun`: a file for rerun's viewer, to be written, too.
    """

    bag: Path
    out: Path
    live: bool = False
    rate: Rate = Rate()
    cameras: tuple[str, ...] = ()
    image: str = ""
    camera_info: str = ""
    points: str = ""
    mode: str = "patch"
    budget: int = 0
    limit: int = 0
    lidar: bool = True
    true_masks: bool = False
    backend: str = "auto"
    precision: str = "auto"
    weights: str = ""
    rerun: Path | None = None

    def perception(self) -> PerceptionConfig:
        """Return the configuration that node and offline replay run with.

        Raises:
            InputError: A value does not fit.
        """
        names = ("cameras", "mode", "budget", "backend", "precision", "weights")
        return build(PerceptionConfig, {name: getattr(self, name) for name in names})

    def check(self) -> None:
        """Refuse what cannot work before anything heavy is loaded.

        Raises:
            InputError: There is no such bag, the mode is unknown, a result cannot be written, or
                rerun is not installed.
        """
        if not self.bag.exists():
            raise InputError(f"{self.bag}: no such bag: give a rosbag2 folder or an .mcap file")
        self.perception()
        for option, topic in (("image", self.image), ("camera-info", self.camera_info)):
            if topic and self.cameras and CAMERA not in topic:
                raise InputError(f"{option} {topic}: put {CAMERA} where each camera's name stands")
            if CAMERA in topic and not self.cameras:
                raise InputError(f"{option} {topic}: name the cameras, --cameras front,left")
        if self.live and self.true_masks:
            raise InputError("true-masks: the nodes know their own masks alone; leave out --live")
        if self.out.resolve() == self.bag.resolve():
            raise InputError(f"{self.out}: is the bag itself: name another folder")
        if self.out.is_file():
            raise InputError(f"{self.out}: is a file: name a folder")
        require_writable(self.out)
        if self.rerun is not None:
            from pdn_ros.viewer.recording import require_rrd

            require_rrd(self.rerun)


def parse_rate(text: str) -> Rate:
    """Read `2` (twice the recorded speed) or `15hz` (15 images a second)."""
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+)\s*(hz)?", text.strip(), flags=re.IGNORECASE)
    if match is None or float(match[1]) <= 0:
        raise InputError(f"rate {text}: give a factor of the recorded speed, 2, or a rate, 15hz")
    return Rate(float(match[1]), per_image=match[2] is not None)

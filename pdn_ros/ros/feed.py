"""How the messages of one camera come to the perception node."""

import time
from collections import deque
from collections.abc import Iterator
from typing import Final

from pdn_ros.perception.config import camera_topic
from pdn_ros.ros.diagnostics import Condition, Level
from pdn_ros.ros.managed import ANSWER_S, SILENCE_S

LOSS_WINDOW: Final = 9
"""Polls over which the numbers of images and camera_infos are compared: 1.6 s."""
LOSS_MESSAGES: Final = 6


class Feed:
    """What the node notes of one camera.

    Args:
        name: Of the camera in its rig; empty for a single camera.

    Attributes:
        images: How many came.
        infos: How many CameraInfos came.
        last_ns: Stamp of the newest image that was read.
        prior_at: When the LiDAR's last prior came, monotonic seconds; None before the first.
        refined: Patches refined in the newest image.
        failure: Why the newest image that failed gave no mask.
    """

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.images = self.infos = self.last_ns = self.refined = 0
        self.prior_at: float | None = None
        self.failure = ""
        self._counts: deque[tuple[int, int]] = deque(maxlen=LOSS_WINDOW)
        self.restart()

    def restart(self) -> None:
        """Begin to listen."""
        self._heard_at = time.monotonic()
        self._waiting_since: float | None = None
        self._counts.clear()

    def topic(self, name: str) -> str:
        """Return the name of one of the camera's inputs."""
        return camera_topic(self.name, name)

    def arrived(self, *, wanted: bool) -> None:
        """Note an image, and whether a mask of it is wanted."""
        self.images += 1
        self._heard_at = time.monotonic()
        self._waiting_since = (self._waiting_since or self._heard_at) if wanted else None

    def answered(self) -> None:
        """Note that a mask came."""
        self._waiting_since = None

    def poll(self) -> None:
        """Note how many messages have come until now."""
        self._counts.append((self.images, self.infos))

    def silent(self) -> bool:
        """Say whether no image has come for a while."""
        return time.monotonic() - self._heard_at >= SILENCE_S

    def conditions(self) -> Iterator[Condition]:
        """Yield what is wrong with the camera's inputs."""
        for condition in (self._prior_lost(), self._losses()):
            if condition is not None:
                said = f"{self.name}: {condition.message}" if self.name else condition.message
                yield condition._replace(message=said)

    def unanswered(self) -> Iterator[Condition]:
        """Yield an error when images come and no masks, although those of other cameras may."""
        since = self._waiting_since
        waited_s = 0.0 if since is None else time.monotonic() - since
        if waited_s >= ANSWER_S and not self.silent():
            line = f"{self.name}: images arrive and no mask has come for {waited_s:.0f} s"
            yield Condition(Level.ERROR, f"{line}: {self.failure}" if self.failure else line)

    def _prior_lost(self) -> Condition | None:
        since = 0.0 if self.prior_at is None else time.monotonic() - self.prior_at
        if since < SILENCE_S:
            return None
        return Condition(Level.WARN, f"the LiDAR's prior is lost for {since:.0f} s")

    def _losses(self) -> Condition | None:
        """Say when most images are lost between camera and node, as with Fast DDS's defaults."""
        if len(self._counts) < LOSS_WINDOW:
            return None
        (images_before, infos_before), (images, infos) = self._counts[0], self._counts[-1]
        came, announced = images - images_before, infos - infos_before
        if announced < LOSS_MESSAGES or came >= 0.5 * announced:
            return None
        return Condition(
            Level.WARN,
            f"{came} images for {announced} camera_infos: the others were lost on their way; "
            "set FASTRTPS_DEFAULT_PROFILES_FILE to config/fastdds.xml in the camera's shell",
        )

"""A robot whose sensors can fail, and what its nodes say of that."""

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nav_msgs.msg import OccupancyGrid
from perception_drive import FRAME, Drive, scene
from processes import wait_for
from sensor_msgs.msg import Image

from pdn_ros.messages.cdr import Header
from pdn_ros.messages.images import write_image
from pdn_ros.ros.diagnostics import Level
from pdn_ros.ros.qos import LATCHED, RELIABLE

PERIOD_S = 0.1
PATIENCE_S = 30.0
"""For a machine that does much besides; the log says how long it took."""
OK, WARN, ERROR = Level.OK, Level.WARN, Level.ERROR
Stream = Callable[[int], None]
_log = logging.getLogger("faults")


class Robot:
    """Publishes sensors at 10 Hz from a thread; use it as a context manager.

    Attributes:
        streams: What is called with each stamp, by name.
        clock: Returns the stamps, nanoseconds.
    """

    def __init__(self, drive: Drive) -> None:
        self.drive, self.probe, self.process = drive, drive.probe, drive.process
        self.clock: Callable[[], int] = time.time_ns
        self.streams: dict[str, Stream] = {
            "camera_info": drive.send_info,
            "tf": drive.send_transform,
            "image": self.send_image,
        }
        self._picture = scene()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sensors", daemon=True)

    def __enter__(self) -> "Robot":
        self.probe.listen(Image, "/perception/mask", RELIABLE)
        self.probe.listen(OccupancyGrid, "/perception/occupancy", LATCHED)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @contextmanager
    def fault(self, **streams: Stream | None) -> Iterator[None]:
        """Replace streams within the block; None stops one. Afterwards all is well again."""
        before = self.streams
        changed = {name: stream for name, stream in streams.items() if stream is not None}
        self.streams = {n: s for n, s in before.items() if n not in streams} | changed
        try:
            yield
        finally:
            self.streams = before

    @contextmanager
    def parameter(self, name: str, value: Any, normal: Any) -> Iterator[None]:
        """Set a parameter within the block."""
        assert self.probe.set_parameter("perception", name, value).successful
        try:
            yield
        finally:
            assert self.probe.set_parameter("perception", name, normal).successful

    def says(self, level: Level, pattern: str = "", node: str = "perception") -> str:
        """Wait until a new status of a node has this level and matches; return its message."""
        got = self.probe.got["/diagnostics"]
        start, begun = len(got), time.monotonic()
        last = "nothing"

        def found() -> str:
            nonlocal last
            for message in got[start:]:
                last = next(
                    (self._of(s) for s in message.status if s.name == f"{node}: frames"), last
                )
                if last.startswith(f"{int(level)} ") and re.search(pattern, last[2:]):
                    return last
            return ""

        try:
            said = str(wait_for(found, PATIENCE_S, "diagnostics"))
        except TimeoutError as error:
            raise AssertionError(
                f"{node} did not say {level.name} {pattern!r} but {last!r}:\n"
                f"{self.process.output()[-2000:]}"
            ) from error
        _log.info("%4.1f s: %s", time.monotonic() - begun, said)
        return said

    def well(self) -> None:
        """Wait until masks come again and the node says that all is well."""
        begun = time.monotonic()
        self.masks(2)
        self.says(OK)
        _log.info("%4.1f s: well", time.monotonic() - begun)

    def expect_no_prior(self) -> None:
        """Let the node forget that there was a LiDAR."""
        for label in ("deactivate", "activate"):
            assert self.probe.transition("perception", label)

    def masks(self, count: int) -> list[Any]:
        """Wait for so many new masks and return them."""
        got = self.probe.got["/perception/mask"]
        start = len(got)
        wait_for(lambda: len(got) >= start + count, PATIENCE_S, f"{count} masks")
        return got[start:]

    def send_image(self, stamp_ns: int) -> None:
        self.drive.images.publish(write_image(Header(stamp_ns, FRAME), self._picture, "bgr8"))

    @staticmethod
    def _of(status: Any) -> str:
        return f"{ord(status.level)} {status.message}"

    def _run(self) -> None:
        while not self._end.wait(PERIOD_S):
            stamp_ns = self.clock()
            for send in list(self.streams.values()):
                send(stamp_ns)

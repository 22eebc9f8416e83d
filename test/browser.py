"""A headless Chromium that shows one page, driven through a pipe."""

import base64
import json
import os
import select
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
ANSWER_S = 60.0


class Browser:
    """Sends commands of the DevTools protocol and reads their answers."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._count, self._rest = 0, b""
        (page,) = (t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    _session: dict[str, str] = {}  # noqa: RUF012 - none until attached

    def call(self, method: str, **values: Any) -> Any:
        self._count += 1
        command = {"id": self._count, "method": method, "params": values, **self._session}
        os.write(self._send, json.dumps(command).encode() + b"\0")
        while (answer := self._next()).get("id") != self._count:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def show(self, url: str) -> None:
        """Open a page and wait until it has loaded: before that it may change its process."""
        self.call("Page.enable")
        self.call("Page.navigate", url=url)
        while self._next().get("method") != "Page.loadEventFired":
            pass

    def picture(self) -> np.ndarray:
        """What the page shows, (H, W, 3) uint8 BGR."""
        data = base64.b64decode(self.call("Page.captureScreenshot")["data"])
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def _next(self) -> Any:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._receive], [], [], ANSWER_S)
            part = os.read(self._receive, 2**16) if ready else b""
            if not part:
                raise EOFError("Chromium has ended or hangs")
            self._rest += part
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)


@contextmanager
def browser(folder: Path, *flags: str) -> Iterator[Browser]:
    """Run Chromium with its profile in `folder`; it reads commands from file 3, answers on 4."""
    commands, send = os.pipe()
    receive, answers = os.pipe()
    words = [CHROMIUM, "--headless", "--no-sandbox", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", *flags,
             "about:blank"]  # fmt: skip
    with (folder / "chromium.txt").open("wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{commands} 4>&{answers}', "bash", *words],
            pass_fds=(commands, answers), stdout=log, stderr=log,
            env={**os.environ, "HOME": str(folder)},
        )  # fmt: skip
    os.close(commands)
    os.close(answers)
    try:
        yield Browser(send, receive)
    finally:
        process.kill()
        process.wait()
        os.close(send)
        os.close(receive)

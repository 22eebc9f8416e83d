"""The page that rerun serves, in a browser; and which topics are found for it."""

import ipaddress
import socket
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rerun", exc_type=ImportError)

from browser import CHROMIUM, browser
from ports import free_port

from pdn_ros.errors import InputError
from pdn_ros.harness.participant import wait_for
from pdn_ros.viewer.recording import recording
from pdn_ros.viewer.web_viewer import WebViewer

COLOR = (200, 120, 40)  # BGR


def listening(port: int) -> set[str]:
    """Addresses on which a port of this machine is listened to, by the kernel's tables."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            address, number = local.split(":")
            if state == "0A" and int(number, 16) == port:
                words = [bytes.fromhex(address[i : i + 8])[::-1] for i in range(0, len(address), 8)]
                found.add(str(ipaddress.ip_address(b"".join(words))))
    return found


def test_only_this_machine_reaches_it(tmp_path: Path) -> None:
    port = free_port()
    with closing(WebViewer("127.0.0.1", port, 64)) as viewer:
        assert viewer.page.startswith(f"http://127.0.0.1:{port}/")
        assert listening(port) == listening(port + 1) == {"127.0.0.1"}
        with pytest.raises(InputError, match=f"port {port}: cannot be listened on"):
            WebViewer("127.0.0.1", port, 64)
        viewer.check()
    assert listening(port) == listening(port + 1) == set()
    with closing(WebViewer("0.0.0.0", port, 64)) as viewer:
        assert viewer.page.startswith(f"http://{socket.gethostname()}:{port}/")
        assert listening(port + 1) == {"0.0.0.0"}


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
def test_a_browser_shows_what_is_logged(tmp_path: Path) -> None:
    software = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--window-size=900,600")
    with (
        closing(WebViewer("127.0.0.1", free_port(), 64)) as viewer,
        recording("made", server=viewer.address) as scene,
        browser(tmp_path, *software) as page,
    ):
        page.show(viewer.page)
        scene.image(10**18, np.full((90, 160, 3), COLOR, np.uint8))

        def shown() -> bool:
            near = np.abs(page.picture().astype(int) - COLOR).max(axis=2) < 8
            return bool(near.mean() > 0.02)  # the camera's view

        wait_for(shown, 90, "the image in the page")

"""Rerun's web viewer: its page and the server that feeds it, as a process of their own.

Rerun's functions for this listen on every address of the machine; its program can be told not to.
"""

import ipaddress
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path
from typing import Final

import rerun

from pdn_ros.errors import InputError
from pdn_ros.harness.processes import NodeProcess

_PROGRAM: Final = Path(rerun.__file__).parents[1] / "rerun_cli" / "rerun"
_READY_S: Final = 30.0


class WebViewer:
    """The page at `page`, fed by `address`, until it is closed.

    Args:
        host: IP address to listen on: 127.0.0.1 for this machine alone, 0.0.0.0 for all.
        port: Port of the page; the next one is the server's.
        memory_mib: What the server keeps for browsers that come later.

    Raises:
        InputError: `host` is no address of this machine, or a port is taken.
        ChildProcessError: The server does not start.
    """

    def __init__(self, host: str, port: int, memory_mib: int) -> None:
        _require_free(host, port)
        _require_free(host, port + 1)
        local = ipaddress.ip_address(host).is_loopback
        name = host if local else socket.gethostname()
        self.address = f"rerun+http://{_url_host(_reachable(host))}:{port + 1}/proxy"
        fed_by = f"rerun+http://{_url_host(name)}:{port + 1}/proxy"
        query = urllib.parse.urlencode({"url": fed_by, "hide_welcome_screen": 1})
        self.page = f"http://{_url_host(name)}:{port}/?{query}"
        # Of pages that do not come from this machine only our own may read the server.
        origins = [] if local else ["--cors-allow-origin", f"http://*:{port}"]
        self._settings = tempfile.TemporaryDirectory()
        self._process = NodeProcess(
            "rerun",
            ["--serve-web", "--bind", host, "--web-viewer-port", str(port), "--port", str(port + 1),
             "--server-memory-limit", f"{memory_mib}MiB", "--hide-welcome-screen", *origins],
            module=__name__,
            variables={"XDG_CONFIG_HOME": self._settings.name, "NO_COLOR": "1"},
        )  # fmt: skip
        try:
            self._wait_until_ready(host, (port, port + 1))
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Raise ChildProcessError with the server's last line when it has ended."""
        self._process.check()

    def close(self) -> None:
        """End the server."""
        self._process.close()
        self._settings.cleanup()

    def _wait_until_ready(self, host: str, ports: tuple[int, int]) -> None:
        target = _reachable(host)
        end = time.monotonic() + _READY_S
        for port in ports:
            while True:
                self._process.check()
                try:
                    socket.create_connection((target, port), timeout=1).close()
                    break
                except OSError:
                    if time.monotonic() > end:
                        line = self._process.last_line()
                        raise ChildProcessError(f"rerun does not start: {line}") from None
                    time.sleep(0.05)


def _require_free(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, with the reason.

    Raises:
        InputError: So.
    """
    try:
        family = socket.AF_INET6 if ipaddress.ip_address(host).version == 6 else socket.AF_INET
    except ValueError as error:
        raise InputError(f"host {host}: give an IP address, such as 127.0.0.1") from error
    try:
        with socket.socket(family) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind((host, port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{host}, port {port}: cannot be listened on ({reason}): give another --host or --port"
        ) from error


def _reachable(host: str) -> str:
    """Return where this machine reaches a server that listens on `host`."""
    address = ipaddress.ip_address(host)
    if not address.is_unspecified:
        return host
    return "::1" if address.version == 6 else "127.0.0.1"


def _url_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def main() -> None:
    """Become rerun's program, with its usage statistics switched off."""
    subprocess.run([_PROGRAM, "analytics", "disable"], stdout=subprocess.DEVNULL, check=False)
    os.execv(_PROGRAM, ["rerun", *sys.argv[1:]])

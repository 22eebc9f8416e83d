"""`pdn view`: a running node in the browser."""

import os
import signal
import sys
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer

from pdn_ros.cli.common import Config
from pdn_ros.cli.interrupt import held_back


def view(
    *,
    namespace: Annotated[str, typer.Option(help="Namespace of the nodes.")] = "",
    node: Annotated[str, typer.Option(help="Name of the perception node.")] = "perception",
    lidar_node: Annotated[
        str, typer.Option(help="Name of the LiDAR projection node.")
    ] = "lidar_projection",
    remap: Annotated[
        list[str] | None,
        typer.Option(
            "--remap",
            "-r",
            metavar="NAME:=TOPIC",
            help="Topic of image, camera_info, points, mask, patches, occupancy or classes; "
            "default: as the nodes have it.",
        ),
    ] = None,
    base_frame: Annotated[str, typer.Option(help="TF frame of the robot.")] = "base_link",
    host: Annotated[
        str,
        typer.Option(metavar="IP", help="Listen here; 0.0.0.0: anybody in the network can watch."),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Port of the page; the next one is its data's.")
    ] = 9090,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open it.")] = True,
    save: Annotated[
        Path | None, typer.Option(metavar="RRD", help="Keep it in a file, too.")
    ] = None,
    memory: Annotated[
        int, typer.Option(min=16, metavar="MiB", help="Kept for a browser that comes later.")
    ] = 512,
    config: Config = None,
) -> None:
    """Show a running node's images, masks, patches, scan and grid in the browser, until Ctrl-C.

    Example: pdn view --host 0.0.0.0 --no-browser
    """
    del config
    with held_back():
        import pdn_ros.viewer  # noqa: F401 - first: says how to install it
        from pdn_ros.harness.participant import Participant
        from pdn_ros.perception.config import PerceptionConfig
        from pdn_ros.viewer.live import LiveView
        from pdn_ros.viewer.recording import recording, require_rrd
        from pdn_ros.viewer.topics import Names, parse_remapping
        from pdn_ros.viewer.web_viewer import WebViewer

    if save is not None:
        require_rrd(save)
    names = Names(
        namespace, node, lidar_node, dict(parse_remapping(text, namespace) for text in remap or ())
    )
    with ExitStack() as stack:
        stop = stack.enter_context(_signals())
        server = stack.enter_context(closing(WebViewer(host, port, memory)))
        scene = stack.enter_context(recording(names.full_name, save, server.address))
        participant = stack.enter_context(Participant("pdn_view"))
        live = LiveView(
            participant,
            scene,
            names,
            base_frame=base_frame,
            grid_frame=PerceptionConfig().grid.frame,
            note=lambda line: print(f"view: {line}", file=sys.stderr),
        )
        print(f"{server.page}\nCtrl-C ends it", flush=True)
        if browser and (os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):  # none over ssh
            webbrowser.open(server.page)
        while not stop.is_set():
            server.check()
            live.show(timeout_s=0.1)
    if save is not None:
        print(f"saved: {save.resolve()}")


@contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield an event that Ctrl-C or SIGTERM sets; a second one ends the process at once."""
    stop = threading.Event()

    def end(number: int, _frame: object) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

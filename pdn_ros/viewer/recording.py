"""Recordings for rerun's viewer."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import rerun as rr

from pdn_ros.errors import InputError
from pdn_ros.files import atomic, require_writable
from pdn_ros.viewer.layout import layout
from pdn_ros.viewer.scene import Scene

_APPLICATION: Final = "pdn_ros"
_FLUSH_S: Final = 10.0


def require_rrd(path: Path) -> None:
    """Refuse a file that could not be written or that the viewer would not open.

    Raises:
        InputError: So.
    """
    if path.suffix != ".rrd":
        raise InputError(f"{path}: the viewer opens .rrd files: name it so")
    require_writable(path.absolute().parent)


@contextmanager
def recording(name: str, path: Path | None = None, server: str = "") -> Iterator[Scene]:
    """Yield a scene that is written to a file, sent to a viewer, or both.

    Args:
        name: Name of the recording in the viewer.
        path: The file, `NAME.rrd`; it appears when the block ends without an error.
        server: Address of a viewer's server, as `WebViewer.address` has it.

    Raises:
        InputError: `path` cannot be written.
        ConnectionError: The server does not answer.
    """
    sinks: list[Any] = [rr.GrpcSink(server)] if server else []
    if path is None:
        with _open(name, sinks) as scene:
            yield scene
        return
    with atomic(path) as part, _open(name, [*sinks, rr.FileSink(part)]) as scene:
        yield scene


@contextmanager
def _open(name: str, sinks: list[Any]) -> Iterator[Scene]:
    stream = rr.RecordingStream(_APPLICATION)
    try:
        stream.set_log_time_enabled(False)  # the stamps alone
        stream.set_log_tick_enabled(False)
        stream.set_sinks(*sinks, default_blueprint=layout())
        stream.send_recording_name(name)
        yield Scene(stream)
        stream.flush(timeout_sec=_FLUSH_S)
    finally:
        stream.disconnect()

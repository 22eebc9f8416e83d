"""One bag of several: evaluated in a process of its own, so that a crash takes no other with it.

The process writes `evaluation.json` last. A folder with that file, made from the same settings and
input files, is complete.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from pdn_ros.errors import one_line
from pdn_ros.files import write_json
from pdn_ros.replay.settings import ReplaySettings
from pdn_ros.resources import weights_path

_RECORD: Final = "evaluation.json"
_FAILED, _INTERRUPTED = 1, 130
_GRACE_S: Final = 10.0
_SETTINGS: Final = TypeAdapter(ReplaySettings)


def plain(settings: ReplaySettings) -> dict[str, Any]:
    """Return settings as plain values, without the places of the results."""
    values = asdict(absolute(settings)) | {"rate": str(settings.rate)}
    del values["out"], values["rerun"]
    return {name: str(value) if name == "bag" else value for name, value in values.items()}


def absolute(settings: ReplaySettings) -> ReplaySettings:
    """Return settings that name the same files from any folder."""
    weights = str(Path(settings.weights).resolve()) if settings.weights else ""
    return replace(
        settings,
        bag=settings.bag.resolve(),
        out=settings.out.resolve(),
        weights=weights,
        rerun=settings.rerun and settings.rerun.resolve(),
    )


@dataclass(frozen=True, slots=True)
class Record:
    """What `evaluation.json` holds: a hash of all that the results depend on, and warnings."""

    key: str
    settings: dict[str, Any]
    problems: list[str]


def read_record(folder: Path) -> Record | None:
    """Return the record of the results in a folder; None unless they are complete."""
    try:
        return TypeAdapter(Record).validate_json((folder / _RECORD).read_bytes())
    except (FileNotFoundError, NotADirectoryError, ValidationError):
        return None


def is_complete(settings: ReplaySettings) -> bool:
    """Return whether `settings.out` has all results of these settings and of the files as now."""
    record = read_record(settings.out)
    seen = settings.rerun is None or settings.rerun.is_file()
    return record is not None and record.key == _key(settings) and seen


def _key(settings: ReplaySettings) -> str:
    """Return a hash of the settings, our version, and the files that are read."""
    weights = Path(settings.weights) if settings.weights else weights_path()
    files = [
        (str(path), path.stat().st_size, path.stat().st_mtime_ns)
        for path in (*_files(settings.bag.resolve()), weights)
        if path.is_file()
    ]
    text = json.dumps([plain(settings), metadata.version("pdn_ros"), files], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _files(bag: Path) -> Iterator[Path]:
    yield from sorted(bag.rglob("*")) if bag.is_dir() else [bag]


@dataclass(frozen=True, slots=True)
class Share:
    """Part `index` of `count` equal parts of a machine's cores."""

    index: int = 0
    count: int = 1

    def cores(self) -> list[int]:
        """Return the cores; several parts have the same one where there are too few."""
        every = sorted(os.sched_getaffinity(0))
        first, end = (len(every) * i // self.count for i in (self.index, self.index + 1))
        return every[first:end] or [every[first]]


class Worker:
    """Evaluates one bag at a time, each in a process of its own on a share of the cores."""

    def __init__(self, share: Share) -> None:
        self._share = share
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def __call__(self, settings: ReplaySettings) -> str:
        """Evaluate a bag; return why that failed in one line, empty when it did not."""
        (settings.out / _RECORD).unlink(missing_ok=True)
        code = "import sys; from pdn_ros.replay.worker import main; sys.exit(main(*sys.argv[1:]))"
        words = [_SETTINGS.dump_json(settings).decode(), str(self._share.index)]
        with self._lock:
            if self._stopped:
                return "interrupted"
            process = self._process = subprocess.Popen(
                [sys.executable, "-c", code, *words, str(self._share.count)],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                start_new_session=True,  # Ctrl-C is for this process, which passes it on
            )
        assert process.stderr is not None
        try:
            said = process.stderr.read()
        finally:
            self._end_input(process)
            process.wait()
        if process.returncode and os.environ.get("PDN_DEBUG"):
            sys.stderr.write(said)
        return _reason(process.returncode, said.splitlines())

    def stop(self) -> None:
        """End the process that runs, and start no other."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._end_input(self._process)

    @staticmethod
    def _end_input(process: "subprocess.Popen[str]") -> None:
        assert process.stdin is not None
        process.stdin.close()


def _reason(status: int, lines: list[str]) -> str:
    """Return why a process ended; empty when it was done."""
    if status == 0:
        return ""
    if status < 0:
        hint = " (out of memory?)" if status == -signal.SIGKILL else ""
        return f"its process was ended by {signal.Signals(-status).name}{hint}"
    return next(filter(None, reversed(lines)), f"its process ended with status {status}")


def main(settings: str, index: str, count: str) -> int:
    """Evaluate a bag in this process; an error is the last line on stderr.

    The process ends early when its standard input does: when it is to stop, or nobody waits for it.
    """
    if hasattr(os, "sched_setaffinity"):
        # Before any library counts the cores to size its pool of threads.
        os.sched_setaffinity(0, Share(int(index), int(count)).cores())
    try:
        _evaluate(_SETTINGS.validate_json(settings))
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the line is the answer
        if os.environ.get("PDN_DEBUG"):
            traceback.print_exc()
        sys.stderr.write(f"{one_line(error)}\n")
        return _FAILED
    return 0


def _evaluate(settings: ReplaySettings) -> None:
    key = _key(settings)  # of the files as they are before they are read
    from pdn_ros.replay.run import run

    if settings.live:
        import pdn_ros.replay.live
    else:
        import pdn_ros.replay.offline  # noqa: F401 - an interruption during an import can get lost

    threading.Thread(target=_end_with_input, daemon=True).start()
    outcome = run(settings, lambda *_: None)
    record = Record(key=key, settings=plain(settings), problems=outcome.problems)
    write_json(settings.out / _RECORD, record)


def _end_with_input() -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1):
            pass
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(_GRACE_S)  # enough to remove what is half written
    os._exit(_INTERRUPTED)

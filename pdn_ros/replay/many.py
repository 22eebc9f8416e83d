"""Several recordings: each evaluated into a folder of its own, some at a time, and summed up."""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol

from pdn_ros.errors import InputError, one_line
from pdn_ros.replay.settings import Progress, ReplaySettings
from pdn_ros.replay.summary import BagRow
from pdn_ros.replay.worker import Share, Worker, is_complete


class Place(Protocol):
    """Where one bag at a time is evaluated."""

    def __call__(self, settings: ReplaySettings) -> str:
        """Evaluate a bag; return why that failed in one line, empty when it did not."""

    def stop(self) -> None:
        """End what runs, and start nothing more."""


@dataclass(frozen=True, slots=True)
class Task:
    """One of the bags, under a name that no other has; `folder` is seen from the summary."""

    name: str
    folder: str
    settings: ReplaySettings

    def row(self, error: str = "") -> BagRow:
        """Return its row of the summary, when it is done or failed with `error`."""
        return BagRow.read(self.name, self.folder, self.settings, error)


def tasks(settings: ReplaySettings, bags: Sequence[Path]) -> list[Task]:
    """Return a task for each bag, with results in a folder below `settings.out`.

    Those of a single bag lie in `settings.out` itself. Of several, each folder also has its file
    for the viewer.

    Raises:
        InputError: A bag cannot be used or is named twice.
    """
    found = []
    for name, bag in zip(names(bags), bags, strict=True):
        folder = name if len(bags) > 1 else "."
        out, rerun = settings.out / folder, settings.rerun
        if rerun is not None and len(bags) > 1:
            rerun = out / rerun.name
        found.append(Task(name, folder, replace(settings, bag=bag, out=out, rerun=rerun)))
    for task in found:
        task.settings.check()
    return found


def names(bags: Sequence[Path]) -> list[str]:
    """Return a unique name for each bag: its own, after its folders' where bags share it.

    Raises:
        InputError: A bag is named twice.
    """
    paths = [path.resolve() for path in bags]
    if repeated := {path for path in paths if paths.count(path) > 1}:
        raise InputError(f"{min(repeated)}: is named twice: name each bag once")
    plain = [[*path.parts[1:-1], path.name.removesuffix(".mcap")] for path in paths]
    for length in range(1, max(map(len, plain)) + 1):
        found = ["-".join(parts[-length:]) for parts in plain]
        if len(set(found)) == len(found):
            return found
    return [f"{number}-{name}" for number, name in enumerate(found)]


def evaluate(
    wanted: Sequence[Task], places: Sequence[Place], progress: Progress, *, resume: bool = False
) -> Generator[BagRow, None, None]:
    """Evaluate bags, as many at a time as there are places; yield each when it is done.

    Args:
        wanted: The bags.
        places: Where they are evaluated.
        progress: Called with the bags done.
        resume: Whether complete results of the same settings and files are kept.
    """
    done = 0
    if resume:
        kept = {task.name for task in wanted if is_complete(task.settings)}
        for task in wanted:
            if task.name in kept:
                done += 1
                yield task.row()
        wanted = [task for task in wanted if task.name not in kept]
    progress(done, done + len(wanted))
    free: SimpleQueue[Place] = SimpleQueue()
    for place in places:
        free.put(place)

    def run(task: Task) -> BagRow:
        place = free.get()
        try:
            return task.row(place(task.settings))
        except Exception as error:  # noqa: BLE001 - one bag must not end the others' work
            return task.row(one_line(error))
        finally:
            free.put(place)

    with ThreadPoolExecutor(len(places)) as pool:
        started = [pool.submit(run, task) for task in wanted]
        total = done + len(wanted)
        try:
            for future in as_completed(started):
                yield future.result()
                done += 1
                progress(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for place in places:
                place.stop()
            raise


def here(jobs: int) -> list[Worker]:
    """Return `jobs` places on this machine that share its cores."""
    return [Worker(Share(index, jobs)) for index in range(jobs)]

"""The images of a rig that belong together."""

from collections.abc import Iterable, Iterator

from pdn_ros.replay.drive import Calibration, Event, RecordedImage, Scan


def in_sets(
    events: Iterable[Event], cameras: int, sync_ns: int
) -> Iterator[Calibration | Scan | list[RecordedImage]]:
    """Yield events, and images in sets: at most one of each camera, logged within `sync_ns`.

    A set ends with its last camera's image, with a second image of one of its cameras, or when its
    time is over. Other events that come meanwhile are yielded before it, as a node takes them.

    Args:
        events: In the order of their log times.
        cameras: How many the rig has.
        sync_ns: How long a set waits for its other images, nanoseconds.
    """
    held: list[RecordedImage] = []
    for event in events:
        if held and not isinstance(event, Calibration):
            late = event.log_ns - held[0].log_ns > sync_ns
            if late or (isinstance(event, RecordedImage) and _has(held, event.camera)):
                yield held
                held = []
        if not isinstance(event, RecordedImage):
            yield event
            continue
        held.append(event)
        if len(held) == cameras:
            yield held
            held = []
    if held:
        yield held


def _has(images: Iterable[RecordedImage], camera: str) -> bool:
    return any(one.camera == camera for one in images)

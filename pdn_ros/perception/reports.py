"""Reports of what is wrong with an image, a scan or an input."""

from collections.abc import Callable

Report = Callable[[str, str], None]
"""Called with a kind and one line when something is wrong with the present image or scan."""


def for_camera(report: Report, camera: str) -> Report:
    """Return a report that names the camera; one without a name needs none."""
    if not camera:
        return report
    return lambda kind, line: report(f"{camera}/{kind}", f"{camera}: {line}")

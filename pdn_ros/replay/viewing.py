"""An evaluated drive as a recording for rerun's viewer."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pdn_ros.classes import ClassSet
from pdn_ros.geometry.transforms import Matrix, move_points
from pdn_ros.replay.drive import BASE, Drive, RecordedImage, Scan
from pdn_ros.replay.output import Output, Seen
from pdn_ros.viewer.recording import recording
from pdn_ros.viewer.scene import Scene

Add = Callable[[Seen], None]


@contextmanager
def viewed(path: Path, drive: Drive, classes: ClassSet) -> Iterator[Add]:
    """Yield a function that takes every set of images; `path` is complete at the end.

    Of a rig it shows the first camera and the grid of all.

    Raises:
        InputError: `path` cannot be written.
    """
    with recording(drive.bag.path.resolve().name, path) as scene:
        scene.classes(classes)
        yield _DriveScene(drive, scene).add


class _DriveScene:
    def __init__(self, drive: Drive, scene: Scene) -> None:
        self._drive = drive
        self._scene = scene
        self._scan: Scan | None = None
        self._world = BASE

    def add(self, seen: Seen) -> None:
        """Log a set with what is known and what came of it."""
        grids = [(one.header, o.grids["fused"]) for one, o in seen if "fused" in o.grids]
        for _, grid in grids:
            self._world = grid.frame
        for recorded, output in seen:
            if recorded.camera == self._drive.first.name:
                self._add_image(recorded, output)
        for header, grid in grids:
            self._scene.grid(header.stamp_ns, grid)

    def _add_image(self, recorded: RecordedImage, output: Output) -> None:
        if recorded.image is None:
            return
        scene, image, stamp_ns = self._scene, recorded.image, recorded.header.stamp_ns
        self._place(recorded)
        scene.image(stamp_ns, image)
        if output.mask is not None:
            scene.mask(stamp_ns, output.mask)
        if output.patches is not None:
            scene.patches(output.patches)
            scene.saliency(image, output.patches)
        if recorded.scan is not None and recorded.scan is not self._scan:
            self._scan = recorded.scan
            self._add_scan(recorded.scan)
        if recorded.boxes is not None:
            scene.boxes(stamp_ns, recorded.boxes)
        scene.figures(stamp_ns, "age", {"age": output.age_ms, "latency": output.latency_ms})
        if output.error:
            scene.message(stamp_ns, output.error, "ERROR")

    def _place(self, recorded: RecordedImage) -> None:
        """Log where robot and camera are, as far as the transforms say it."""
        header = recorded.header
        robot = self._lookup(self._world, BASE, header.stamp_ns)
        if robot is not None:
            self._scene.robot(header.stamp_ns, robot)
        camera = self._drive.camera_of(recorded)
        pose = self._lookup(BASE, header.frame_id, header.stamp_ns)
        if camera is not None and pose is not None:
            self._scene.camera(header.stamp_ns, camera, pose)

    def _add_scan(self, scan: Scan) -> None:
        pose = self._lookup(BASE, scan.header.frame_id, scan.header.stamp_ns)
        if pose is not None:
            self._scene.points(scan.header.stamp_ns, move_points(scan.points, pose))

    def _lookup(self, target: str, source: str, stamp_ns: int) -> Matrix | None:
        try:
            return self._drive.transforms.lookup(target, source, stamp_ns)
        except LookupError:  # the evaluation notes it
            return None

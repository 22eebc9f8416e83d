"""Playing a drive to the nodes as a source of outputs."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from pdn_ros.bags.reader import COMPRESSED_IMAGE
from pdn_ros.bags.writer import RawWriter
from pdn_ros.classes import ClassSet
from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.replay import nodes, recorded
from pdn_ros.replay.drive import Drive, Moment
from pdn_ros.replay.live.player import player_of
from pdn_ros.replay.node_parameters import NodeParameters
from pdn_ros.replay.output import Output
from pdn_ros.replay.recorded import Arrival
from pdn_ros.replay.results import NAN
from pdn_ros.replay.settings import Progress, Settings
from pdn_ros.resources import config_path

PERCEPTION: Final = "perception"
LIDAR: Final = "lidar_projection"


class Live:
    """Plays a drive to the nodes.

    Raises:
        InputError: The weights cannot be read.
    """

    def __init__(self, settings: Settings, drive: Drive, parameters: NodeParameters) -> None:
        self.settings = settings
        self.drive = drive
        self.parameters = parameters
        try:
            net = PatchDriveNet.load(settings.weights or None)
        except ValueError as error:
            raise InputError(str(error)) from error
        self.classes = ClassSet.model_validate_json(net.classes)
        self.backend = settings.backend
        self.rate_hz = NAN
        self._patch_size = net.config.patch_size

    def outputs(self, progress: Progress) -> Iterator[tuple[Moment, Output]]:
        """Play, record, then yield every image with what the nodes published for it."""
        total = self.drive.offered(self.settings.limit)
        path = self.settings.out / "outputs"
        arrivals = self._play(path, lambda done: progress(done, 2 * total))
        found = recorded.outputs(self.drive, self.parameters, path, arrivals, self.settings.limit)
        for moment, output in found:
            yield moment, output
            progress(total + moment.index + 1, 2 * total)

    def _play(self, path: Path, progress: Callable[[int], None]) -> dict[int, Arrival]:
        domain = nodes.enter_own_domain()
        modules = {PERCEPTION: "pdn_ros.ros.perception_node"}
        if self.drive.points:
            modules[LIDAR] = "pdn_ros.ros.lidar_projection_node"
        arguments = {PERCEPTION: self._perception_arguments(), LIDAR: self._lidar_arguments()}
        with ExitStack() as stack:
            started = stack.enter_context(nodes.running(modules, arguments))
            writer = stack.enter_context(RawWriter(path))
            player = stack.enter_context(player_of(self.drive, writer, domain))
            player.wait_until_ready(started)
            player.warm_up(started)
            player.play(self.settings, started, progress)
        self.rate_hz = player.rate_hz()
        return player.arrivals

    def _perception_arguments(self) -> list[str]:
        settings, drive = self.settings, self.drive
        compressed = drive.image.msgtype == COMPRESSED_IMAGE
        remaps = {
            "image/compressed" if compressed else "image": drive.image.name,
            "lidar_prior": "/lidar_projection/prior",
            "lidar_depth": "/lidar_projection/depth",
        }
        values: dict[str, object] = {
            "use_sim_time": "true",
            "mode": settings.mode,
            "budget": settings.budget,
            "backend": settings.backend,
            "image_transport": "compressed" if compressed else "raw",
        }
        if settings.weights:
            values["weights"] = str(Path(settings.weights).absolute())
        return self._arguments("perception.yaml", remaps, values)

    def _lidar_arguments(self) -> list[str]:
        remaps = {"points": self.drive.points.name} if self.drive.points else {}
        values: dict[str, object] = {"use_sim_time": "true", "patch_size": self._patch_size}
        return self._arguments("lidar_projection.yaml", remaps, values)

    def _arguments(self, file: str, remaps: dict[str, str], values: dict[str, object]) -> list[str]:
        if self.drive.camera_info:
            remaps = {**remaps, "camera_info": self.drive.camera_info.name}
        arguments = ["--ros-args", "--params-file", str(config_path(file))]
        for name, value in values.items():
            arguments += ["-p", f"{name}:={value}"]
        for name, topic in remaps.items():
            arguments += ["-r", f"{name}:={topic}"]
        return arguments

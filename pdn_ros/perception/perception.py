"""The perception of a camera or a rig: images' whole path from pixels to masks, grid and clouds.

The node and replay both run this and add only input and output.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.geometry.transform_buffer import Transforms
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import PatchArray
from pdn_ros.network import Frame, Prediction
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import LidarConfig, PerceptionConfig
from pdn_ros.perception.lidar import LidarBuffer
from pdn_ros.perception.mapping import GRACE_S, Evidence, Mapper, StampedGrid, View
from pdn_ros.perception.pipeline import Pipeline
from pdn_ros.perception.reports import Report, for_camera
from pdn_ros.perception.travel import importance, velocity


@dataclass(frozen=True, slots=True)
class CameraImage:
    """An image of a camera.

    Attributes:
        header: Its stamp and the camera's optical frame.
        image: (H, W, 3) uint8 BGR; a view of a message is fine.
        camera: Name of the camera in its rig; empty for a single camera.
    """

    header: Header
    image: NDArray[np.uint8]
    camera: str = ""


class CameraInputs:
    """What comes of one camera besides its images.

    Args:
        config: Of the LiDAR's part.
        report: Called with the kind and one line when something is wrong with it.

    Attributes:
        infos: Its calibration.
        lidar: The LiDAR's priors and ranges in its images.
        report: As given.
    """

    def __init__(self, config: LidarConfig, report: Report) -> None:
        self.infos = CameraTracker()
        self.lidar = LidarBuffer(config, report)
        self.report = report


@dataclass(slots=True)
class Observation:
    """One image and its results.

    Attributes:
        header: Of the image.
        image: (H, W, 3) uint8 BGR.
        prediction: Mask, confidence and patches.
        prior: (rows, cols) float32 LiDAR prior of the image, 0 to 1, used or not.
        depth: (H, W) float32 LiDAR ranges, meters, 0 = none; looked up by `Perception.locate`.
        view: The camera and its pose; None if unknown.
        camera: Name of the camera in its rig; empty for a single camera.
    """

    header: Header
    image: NDArray[np.uint8]
    prediction: Prediction
    prior: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    view: View | None = None
    camera: str = ""

    def patches(self) -> PatchArray:
        """Return every patch, its weight, and why it was selected."""
        prediction = self.prediction
        height, width = prediction.mask.shape
        return PatchArray(
            header=self.header,
            image_size=(width, height),
            patch_size=prediction.patch_size,
            weights=prediction.weights,
            prior=self.prior if prediction.prior_used else None,
            scores=prediction.scores,
            selected=prediction.selected,
            mode=prediction.mode,
            budget=prediction.budget,
            budget_reason=prediction.budget_reason,
        )


class Perception:
    """Pipeline and map of a camera or a rig, and the inputs of each camera; for one thread.

    Args:
        config: The perception node's configuration.
        transforms: Where camera, robot and grid are.
        report: Called with the kind and one line when something is wrong with an image.
        note: Called with one line when the grid changes its frame.
        grace_s: How long `grid.frame` may be missing in TF; 0 where all transforms are known.

    Raises:
        InputError: Weights, classes, device or backend cannot be used.
    """

    def __init__(
        self,
        config: PerceptionConfig,
        transforms: Transforms,
        *,
        report: Report,
        note: Callable[[str], None],
        grace_s: float = GRACE_S,
    ) -> None:
        self.config = config
        self.pipeline = Pipeline(config)
        self.cameras = {
            name: CameraInputs(config.lidar, for_camera(report, name))
            for name in config.cameras or ("",)
        }
        self.mapper = Mapper(
            config,
            self.pipeline.classes.role_table(),
            transforms,
            report=report,
            note=note,
            grace_s=grace_s,
        )
        self._transforms = transforms

    def segment(
        self, images: Sequence[CameraImage], *, confidence: bool = True
    ) -> list[Observation]:
        """Segment an image, or a set of a rig's, with the LiDAR's priors if there are any.

        Args:
            images: At most one of each camera; each keeps its own stamp.
            confidence: Whether the confidence is wanted.

        Raises:
            InputError: One of the images cannot be segmented; `Pipeline.check` tells which.
        """
        frames = []
        factors = self._importance([one.header for one in images])
        for one, factor in zip(images, factors, strict=True):
            lidar, stamp_ns = self.cameras[one.camera].lidar, one.header.stamp_ns
            lidar.expect(stamp_ns)
            size = (one.image.shape[1], one.image.shape[0])
            prior = lidar.prior(stamp_ns, size, self.pipeline.patch_size)
            frames.append(Frame(one.image, prior, factor))
        done = self.pipeline.segment_set(frames, confidence=confidence)
        return [
            Observation(one.header, one.image, prediction, frame.prior, camera=one.camera)
            for one, frame, prediction in zip(images, frames, done, strict=True)
        ]

    def locate(self, observation: Observation) -> None:
        """Look up the image's camera, its pose on the robot and the LiDAR's ranges."""
        header, inputs = observation.header, self.cameras[observation.camera]
        height, width = observation.image.shape[:2]
        observation.depth = inputs.lidar.depth(header.stamp_ns, (width, height))
        try:
            camera = inputs.infos.camera((width, height))
        except InputError as error:
            inputs.report("camera_info", str(error))
            return
        try:
            observation.view = self.mapper.view(header, camera)
        except LookupError as error:
            inputs.report("tf", str(error))

    def map(self, observations: Sequence[Observation]) -> StampedGrid | None:
        """Add the located observations of a set to the grid; return the grid when one is due."""
        return self.mapper.add(
            [
                Evidence(
                    one.header,
                    one.view,
                    one.prediction.mask,
                    one.prediction.confidence,
                    one.depth,
                    one.camera,
                )
                for one in observations
                if one.view is not None
            ]
        )

    def reset(self) -> None:
        """Forget evidence, priors and depth images."""
        for inputs in self.cameras.values():
            inputs.lidar.clear()
        self.mapper.reset()

    def _importance(self, headers: Sequence[Header]) -> list[float]:
        """Return the factors on the scores of a set's images: more where the robot goes."""
        base, weight = self.config.base_frame, self.config.rig.speed_weight
        if len(headers) == 1 or weight == 0:
            return [1.0] * len(headers)
        speed = velocity(self._transforms, self.config, max(one.stamp_ns for one in headers))
        factors = []
        for header in headers:
            try:
                pose = self._transforms.lookup(base, header.frame_id, header.stamp_ns)
            except LookupError:
                factors.append(1.0)  # reported when the image is located
            else:
                factors.append(importance(pose[:3, 2], speed, weight))
        return factors

    def reconfigure(self, config: PerceptionConfig) -> None:
        """Take over what may change between two images.

        Raises:
            InputError: Weights, classes, device, backend or precision would have to change.
        """
        self.pipeline.reconfigure(config)
        for inputs in self.cameras.values():
            inputs.lidar.config = config.lidar
        self.mapper.reconfigure(config)
        self.config = config

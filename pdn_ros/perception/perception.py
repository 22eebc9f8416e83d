"""The perception of one camera: an image's whole path from pixels to mask, grid and cloud.

The node and replay both run this and add only input and output.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pdn_ros.errors import InputError
from pdn_ros.geometry.transform_buffer import Transforms
from pdn_ros.messages.cdr import Header
from pdn_ros.messages.patches import PatchArray
from pdn_ros.network import Prediction
from pdn_ros.perception.camera_tracker import CameraTracker
from pdn_ros.perception.config import PerceptionConfig
from pdn_ros.perception.lidar import LidarBuffer, Report
from pdn_ros.perception.mapping import GRACE_S, Evidence, Mapper, StampedGrid, View
from pdn_ros.perception.pipeline import Pipeline


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
    """

    header: Header
    image: NDArray[np.uint8]
    prediction: Prediction
    prior: NDArray[np.float32] | None = None
    depth: NDArray[np.float32] | None = None
    view: View | None = None

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
    """Pipeline, LiDAR and map of one camera; for one thread.

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
        self.cameras = CameraTracker()
        self.lidar = LidarBuffer(config.lidar, report)
        self.mapper = Mapper(
            config,
            self.pipeline.classes.role_table(),
            transforms,
            report=report,
            note=note,
            grace_s=grace_s,
        )
        self._report = report

    def segment(
        self, header: Header, image: NDArray[np.uint8], *, confidence: bool = True
    ) -> Observation:
        """Segment an image, with the LiDAR's prior if there is one.

        Raises:
            InputError: The image cannot be segmented.
        """
        self.lidar.expect(header.stamp_ns)
        size = (image.shape[1], image.shape[0])
        prior = self.lidar.prior(header.stamp_ns, size, self.pipeline.patch_size)
        prediction = self.pipeline.segment(image, prior, confidence=confidence)
        return Observation(header, image, prediction, prior)

    def locate(self, observation: Observation) -> None:
        """Look up the image's camera, its pose on the robot and the LiDAR's ranges."""
        header = observation.header
        height, width = observation.image.shape[:2]
        observation.depth = self.lidar.depth(header.stamp_ns, (width, height))
        try:
            camera = self.cameras.camera((width, height))
        except InputError as error:
            self._report("camera_info", str(error))
            return
        observation.view = self.mapper.view(header, camera)

    def map(self, observation: Observation) -> StampedGrid | None:
        """Add a located observation to the occupancy grid; return the grid when one is due."""
        if observation.view is None:
            return None
        prediction = observation.prediction
        return self.mapper.add(
            Evidence(
                observation.header,
                observation.view,
                prediction.mask,
                prediction.confidence,
                observation.depth,
            )
        )

    def reset(self) -> None:
        """Forget evidence, priors and depth images."""
        self.lidar.clear()
        self.mapper.reset()

    def reconfigure(self, config: PerceptionConfig) -> None:
        """Take over what may change between two images.

        Raises:
            InputError: Weights, classes, device, backend or precision would have to change.
        """
        self.pipeline.reconfigure(config)
        self.lidar.config = config.lidar
        self.mapper.reconfigure(config)
        self.config = config

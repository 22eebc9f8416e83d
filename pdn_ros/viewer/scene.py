"""What a camera saw and what perception made of it, as rerun's entities.

world                  the grid's frame, x forward, y left, z up
  grid                 occupancy
  robot                the base frame
    points             a LiDAR scan
    boxes              labeled objects
    camera             frustum; below it what lies in the image's pixels: image, mask, patches
saliency               weights as heat, selected patches outlined
figures/GROUP/NAME     numbers over time
messages               lines of text
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import rerun as rr
from numpy.typing import NDArray

from pdn_ros.classes import VOID, ClassSet
from pdn_ros.geometry.camera import Camera
from pdn_ros.geometry.transforms import Matrix, finite
from pdn_ros.messages.boxes import Box
from pdn_ros.messages.compressed import encode_jpeg
from pdn_ros.messages.occupancy import Grid
from pdn_ros.messages.patches import REASON_LIDAR, PatchArray
from pdn_ros.messages.transforms import to_quaternion
from pdn_ros.visualization import OUTLINE, PRIOR, range_colors, saliency

TIMELINE: Final = "stamp"
WORLD: Final = "world"
GRID: Final = f"{WORLD}/grid"
ROBOT: Final = f"{WORLD}/robot"
POINTS: Final = f"{ROBOT}/points"
BOXES: Final = f"{ROBOT}/boxes"
CAMERA: Final = f"{ROBOT}/camera"
IMAGE: Final = f"{CAMERA}/image"
MASK: Final = f"{CAMERA}/mask"
PATCHES: Final = f"{CAMERA}/patches"
SALIENCY: Final = "saliency"
FIGURES: Final = "figures"
MESSAGES: Final = "messages"

MOST_POINTS: Final = 50_000
"""Of a larger scan only every n-th point is kept."""
_QUALITY: Final = 75
_FRUSTUM_M: Final = 2.0
_MEAN_OF: Final = 5
_ORANGE: Final = (255, 160, 30)

Pixels = NDArray[np.uint8]


class Scene:
    """Writes to a stream of rerun's; everything lies on one timeline, by the sensor's stamp.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: rr.RecordingStream) -> None:
        self._stream = stream
        self._classes: ClassSet | None = None
        self._stamps: deque[int] = deque(maxlen=_MEAN_OF + 1)
        stream.log(WORLD, rr.ViewCoordinates.FLU, static=True)

    def classes(self, classes: ClassSet) -> None:
        """Name the ids of the masks and give them their colors; void is transparent."""
        if classes == self._classes:
            return
        self._classes = classes
        infos = [rr.AnnotationInfo(i, c.name, c.color) for i, c in enumerate(classes.classes)]
        infos.append(rr.AnnotationInfo(VOID, "void", (0, 0, 0, 0)))
        self._stream.log("/", rr.AnnotationContext(infos), static=True)

    def image(self, stamp_ns: int, image: Pixels) -> None:
        """Show an image, (H, W, 3) uint8 BGR, as a JPEG."""
        self._log(stamp_ns, IMAGE, _jpeg(image))

    def mask(self, stamp_ns: int, mask: Pixels) -> None:
        """Lay a mask, (H, W) uint8 class ids, over the image, and note the rate."""
        self._log(stamp_ns, MASK, rr.SegmentationImage(mask, opacity=0.5))
        if self._stamps and stamp_ns <= self._stamps[-1]:  # the recording starts again
            self._stamps.clear()
        self._stamps.append(stamp_ns)
        if len(self._stamps) > 1:
            seconds = (stamp_ns - self._stamps[0]) / 1e9
            self.figures(stamp_ns, "rate", {"shown": (len(self._stamps) - 1) / seconds})

    def patches(self, patches: PatchArray) -> None:
        """Outline the selected patches, those owed to the LiDAR in its color."""
        (width, height), size = patches.image_size, patches.patch_size
        row, col = np.divmod(patches.selected.astype(np.int64), patches.weights.shape[1])
        corners = np.stack((col, row), axis=1) * size
        by_lidar = patches.reasons() == REASON_LIDAR
        stamp_ns = patches.header.stamp_ns
        boxes = rr.Boxes2D(
            mins=corners,
            sizes=np.minimum(corners + size, (width, height)) - corners,
            colors=np.where(by_lidar[:, None], PRIOR[::-1], OUTLINE[::-1]).astype(np.uint8),
            labels=[f"{w:.2f}" for w in patches.weights.reshape(-1)[patches.selected]],
            show_labels=False,
        )
        self._log(stamp_ns, PATCHES, boxes)
        counts = {"selected": len(patches.selected), "budget": patches.budget}
        self.figures(stamp_ns, "patches", counts)

    def saliency(self, image: Pixels, patches: PatchArray) -> None:
        """Show every patch's weight as heat over its image."""
        picture = saliency(
            image,
            patches.weights,
            patches.selected.astype(np.int32),
            patches.patch_size,
            patches.prior,
        )
        self._log(patches.header.stamp_ns, SALIENCY, _jpeg(picture))

    def camera(self, stamp_ns: int, camera: Camera, T_base_camera: Matrix) -> None:  # noqa: N803
        """Place the camera on the robot; the frustum has no distortion."""
        pinhole = rr.Pinhole(
            image_from_camera=camera.k,
            resolution=(camera.width, camera.height),
            camera_xyz=rr.ViewCoordinates.RDF,
            image_plane_distance=_FRUSTUM_M,
        )
        self._log(stamp_ns, CAMERA, pinhole, _transform(T_base_camera))

    def robot(self, stamp_ns: int, T_world_base: Matrix) -> None:  # noqa: N803
        """Place the robot in the grid's frame."""
        self._log(stamp_ns, ROBOT, _transform(T_world_base))

    def points(self, stamp_ns: int, points: NDArray[np.float32]) -> None:
        """Show a scan, (N, 3) meters in the base frame, colored by the distance."""
        seen = points[finite(points)]
        seen = seen[:: -(-len(seen) // MOST_POINTS) or 1]
        colors = range_colors(np.linalg.norm(seen, axis=1).astype(np.float32))
        self._log(stamp_ns, POINTS, rr.Points3D(seen, colors=colors, radii=0.03))

    def grid(self, stamp_ns: int, grid: Grid) -> None:
        """Show an occupancy grid on the ground, in RViz's colors."""
        rows, cols = grid.data.shape
        gray = rr.components.ImageFormat(
            width=cols, height=rows, color_model="L", channel_datatype="U8"
        )
        picture = rr.GridMap(
            data=grid.data[::-1].tobytes(),  # an image's first row is the farthest to the left
            format=gray,
            cell_size=grid.resolution,
            translation=(*grid.origin_xy, 0.0),
            opacity=0.8,
            colormap=rr.components.Colormap.RvizMap,
        )
        self._log(stamp_ns, GRID, picture)

    def boxes(self, stamp_ns: int, boxes: Sequence[Box]) -> None:
        """Show labeled boxes of the base frame, in the colors of their classes."""
        known = {c.name: c.color for c in self._classes.classes} if self._classes else {}
        turns = [(0.0, 0.0, np.sin(b.yaw / 2), np.cos(b.yaw / 2)) for b in boxes]
        cubes = rr.Boxes3D(
            centers=[b.center for b in boxes],
            sizes=[b.size for b in boxes],
            quaternions=turns,
            colors=[known.get(b.label, _ORANGE) for b in boxes],
            labels=[b.label for b in boxes],
            show_labels=False,
            fill_mode=rr.components.FillMode.MajorWireframe,
        )
        self._log(stamp_ns, BOXES, cubes)

    def figures(self, stamp_ns: int, group: str, values: Mapping[str, float]) -> None:
        """Continue the curves of a plot; what is not finite leaves a gap."""
        for name, value in values.items():
            if np.isfinite(value):
                self._log(stamp_ns, f"{FIGURES}/{group}/{name}", rr.Scalars(value))

    def message(self, stamp_ns: int, text: str, level: str) -> None:
        """Add a line; `level` is INFO, WARN or ERROR."""
        self._log(stamp_ns, MESSAGES, rr.TextLog(text, level=level))

    def _log(self, stamp_ns: int, entity: str, *archetypes: Any) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp_ns, "ns"))
        self._stream.log(entity, *archetypes)


def _jpeg(image: Pixels) -> rr.EncodedImage:
    return rr.EncodedImage(contents=encode_jpeg(image, _QUALITY), media_type="image/jpeg")


def _transform(matrix: Matrix) -> rr.Transform3D:
    return rr.Transform3D(
        translation=matrix[:3, 3], quaternion=rr.Quaternion(xyzw=to_quaternion(matrix[:3, :3]))
    )

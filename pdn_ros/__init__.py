"""PatchDriveNet for ROS 2: camera segmentation that spends its precision where it matters.

>>> from pdn_ros import PatchDriveNet
>>> net = PatchDriveNet.load()
>>> prediction = net.predict(image)  # (H, W, 3) uint8 BGR
"""

from pkgutil import extend_path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pdn_ros.network import PatchDriveNet

# The sources and the generated messages (pdn_ros.msg) may lie in two folders of the path.
__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
__all__ = ["PatchDriveNet", "__version__"]


def __getattr__(name: str) -> type:
    """Import torch only when the network is asked for."""
    if name == "PatchDriveNet":
        from pdn_ros.network import PatchDriveNet

        return PatchDriveNet
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Where the networks' inputs come from: an image in host memory, or one on a GPU."""

from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pdn_ros.network.network_config import PatchGrid


class Pixels(Protocol):
    """One image, BGR uint8, as the networks take it: tensors (N, 3, h, w) on their device."""

    def whole(self) -> Tensor:
        """Return the image, (1, 3, H, W)."""
        ...

    def shrunk(self, size: tuple[int, int]) -> Tensor:
        """Return the image at another size (height, width), by the mean over areas."""
        ...

    def crops(self, grid: PatchGrid, patches: NDArray[np.int32], halo: int) -> Tensor:
        """Cut patches with their halo, (K, 3, p + 2 * halo, p + 2 * halo).

        Pixels beyond the image repeat its edge.
        """
        ...


def pixels_of(image: NDArray[np.uint8], device: torch.device | str) -> Pixels:
    """Return the image (H, W, 3) uint8 BGR where the device can have it."""
    return HostPixels(image) if torch.device(device).type == "cpu" else DevicePixels(image, device)


class HostPixels:
    """An image in host memory: OpenCV resizes, numpy cuts; the whole one is never copied."""

    def __init__(self, image: NDArray[np.uint8]) -> None:
        self._image = image

    def whole(self) -> Tensor:
        """Return the image."""
        return _to_tensor(self._image[None])

    def shrunk(self, size: tuple[int, int]) -> Tensor:
        """Return the image at another size.

        OpenCV is fast at means by whole factors alone: others are taken in two steps, the mean by
        the largest whole factor and the rest, less than 2, linearly (a sixth of the time at
        1920x1080).
        """
        image = self._image
        height, width = image.shape[:2]
        factor = min(height // size[0], width // size[1])
        way = cv2.INTER_AREA
        if factor > 1 and height % factor == width % factor == 0:
            whole = (width // factor, height // factor)
            image = np.asarray(cv2.resize(image, whole, interpolation=way), np.uint8)
            way = cv2.INTER_LINEAR
        small = cv2.resize(image, (size[1], size[0]), interpolation=way)
        return _to_tensor(np.asarray(small, np.uint8)[None])

    def crops(self, grid: PatchGrid, patches: NDArray[np.int32], halo: int) -> Tensor:
        """Cut patches with their halo."""
        image, side = self._image, grid.size + 2 * halo
        crops = np.empty((len(patches), side, side, 3), np.uint8)
        for crop, patch in zip(crops, patches.tolist(), strict=True):
            top = patch // grid.cols * grid.size - halo
            left = patch % grid.cols * grid.size - halo
            y0, y1 = max(top, 0), min(top + side, grid.height)
            x0, x1 = max(left, 0), min(left + side, grid.width)
            inner = crop[y0 - top : y1 - top, x0 - left : x1 - left]
            inner[:] = image[y0:y1, x0:x1]
            if inner.shape[:2] != (side, side):
                borders = (y0 - top, top + side - y1, x0 - left, left + side - x1)
                crop[:] = cv2.copyMakeBorder(image[y0:y1, x0:x1], *borders, cv2.BORDER_REPLICATE)
        return _to_tensor(crops)


class DevicePixels:
    """An image that is sent to a device once, as bytes; everything else happens there."""

    def __init__(self, image: NDArray[np.uint8] | Tensor, device: torch.device | str) -> None:
        """Send the image.

        Args:
            image: (H, W, 3) uint8 BGR; it may be there already.
            device: Where it goes.
        """
        tensor = torch.as_tensor(image)
        if torch.device(device).type == "cuda" and not tensor.is_cuda:
            tensor = tensor.pin_memory()
        self._image = tensor.to(device, non_blocking=True)

    def whole(self) -> Tensor:
        """Return the image."""
        return self._image[None].permute(0, 3, 1, 2)

    def shrunk(self, size: tuple[int, int]) -> Tensor:
        """Return the image at another size."""
        small = functional.interpolate(self.whole().float(), size=size, mode="area")
        return small.round_().to(torch.uint8)

    def crops(self, grid: PatchGrid, patches: NDArray[np.int32], halo: int) -> Tensor:
        """Cut patches with their halo, by one gather."""
        image = self._image
        corners = np.stack(np.divmod(patches.astype(np.int64), grid.cols), 1) * grid.size - halo
        offsets = torch.arange(grid.size + 2 * halo, device=image.device)
        y, x = (
            (corner[:, None] + offsets).clamp_(0, most - 1)
            for corner, most in zip(
                torch.from_numpy(corners).to(image.device).unbind(1), image.shape[:2], strict=True
            )
        )
        return image[y[:, :, None], x[:, None, :]].permute(0, 3, 1, 2)


def _to_tensor(images: NDArray[np.uint8]) -> Tensor:
    """View (N, H, W, 3) as (N, 3, H, W)."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)

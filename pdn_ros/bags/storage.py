"""A bag's file: an mcap storage that compresses where it pays, and message definitions."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from rosbags.rosbag2 import CompressionMode, StoragePlugin, Writer
from rosbags.rosbag2.storage_mcap import McapWriter
from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pdn_ros.resources import message_folders

_SAMPLES: Final = 4
_SAMPLE_BYTES: Final = 16 * 1024
_WORTH: Final = 0.6  # compress where the file shrinks below this share


class SelectiveMcap(McapWriter):
    """Compresses a chunk (about one image) with zstd where a sample of it shrinks well.

    Masks and depth maps shrink to a tenth and less. Camera images with noise hardly do, and
    unpacking them would cost every reader more than reading them.
    """

    def __init__(self, path: Path, compression: CompressionMode) -> None:
        """Open the file; `compression` is what the rosbags library passes, unused."""
        del compression
        super().__init__(path, CompressionMode.STORAGE)
        self._zstd = self.compressor

    def close_chunk(self) -> None:
        """Write the pending chunk, compressed or not."""
        with self.chunk.bio.getbuffer() as data:
            stride = max(len(data) // _SAMPLES, _SAMPLE_BYTES)
            sample = b"".join(data[i : i + _SAMPLE_BYTES] for i in range(0, len(data), stride))
        worth = len(self._zstd(sample)) < _WORTH * len(sample)
        self.compression = "zstd" if worth else ""
        self.compressor = self._zstd if worth else lambda raw: raw
        super().close_chunk()


class McapBagWriter(Writer):
    """The rosbags library's rosbag2 writer, on `SelectiveMcap`."""

    STORAGE_PLUGINS: Mapping[StoragePlugin, type[Any]] = {StoragePlugin.MCAP: SelectiveMcap}

    def __init__(self, path: Path) -> None:
        """Prepare a bag in the metadata version of ROS 2 Jazzy."""
        super().__init__(path, version=9, storage_plugin=StoragePlugin.MCAP)


@cache
def typestore() -> Typestore:
    """Return the message definitions that go into bags; shared, so do not add types."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for package, folder in message_folders().items():
        for path in sorted(folder.glob("*.msg")):
            name = f"{package}/msg/{path.stem}"
            if name not in store.types:
                store.register(get_types_from_msg(path.read_text(encoding="utf-8"), name))
    return store

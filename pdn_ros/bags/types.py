"""Message types: those of ROS 2 Jazzy and the package's own."""

from functools import cache

from rosbags.typesys import Stores, get_types_from_msg, get_typestore
from rosbags.typesys.store import Typestore

from pdn_ros.resources import message_folders


@cache
def typestore() -> Typestore:
    """Return the definitions that go into bags; nobody adds types to them."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for package, folder in message_folders().items():
        for path in sorted(folder.glob("*.msg")):
            name = f"{package}/msg/{path.stem}"
            if name not in store.types:
                store.register(get_types_from_msg(path.read_text(encoding="utf-8"), name))
    return store

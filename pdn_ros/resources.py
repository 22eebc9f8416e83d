"""Where the files that ship with the package lie."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def config_path(name: str) -> Path:
    """Return the path of a file under `config/`, for example `classes/street.yaml`.

    An installed package carries the folder inside itself, a source checkout beside itself.

    Raises:
        FileNotFoundError: No such file ships with the package.
    """
    for folder in (_PACKAGE / "config", _PACKAGE.parent / "config"):
        if (folder / name).is_file():
            return folder / name
    raise FileNotFoundError(f"config/{name} is not part of this installation of pdn_ros")


def weights_path() -> Path:
    """Return the path of the shipped weights."""
    return _PACKAGE / "weights" / "street.safetensors"


def message_folders() -> dict[str, Path]:
    """Return the folder of `.msg` files of each package whose definitions pdn_ros ships.

    An installed package carries them as `definitions/PACKAGE/`, a source checkout has them where
    rosidl expects them. Packages whose definitions are not there are left out.
    """
    places = {
        "pdn_ros": (_PACKAGE / "definitions" / "pdn_ros", _PACKAGE.parent / "msg"),
        "vision_msgs": (
            _PACKAGE / "definitions" / "vision_msgs",
            _PACKAGE.parent / "support" / "vision_msgs" / "msg",
        ),
    }
    return {
        package: folder
        for package, folders in places.items()
        if (folder := next((f for f in folders if f.is_dir()), None)) is not None
    }

"""Weights on disk: safetensors with what is needed to read them again."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from pdn_ros.network.config import NetworkConfig
from pdn_ros.network.model import PatchDriveNet

FORMAT: Final = "pdn-1"
SHIPPED: Final = Path(__file__).resolve().parent.parent / "weights" / "street.safetensors"


def save(net: PatchDriveNet, path: Path, *, training: str = "", figures: str = "") -> None:
    """Write weights in half precision.

    Args:
        net: The network.
        path: File to write; the caller renames it into place.
        training: Training configuration (YAML), kept as metadata.
        figures: Measured figures (JSON), kept as metadata.
    """
    tensors = {k: v.detach().half().contiguous() for k, v in net.state_dict().items()}
    metadata = {
        "format": FORMAT,
        "network": json.dumps(asdict(net.config)),
        "classes": net.classes,
        "training": training,
        "figures": figures,
    }
    save_file(tensors, path, metadata=metadata)


def load(path: str | Path | None = None) -> PatchDriveNet:
    """Read weights; without a path those that ship with the package.

    Raises:
        ValueError: The file is absent, damaged, or of another format version.
    """
    file = Path(path) if path else SHIPPED
    try:
        with safe_open(file, framework="pt") as archive:
            metadata = archive.metadata() or {}
            names: list[str] = archive.keys()
            state = {name: archive.get_tensor(name).float() for name in names}
    except OSError as error:
        raise ValueError(
            f"weights {file}: cannot be read ({error}); give a .safetensors"
        ) from error
    except SafetensorError as error:
        raise ValueError(f"weights {file}: damaged ({error}); fetch or train them anew") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"weights {file}: format {metadata.get('format')!r}, this version reads {FORMAT!r}; "
            "train them anew with pdn train"
        )
    net = PatchDriveNet(NetworkConfig(**json.loads(metadata["network"])), metadata["classes"])
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(
            f"weights {file}: do not fit the network ({str(error).splitlines()[0]})"
        ) from error
    return net.channels_last().eval()

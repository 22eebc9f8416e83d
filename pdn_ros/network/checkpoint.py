"""Weights on disk: safetensors with what is needed to read them again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, isfinite

from pdn_ros.network.network_config import NetworkConfig

FORMAT: Final = "pdn-2"
_ANEW: Final = "train them anew with pdn train"
_CONTEXT, _DENSE = "context.", "dense."
SHIPPED: Final = Path(__file__).resolve().parent.parent / "weights" / "street.safetensors"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a file of weights holds.

    Attributes:
        config: The network's hyper-parameters.
        classes: Class set as JSON.
        state: Tensors by name; float32 in memory, half precision on disk.
        training: Training configuration (YAML).
        figures: Measured figures (JSON).
    """

    config: NetworkConfig
    classes: str
    state: dict[str, Tensor]
    training: str = ""
    figures: str = ""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights; the caller renames the file into place.

    Where the dense network has the context's weights they are stored once.
    """
    metadata = {
        "format": FORMAT,
        "network": json.dumps(asdict(checkpoint.config)),
        "classes": checkpoint.classes,
        "training": checkpoint.training,
        "figures": checkpoint.figures,
    }
    tensors = {k: v.detach().half().contiguous() for k, v in checkpoint.state.items()}
    twins = {k: _CONTEXT + k.removeprefix(_DENSE) for k in tensors if k.startswith(_DENSE)}
    if all(tensors[mine].equal(tensors[other]) for mine, other in twins.items()):
        tensors = {k: v for k, v in tensors.items() if k not in twins}
    save_file(tensors, path, metadata=metadata)


def read_checkpoint(path: str | Path | None = None) -> Checkpoint:
    """Read weights; without a path those that ship with the package.

    Raises:
        ValueError: The file is absent, damaged, or of another format version; a tensor is not
            finite, or what the file says of itself is absent or contradicts itself.
    """
    file = Path(path) if path else SHIPPED
    try:
        with safe_open(file, framework="pt") as archive:
            metadata = archive.metadata() or {}
            names: list[str] = archive.keys()
            state = {name: archive.get_tensor(name).float() for name in names}
            if not any(name.startswith(_DENSE) for name in names):
                shared = [name for name in names if name.startswith(_CONTEXT)]
                state |= {_DENSE + n.removeprefix(_CONTEXT): state[n] for n in shared}
    except OSError as error:
        raise ValueError(
            f"weights {file}: cannot be read ({error}): give a .safetensors"
        ) from error
    except SafetensorError as error:
        raise ValueError(f"weights {file}: damaged ({error}); fetch or train them anew") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"weights {file}: format {metadata.get('format')!r}, this version reads {FORMAT!r}; "
            + _ANEW
        )
    try:
        config = NetworkConfig(**json.loads(metadata["network"]))
        names = [item["name"] for item in json.loads(metadata["classes"])["classes"]]
        training, figures = metadata["training"], metadata["figures"]
    except KeyError as error:
        raise ValueError(f"weights {file}: no {error} in the metadata; {_ANEW}") from error
    except (ArithmeticError, TypeError, ValueError) as error:
        raise ValueError(f"weights {file}: metadata cannot be read ({error}); {_ANEW}") from error
    if len(names) != config.num_classes:
        raise ValueError(
            f"weights {file}: {len(names)} class names for {config.num_classes} classes; {_ANEW}"
        )
    for name, tensor in state.items():
        if not isfinite(tensor).all():
            raise ValueError(f"weights {file}: {name} has numbers that are not finite; {_ANEW}")
    return Checkpoint(config, metadata["classes"], state, training, figures)

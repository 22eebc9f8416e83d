"""Parts as ONNX files, for the backends that read them."""

import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pdn_ros.errors import InputError
from pdn_ros.perception.backends.compiled import Part


def write_onnx(part: Part, examples: tuple[Tensor, ...], path: Path) -> None:
    """Write a part as ONNX, K free.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    patches = torch.export.Dim("patches", min=1, max=2**15)
    axes = tuple({part.free[i]: patches} if i in part.free else None for i in range(len(examples)))
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it names every library whose operators it cannot look up
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program: Any = torch.onnx.export(
                part,
                examples,
                dynamo=True,
                dynamic_shapes=axes,
                input_names=list(part.inputs),
                output_names=list(part.outputs),
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise InputError(
            f"ONNX export: {error.name} is not installed; pip install onnx onnxscript"
        ) from error
    finally:
        exporter.setLevel(level)
    program.save(path)

"""Stages as ONNX files, for the backends that read them."""

import logging
import warnings
from typing import Any

import torch

from pdn_ros.errors import InputError
from pdn_ros.perception.backends.stages import Stage, Tensors, on


def onnx_model(stage: Stage, examples: Tensors) -> Any:
    """Return a stage as an ONNX program, K free; its `save(path)` writes it.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    patches = torch.export.Dim("patches", min=1, max=2**15)
    axes = [{stage.free[i]: patches} if i in stage.free else None for i in range(len(examples))]
    device = next(stage.parameters()).device
    exporter = logging.getLogger("torch.onnx")
    level = exporter.level
    exporter.setLevel(logging.ERROR)  # it names every library whose operators it cannot look up
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                stage,
                on(device, examples),
                dynamo=True,
                dynamic_shapes=(tuple(axes),),
                input_names=list(stage.inputs),
                output_names=list(stage.outputs),
                verbose=False,
            )
    except ModuleNotFoundError as error:
        raise InputError(
            f"ONNX export: {error.name} is not installed; pip install onnx onnxscript"
        ) from error
    finally:
        exporter.setLevel(level)

"""Stages as ONNX files, for the backends that read them."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import torch

from pdn_ros.errors import InputError
from pdn_ros.perception.backends.stages import Stage, Tensors, on

_CHATTY: Final = ("torch.onnx", "onnx_ir", "onnxscript")
"""Loggers of the exporter: each of its steps a line, and each library that it cannot look up."""


def onnx_model(stage: Stage, examples: Tensors) -> bytes:
    """Return a stage as an ONNX model, K free.

    Raises:
        InputError: onnx or onnxscript is not installed.
    """
    patches = torch.export.Dim("patches", min=1, max=2**15)
    axes = [{stage.free[i]: patches} if i in stage.free else None for i in range(len(examples))]
    device = next(stage.parameters()).device
    try:
        with _quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                stage,
                on(device, examples),
                dynamo=True,
                dynamic_shapes=(tuple(axes),),
                input_names=list(stage.inputs),
                output_names=list(stage.outputs),
                verbose=False,
            )
            assert program is not None  # with dynamo=True it always is
            return bytes(program.model_proto.SerializeToString())
    except ModuleNotFoundError as error:
        raise InputError(
            f"ONNX export: {error.name} is not installed; pip install onnx onnxscript"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _CHATTY]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

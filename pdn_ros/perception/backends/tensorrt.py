"""TensorRT on a GPU. Written to its documented interface; not measured yet."""

from typing import Any

import numpy as np
import tensorrt
import torch
from torch import Tensor

from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.compiled import (
    Arrays,
    BackendError,
    CompiledParts,
    Runner,
)
from pdn_ros.perception.backends.onnx_export import onnx_model
from pdn_ros.perception.backends.stages import Stage, Tensors
from pdn_ros.perception.backends.store import Store

MOST_PATCHES = 512
"""Largest K that an engine is built for."""
USUAL_PATCHES = 34
"""K that an engine is tuned for: a quarter of the patches at 1920x1080."""


class TensorRtParts(CompiledParts):
    """The network's stages as TensorRT engines (`model.engine`), half precision where it pays."""

    file_name = "model.engine"

    def __init__(self, net: PatchDriveNet, store: Store) -> None:
        super().__init__(net, store, "float16")

    def _build(self, stage: Stage, examples: Tensors) -> Any:
        logger = tensorrt.Logger(tensorrt.Logger.ERROR)
        builder = tensorrt.Builder(logger)
        network = builder.create_network(0)
        parser = tensorrt.OnnxParser(network, logger)
        if not parser.parse(onnx_model(stage, examples)):
            raise BackendError(f"TensorRT cannot take the network ({parser.get_error(0)})")
        config = builder.create_builder_config()
        if hasattr(tensorrt.BuilderFlag, "FP16"):  # versions without it follow the ONNX types
            config.set_flag(tensorrt.BuilderFlag.FP16)
        if stage.free:
            profile = builder.create_optimization_profile()
            for i in stage.free:
                rest = tuple(examples[i].shape[1:])
                counts = (1, USUAL_PATCHES, MOST_PATCHES)
                profile.set_shape(stage.inputs[i], *((count, *rest) for count in counts))
            config.add_optimization_profile(profile)
        engine = builder.build_serialized_network(network, config)
        if engine is None:
            raise BackendError("TensorRT cannot build the engine")
        return bytes(engine)

    def _compile(self, model: Any) -> Runner:
        runtime = tensorrt.Runtime(tensorrt.Logger(tensorrt.Logger.ERROR))
        engine = runtime.deserialize_cuda_engine(model)
        if engine is None:
            raise BackendError("an engine made for another GPU or TensorRT; write it anew")
        context = engine.create_execution_context()
        names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

        def run(inputs: Arrays) -> Arrays:
            held: list[Any] = []
            outputs: list[Tensor] = []
            with torch.cuda.stream(stream):
                for name, array in zip(names, inputs, strict=False):
                    tensor = torch.from_numpy(array).cuda()
                    held.append(tensor)
                    context.set_input_shape(name, tuple(tensor.shape))
                    context.set_tensor_address(name, tensor.data_ptr())
                for name in names[len(inputs) :]:
                    dtype = _TORCH[tensorrt.nptype(engine.get_tensor_dtype(name))]
                    output = torch.empty(
                        tuple(context.get_tensor_shape(name)), dtype=dtype, device="cuda"
                    )
                    outputs.append(output)
                    context.set_tensor_address(name, output.data_ptr())
                context.execute_async_v3(stream.cuda_stream)
            stream.synchronize()
            return [output.float().cpu().numpy() for output in outputs]

        return run


_TORCH = {np.float32: torch.float32, np.float16: torch.float16}

"""ONNX Runtime, on the CPU or through its CUDA provider."""

from typing import Any

import onnxruntime

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


class OnnxRuntimeParts(CompiledParts):
    """The network's stages as ONNX models (`model.onnx`).

    Raises:
        BackendError: A GPU is asked for and this onnxruntime was built without.
    """

    file_name = "model.onnx"

    def __init__(self, net: PatchDriveNet, store: Store, device: str = "cpu") -> None:
        super().__init__(net, store, "float32")
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]
        if provider not in onnxruntime.get_available_providers():
            raise BackendError(f"this build lacks {provider}; pip install onnxruntime-gpu")
        self._providers = [provider]

    def _build(self, stage: Stage, examples: Tensors) -> Any:
        return onnx_model(stage, examples)

    def _compile(self, model: Any) -> Runner:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that spin between the parts would take the cores from everything else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(model, options, providers=self._providers)
        names = [i.name for i in session.get_inputs()]

        def run(inputs: Arrays) -> Arrays:
            return list(session.run(None, dict(zip(names, inputs, strict=True))))

        return run

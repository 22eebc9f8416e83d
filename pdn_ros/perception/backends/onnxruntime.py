"""ONNX Runtime, on the CPU or through its CUDA provider."""

from pathlib import Path

import onnxruntime
from torch import Tensor

from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.perception.backends.compiled import Arrays, CompiledParts, Part, Runner
from pdn_ros.perception.backends.onnx import write_onnx
from pdn_ros.perception.backends.store import Store


class OnnxRuntimeParts(CompiledParts):
    """The network's parts as ONNX models (`model.onnx`).

    Raises:
        InputError: A GPU is asked for and this onnxruntime was built without.
    """

    def __init__(self, net: PatchDriveNet, store: Store, device: str = "cpu") -> None:
        super().__init__(net, store)
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[device]
        if provider not in onnxruntime.get_available_providers():
            raise InputError(
                f"backend onnxruntime: this build lacks {provider}; pip install onnxruntime-gpu"
            )
        if device == "cuda":
            self.tolerance = 0.01  # TF32 convolutions
        self._providers = [provider]

    def _build(self, part: Part, examples: tuple[Tensor, ...], folder: Path) -> None:
        device = next(part.parameters()).device
        write_onnx(part, tuple(t.to(device) for t in examples), folder / "model.onnx")

    def _open(self, folder: Path) -> Runner:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        # Threads that spin between the parts would take the cores from everything else.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        session = onnxruntime.InferenceSession(
            folder / "model.onnx", options, providers=self._providers
        )
        names = [i.name for i in session.get_inputs()]

        def run(inputs: Arrays) -> Arrays:
            return list(session.run(None, dict(zip(names, inputs, strict=True))))

        return run

"""Memory that runs out, and GPUs."""

import numpy as np
import pytest
import torch
from pictures import picture

from pdn_ros.errors import InputError
from pdn_ros.network import PatchDriveNet
from pdn_ros.perception import Pipeline, PipelineConfig

pytestmark = pytest.mark.usefixtures("own_cache")


class Hungry:
    """Parts that fail from a number of patches on; -1: always."""

    backend = "torch"
    models = ("torch", "float32", 0)

    def __init__(self, net: PatchDriveNet, most: int) -> None:
        self.net, self.most = net, most
        self.run_dense = net.run_dense

    def run_context(self, *args):
        if self.most < 0:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net.run_context(*args)

    def run_refinement(self, crops, *args):
        if len(crops) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self.net.run_refinement(crops, *args)


def test_memory_that_runs_out_costs_patches_and_is_said(net, caplog) -> None:
    pipeline = Pipeline(PipelineConfig(backend="torch", device="cpu", budget=8))
    pipeline._parts = Hungry(net, most=3)
    image = picture(512, 512)  # 16 patches
    for _ in range(2):
        result = pipeline.segment(image)
        assert (result.budget, len(result.selected)) == (2, 2)
        assert result.budget_reason == "out of GPU memory"
    assert caplog.text.count("at most") == 2  # 8 -> 4 -> 2, and then it is known


def test_memory_that_runs_out_for_good_leads_to_the_cpu(net, caplog) -> None:
    pipeline = Pipeline(PipelineConfig(backend="torch", device="cpu", budget=4))
    pipeline._parts = Hungry(net, most=-1)
    result = pipeline.segment(picture(256, 256))
    assert result.budget_reason == "out of GPU memory: on the CPU"
    assert pipeline.device == "cpu" and len(result.selected) == 4
    assert "runs on the CPU from now on" in caplog.text


def test_cuda_without_a_gpu_is_one_line() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="device cuda: torch sees no GPU"):
        Pipeline(PipelineConfig(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_the_gpu_agrees_with_the_cpu() -> None:
    image = picture(512, 768)
    gpu, cpu = (Pipeline(PipelineConfig(backend="torch", device=d)) for d in ("cuda", "cpu"))
    expected = cpu.segment(image)
    for _ in range(3):  # eager, captured, replayed
        result = gpu.segment(image)
        np.testing.assert_allclose(result.weights, expected.weights, atol=0.02)
        assert (result.mask == expected.mask).mean() > 0.99

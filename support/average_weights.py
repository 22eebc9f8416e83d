"""Average two files of weights, one of which was trained on from the other.

python support/average_weights.py A.safetensors B.safetensors OUT.safetensors

The driver is A's, the dense network gets the context's weights. The mean of such weights often does
better on other streets than either (Wortsman et al., "Model soups", ICML 2022).
"""

import sys
from pathlib import Path

import torch

from pdn_ros.files import atomic
from pdn_ros.network import PatchDriveNet
from pdn_ros.network.checkpoint import read_checkpoint


@torch.no_grad()
def main(first: str, second: str, out: str) -> None:
    """Write the mean."""
    net, other = PatchDriveNet.load(first), PatchDriveNet.load(second)
    for mine, theirs in ((net.context, other.context), (net.refinement, other.refinement)):
        for a, b in zip(mine.parameters(), theirs.parameters(), strict=True):
            a.lerp_(b, 0.5)
    net.dense.load_state_dict(net.context.state_dict())
    with atomic(Path(out)) as part:
        net.save(part, training=read_checkpoint(first).training)


if __name__ == "__main__":
    main(*sys.argv[1:])

from collections.abc import Iterator

import pytest
import torch

from pdn_ros.training import loop


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small images: threads would wait for each other, longer still on a busy machine."""
    monkeypatch.setattr(loop, "_cores", lambda: 1)
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)

"""ColorizeDiffusion compiled, as the host's node TorchCompileModel does it."""

import pytest
import torch

pytest.importorskip("comfy.sample", reason="needs ComfyUI: set COMFYUI_PATH")
from comfy.ldm.modules import attention
from comfy_extras.nodes_torch_compile import TorchCompileModel
from torch._dynamo.utils import counters

from .colorizediffusion import run


def test_the_hosts_node_makes_one_graph(loaded, monkeypatch):
    """Without the compiler behind it, which takes minutes on a CPU, and with attention as on a graphics card."""
    monkeypatch.setattr(attention, "optimized_attention", attention.attention_pytorch)
    model = loaded["sdxl"][0]
    plain = run(model, steps=2)
    torch._dynamo.reset()
    counters.clear()
    compiled = TorchCompileModel.execute(model, "eager").result[0]
    assert torch.allclose(run(compiled, steps=2), plain, atol=1e-4)
    assert not counters["graph_break"] and counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()
    assert torch.equal(run(model, steps=2), plain), "the model itself is as it was"

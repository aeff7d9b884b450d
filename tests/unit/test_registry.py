"""Files as they are published, saved, mistaken and broken."""

import pytest
import torch
from lineart_colorize.models.diffusart.network import Diffusart
from lineart_colorize.models.registry import identify

TINY = Diffusart(dim=16, widths=(8, 32, 8, 8, 8), encoder_widths=(8, 8, 8, 8, 8)).state_dict()


def prefixed(prefix):
    return {prefix + key: tensor for key, tensor in TINY.items()}


@pytest.mark.parametrize("prefix", ["", "module.", "model.", "model.diffusion_model.", "diffusion_model."])
def test_prefixes(prefix):
    assert identify(prefixed(prefix)).state_dict.keys() == TINY.keys()


@pytest.mark.parametrize("name", ["state_dict", "model_state_dict", "model_state_dict_ema"])
def test_wrappers(name):
    found = identify({name: prefixed("module."), "epoch": 3, "optimizer_state_dict": {"state": {}}})
    assert found.system == "diffusart"
    assert found.state_dict.keys() == TINY.keys()


def test_the_averaged_weights_are_preferred():
    ema = {key: tensor + 1 for key, tensor in TINY.items()}
    found = identify({"model_state_dict": TINY, "model_state_dict_ema": ema, "loss": torch.tensor(1.0)})
    assert torch.equal(found.state_dict["init_conv.bias"], ema["init_conv.bias"])


def test_what_another_node_saved_beside_the_network_is_left_out():
    assert identify({**prefixed("model.diffusion_model."), "first_stage_model.x": torch.zeros(1)}).config["dim"] == 16


def test_missing_and_unexpected_keys_are_named():
    broken = {key: tensor for key, tensor in TINY.items() if key != "mid_block2.mlp.1.bias"}
    with pytest.raises(ValueError, match=r"1 missing: mid_block2\.mlp\.1\.bias"):
        identify(broken)
    with pytest.raises(ValueError, match="1 unexpected: surplus"):
        identify({**TINY, "surplus": torch.zeros(1)})
    with pytest.raises(ValueError, match=r"1 of another shape: final_conv\.2\.bias \(4,\) instead of \(3,\)"):
        identify({**TINY, "final_conv.2.bias": torch.zeros(4)})


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        ({"model.diffusion_model.input_blocks.0.0.weight": torch.zeros(1)}, "Stable Diffusion checkpoint"),
        ({"lora_unet_x.lora_up.weight": torch.zeros(1)}, "a LoRA"),
        ({"decoder.conv_in.weight": torch.zeros(1)}, "a VAE"),
        ({"fc.weight": torch.zeros(1), "fc.bias": torch.zeros(1)}, r"2 tensors, named fc\.weight, fc\.bias"),
        ({}, "no tensors"),
        (torch.zeros(3), "a Tensor instead of named tensors"),
        ([1, 2], "a list instead of named tensors"),
    ],
)
def test_anything_else_is_described(contents, told):
    with pytest.raises(ValueError, match=told):
        identify(contents)

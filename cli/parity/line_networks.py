"""What the golden files of the line networks share: the tiny network, its inner maps, OpenCV's preparation."""

import cv2
import numpy as np
import torch


def build(module, network, golden):
    weights = {name.removeprefix("weights/"): golden[name] for name in golden if name.startswith("weights/")}
    built = network(**module.config(weights)).eval()
    built.load_state_dict(weights)
    return built


def picture(levels):
    """8-bit (H, W, 3) as an IMAGE (1, H, W, 3) in 0..1."""
    return levels[None].float() / 255


def maps(network, x, names, **options):
    """The outputs of the named modules in one forward of x, copied before the next module writes into them."""
    found = {}

    def keep(name):
        return lambda module, inputs, output: found.__setitem__(name, output.clone())

    hooks = [network.get_submodule(name).register_forward_hook(keep(name)) for name in names]
    network(x, **options)
    for hook in hooks:
        hook.remove()
    return found


def cut(values):
    """Grey levels rounded down, as a cast to uint8 does."""
    return values.clamp(0, 255).floor()


def controlnet_aux(levels, resolution, extract):
    """controlnet_aux around a line network: (H, W, 3) 8 bits -> white lines (H', W') in grey levels.

    Shortest side `resolution`, edge-padded to multiples of 64; extract: 8-bit array (H, W, 3) -> lines (H, W), 255 =
    paper.
    """
    source = levels.numpy()
    scale = resolution / min(source.shape[:2])
    height, width = (round(side * scale) for side in source.shape[:2])
    resized = resize(source, height, width, cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    padded = np.pad(resized, ((0, -height % 64), (0, -width % 64), (0, 0)), mode="edge")
    return 255 - torch.from_numpy(extract(padded))[:height, :width].float()


def resize(array, height, width, mode):
    return cv2.resize(array, (width, height), interpolation=mode)


def resolution(name):
    """Of the tensor name .../out_res256."""
    return int(name.rsplit("res", 1)[1])

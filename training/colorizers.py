"""Reference colorizers without the host: a file as a function of drawings and references."""

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..models.animediffusion import diffusion
from ..models.image import resize
from ..models.registry import KINDS, find, identify, unwrap
from ..models.scft.correspondence import working_size
from . import sampling

SIDE = 256  # px, the one size that SCFT's published weights know


def load(path, device="cpu"):
    """The colorizer in a file: line (B, 1, H, W) and reference (B, 3, H, W), 0..1 -> colours (B, 3, H, W), 0..1.

    Raises ValueError for a file that is damaged or follows no reference.
    """
    contents = read(path)
    kind = kind_of(contents)
    found = identify(contents, kind)
    if found.system not in COLORIZERS:
        raise ValueError(f"It is a {found.system} file, which follows no reference ({', '.join(COLORIZERS)} do).")
    return partial(run, COLORIZERS[found.system], build(found, kind).to(device), device)


def network(path, system):
    """The network of that system in a file, on the CPU; ValueError for a file that is damaged or another's."""
    contents = read(path)
    kind = kind_of(contents)
    found = identify(contents, kind)
    if found.system != system:
        raise ValueError(f"It is a {found.system} file; expected one of {system}.")
    return build(found, kind)


def build(found, kind):
    """The network that `identify` has found, with its weights in fp32."""
    network = KINDS[kind][0][found.system][1](**found.config)
    network.load_state_dict(found.state_dict)
    return network.float().eval().requires_grad_(False)


def read(path):
    """Contents of a checkpoint by safetensors or, without running code in it, by torch; ValueError if damaged."""
    path = Path(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError("The file is not there.") from None
    except Exception as error:
        raise ValueError("The file is damaged, or holds more than tensors.") from error


def system_of(path):
    """What a file is by the names of registry.py, or None; ValueError for one that cannot be read."""
    contents = read(path)
    found = find(unwrap(contents), KINDS[kind_of(contents)][0])
    return found and found.system


def kind_of(contents):
    """The one of registry.KINDS that contents of a file belong to; the first if to none, which then says so."""
    state_dict = unwrap(contents)
    return next((kind for kind, (systems, _) in KINDS.items() if find(state_dict, systems)), next(iter(KINDS)))


@torch.no_grad()
def run(colorize, network, device, line, reference):
    return colorize(network, line.to(device), reference.to(device)).clamp(0, 1).cpu()


def animediffusion(network, line, reference):
    """Ten steps of stochastic DDIM, as published."""
    generator = torch.Generator().manual_seed(0)
    noise, *noises = torch.randn(1 + diffusion.STEPS, *reference.shape, generator=generator).to(reference)
    *_, picture = diffusion.ddim(network, noise, 2 * line - 1, 2 * reference - 1, network.gammas, noises)
    return (picture + 1) / 2


def likeness(network, line, reference):
    """One step, as shipped."""
    return sampling.colorize_after(network, line, reference, steps=1)


def scft(network, line, reference):
    """One pass, at the size that the weights know."""
    height, width = line.shape[-2:]
    size = working_size(height, width, max(height, width) if network.scft.places else SIDE, network.scft.places)
    line, reference = (resize(part.movedim(1, -1), *size).movedim(-1, 1) for part in (line, reference))
    picture = ((network(2 * reference - 1, 2 * line - 1) + 1) / 2).clamp(0, 1)
    return resize(picture.movedim(1, -1), height, width).movedim(-1, 1)


COLORIZERS = {"likeness": likeness, "animediffusion": animediffusion, "scft": scft}

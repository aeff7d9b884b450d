"""File -> LINEART_NETWORK, a ModelPatcher of a one-pass network, and how such a network is run."""

import comfy.model_management as mm
import comfy.model_patcher
import comfy.ops

from .. import registry
from ..line import tiles
from ..line.tiles import CPU_BUDGET
from .loading import read, storage_dtype

DTYPES = ("auto", "fp32", "fp16", "bf16")
SHARE = 0.5  # of a GPU's free memory that a network may use at a time


def load_network(path, dtype="auto"):
    """A network file as a patcher whose `.model` is the network, with `.system` the name of its kind.

    dtype  one of DTYPES: how weights are kept, "auto" as the host prefers on its device

    Raises ValueError, naming the file, for one that is damaged, unsafe or another kind of file.
    """
    try:
        found = registry.identify(read(path), "line art network")
    except ValueError as error:
        raise ValueError(f"Cannot load {path}: {error}") from error

    device, offload = mm.get_torch_device(), mm.unet_offload_device()
    network = registry.NETWORKS[found.system][1]
    storage = storage_dtype(dtype, found.state_dict, network.dtypes)
    compute = mm.unet_manual_cast(storage, device, network.dtypes)
    operations = comfy.ops.pick_operations(storage, compute, load_device=device)
    model = network(**found.config, dtype=storage, device=offload, operations=operations).eval()
    model.system, model.compute_dtype = found.system, compute or storage
    patcher = comfy.model_patcher.CoreModelPatcher(model, load_device=device, offload_device=offload)
    weights = {
        key: value.to(storage) if value.is_floating_point() else value for key, value in found.state_dict.items()
    }
    model.load_state_dict(weights, assign=patcher.is_dynamic())
    model.requires_grad_(False)
    if not patcher.is_dynamic():  # which keeps weights as they lie in the file
        model.to(memory_format=network.layout)
    return patcher


def expect(patcher, system, user, place="network"):
    """Checks that a network of that kind is connected to an input; `user` is who needs it, as in a sentence."""
    if patcher is None:
        raise ValueError(
            f"{user} needs a network: connect LineartNetworkLoader with a {system} file "
            f"(it belongs in models/lineart_colorize) to the input {place}."
        )
    if patcher.model.system != system:
        raise ValueError(f"{user} needs a {system} network, but a {patcher.model.system} network is connected.")


def loaded(patcher):
    """The network on its device, as a function of planes (B, C, H, W) of any size, large ones in tiles.

    Its `pixels` tell how many go through at a time.
    """
    network, device = patcher.model, patcher.load_device
    budget = CPU_BUDGET if mm.is_device_cpu(device) else int(mm.get_free_memory(device) * SHARE)
    needed = network.bytes_per_pixel * network.compute_dtype.itemsize // 4  # the figure is for fp32
    mm.load_models_gpu([patcher], memory_required=budget)

    def run(x, **options):
        x = x.to(device, network.compute_dtype)
        return tiles.run(network, x, run.pixels, mm.throw_exception_if_processing_interrupted, **options)

    run.pixels = budget // needed
    return run


def loaded_whole(patcher):
    """The same for a network that works at one size: without tiles."""
    network, device = patcher.model, patcher.load_device
    mm.load_models_gpu([patcher], memory_required=CPU_BUDGET)
    return lambda x: network(x.to(device, network.compute_dtype)).float()

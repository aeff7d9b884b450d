"""Training steps with and without channels_last and bf16, and the memory they take; networks of random weights."""

import copy
from contextlib import nullcontext
from functools import partial
from itertools import product

import torch

from ...models.animediffusion.network import AnimeDiffusion
from ...models.scft.network import Discriminator, Generator
from ...training import objectives
from . import Row, medians

SIDE, BATCH = 64, 4
LAYOUTS = {"": torch.contiguous_format, "channels_last": torch.channels_last}
PRECISIONS = {"": None, "bf16": torch.bfloat16}


def run():
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(0)
    line, reference, picture = (torch.rand(BATCH, channels, SIDE, SIDE, device=device) for channels in (1, 3, 3))
    painter, judge = Generator((8, 16, 32, 64, 128), places=True), Discriminator((32, 64, 128, 256)).to(device)
    systems = {
        "animediffusion": objectives.NoisePrediction(AnimeDiffusion(widths=(32, 64, 128))),
        "scft": objectives.Painting(painter, judge),
    }
    for name, objective in systems.items():
        objective.to(device)
        ways = {
            " ".join(filter(None, way)) or "plain": step(objective, LAYOUTS[way[0]], PRECISIONS[way[1]])
            for way in product(LAYOUTS, PRECISIONS)
        }
        calls = [partial(action, (line, reference, picture)) for action in ways.values()]
        paces = [BATCH * 1000 / ms for ms in medians(*calls, runs=5)]
        for way, call, pace in zip(ways, calls, paces, strict=True):
            wanted = 0.95 if way == "channels_last" else 0.0  # bf16 pays where the processor has it
            yield Row(way, pace, "/s", f"{name}, plain, pictures", paces[0], pace / paces[0], wanted, memory(call))


def step(objective, layout, dtype):
    """A function of a case: one step of the optimizer on a copy of the objective."""
    objective = copy.deepcopy(objective).to(memory_format=layout)
    optimizer = torch.optim.AdamW(objective.network.parameters(), lr=1e-4)

    def call(case):
        with torch.autocast(case[0].device.type, dtype) if dtype else nullcontext():
            losses = objective(case, torch.Generator().manual_seed(0))
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimizer.step()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return call


def memory(call):
    """What a step needs at most on a GPU, weights included; on a CPU, what it keeps for the gradients."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        call()
        return f"peak {torch.cuda.max_memory_allocated() / 2**20:.0f} MiB"
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        call()
    return f"{sum(kept.values()) / 2**20:.0f} MiB kept for the gradients"

"""Where training runs: one process on its own, or one of several that `accelerate launch` has started."""

import os
from contextlib import nullcontext
from datetime import timedelta

import torch

PATIENCE = timedelta(hours=12)  # of the others, while the first process draws or decodes the pictures
PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Alone:
    """What the loop uses of accelerate's Accelerator, for a single process: a bare machine does not have that."""

    is_main_process, process_index, num_processes, mixed_precision = True, 0, 1, "no"

    def __init__(self, device=None):
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))

    def prepare(self, module):
        return module.to(self.device)

    def no_sync(self, module):
        return nullcontext()

    def main_process_first(self):
        return nullcontext()

    def gather(self, tensor):
        return tensor

    def end_training(self):
        pass


def machine():
    """accelerate's Accelerator if this process was launched by it (or by torchrun), else `Alone`."""
    if not {"WORLD_SIZE", "ACCELERATE_MIXED_PRECISION"} & set(os.environ):
        return Alone()
    from accelerate import Accelerator
    from accelerate.utils import InitProcessGroupKwargs

    return Accelerator(kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)])


def choose_precision(name, machine):
    """One of PRECISIONS for "auto": what accelerate was told, else bf16 on a GPU and fp32 on a CPU."""
    if name != "auto":
        return name
    if machine.mixed_precision in PRECISIONS:
        return machine.mixed_precision
    return "bf16" if machine.device.type == "cuda" else "fp32"

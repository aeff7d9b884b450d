"""The training loop: warm-up and cosine, averaged weights, checkpoints that a stopped run continues from.

Every draw of a run depends on the seed and on the number of its batch alone. So a resumed run repeats the numbers of
one that was never stopped, and several processes see what one would that accumulates over as many batches.
"""

import copy
import math
import pickle
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn as nn
from safetensors.torch import save_file

from .dataset import ahead
from .journal import Journal
from .machine import PRECISIONS, Alone

DAMAGE = (RuntimeError, EOFError, OSError, KeyError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile)
HOPELESS = 50  # steps in a row whose gradient was not finite


@dataclass
class Part:
    """One network of a run, and what trains it.

    objective  a module that holds the network as `network`; called with a case and a torch.Generator on the CPU for
               all it draws, it returns its losses by name, to be added up
    clip       largest norm of the gradient
    pack       makes the tensors of a file of the network's, both by name
    """

    objective: nn.Module
    optimizer: torch.optim.Optimizer
    clip: float = 1.0
    pack: Callable = dict


def prefixed(prefix, tensors):
    return {prefix + name: tensor for name, tensor in tensors.items()}


def adamw(network, lr, betas=(0.9, 0.999), weight_decay=0.01):
    return torch.optim.AdamW(network.parameters(), lr=lr, betas=betas, weight_decay=weight_decay)


class Run:
    """One training run in a folder: `state.pt` continues it, `average.safetensors` is the result so far.

    parts       `Part`s, trained one after the other in every step
    steps       of the optimizers, each over `accumulate` batches per process
    warmup      steps of rising learning rate; then it falls along a cosine to `floor` of itself
    decay       of the averaged weights
    precision   one of machine.PRECISIONS, of what runs under autocast; weights stay fp32
    """

    def __init__(
        self,
        parts,
        folder,
        steps,
        machine=None,
        warmup=200,
        floor=0.01,
        decay=0.999,
        accumulate=1,
        precision="bf16",
        seed=0,
    ):
        self.parts, self.machine = parts, machine or Alone()
        self.networks = [part.objective.network.to(memory_format=torch.channels_last) for part in parts]
        self.objectives = [self.machine.prepare(part.objective) for part in parts]
        self.averages = [copy.deepcopy(network).requires_grad_(False).eval() for network in self.networks]
        self.rates = [part.optimizer.param_groups[0]["lr"] for part in parts]
        self.folder, self.steps = Path(folder), steps
        self.warmup, self.floor, self.decay = warmup, floor, decay
        self.accumulate, self.seed = accumulate, seed
        place, dtype = self.machine.device.type, PRECISIONS[precision]
        self.autocast = partial(torch.autocast, place, dtype) if dtype else nullcontext
        self.scaler = torch.amp.GradScaler(place, enabled=dtype == torch.float16)
        self.step = self.failed = 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def state(self):
        """What a checkpoint holds, besides the step."""
        optimizers = [part.optimizer for part in self.parts]
        return {"networks": self.networks, "averages": self.averages, "optimizers": optimizers, "scaler": [self.scaler]}

    def resume(self):
        """Continue from the newest whole checkpoint, if there is one; a damaged one gives way to the one before."""
        with self.machine.main_process_first():
            checkpoint = self.newest()
        if checkpoint is not None:
            try:
                for kind, owners in self.state().items():
                    for owner, state in zip(owners, checkpoint[kind], strict=True):
                        owner.load_state_dict(state)
            except (RuntimeError, KeyError, ValueError) as error:
                raise SystemExit(
                    f"{self.folder} holds a run of another network: continue it with the options that it was begun "
                    "with, or choose another folder."
                ) from error
            self.step = checkpoint["step"]
        steps = self.machine.gather(torch.tensor([self.step], device=self.machine.device))
        if (steps != self.step).any():
            raise SystemExit(f"All machines need the same {self.folder}: put it on a disk that they share.")

    def newest(self):
        """The newest checkpoint that is whole, or None; damaged ones are put aside, so that they replace no other."""
        for name in ("state.pt", "state.previous.pt"):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                with zipfile.ZipFile(path) as file:
                    if (part := file.testzip()) is not None:  # torch.load checks no sums
                        raise ValueError(f"{part} has changed")
                return torch.load(path, map_location="cpu", weights_only=True)
            except DAMAGE as damage:
                print(f"{path} is damaged ({damage}); trying the one before it", flush=True)
                path.replace(path.with_suffix(".damaged"))

    def save(self):
        state = {kind: [owner.state_dict() for owner in owners] for kind, owners in self.state().items()}
        fresh, path = self.folder / "state.new.pt", self.folder / "state.pt"
        torch.save({"step": self.step, **state}, fresh)
        if path.exists():
            path.replace(self.folder / "state.previous.pt")
        fresh.replace(path)
        save_file(self.weights(), self.folder / "average.safetensors")

    def weights(self):
        """The averaged weights by their names in files."""
        return {
            name: tensor.contiguous()
            for part, average in zip(self.parts, self.averages, strict=True)
            for name, tensor in part.pack(average.state_dict()).items()
        }

    def rate(self, lr):
        """Learning rate of this step."""
        ramp = min(1, (self.step + 1) / self.warmup)
        return lr * ramp * (self.floor + (1 - self.floor) * (1 + math.cos(math.pi * self.step / self.steps)) / 2)

    def numbers(self, until):
        """Of the batches of this process, in their order."""
        machine = self.machine
        batches = range(self.step * self.accumulate, until * self.accumulate)
        return [number * machine.num_processes + machine.process_index for number in batches]

    def train(self, batch, save_every=250, until=None, threads=1, show=None):
        """Run to the last step, or `until` an earlier one.

        batch(number) gives a case: tensors, of which the first counts the pictures. show() gives a sheet of pictures
        to keep beside every checkpoint.
        """
        numbers = self.numbers(until or self.steps)
        if not numbers:
            return
        is_main = self.machine.is_main_process
        journal = Journal(self.folder, self.step, self.steps) if is_main else None
        cases = ahead(batch, numbers, threads=threads)
        for first in range(0, len(numbers), self.accumulate):
            mine = [(number, next(cases)) for number in numbers[first : first + self.accumulate]]
            losses = self.update(mine)
            self.step += 1
            if is_main:
                journal.tell(losses, sum(len(case[0]) for _, case in mine) * self.machine.num_processes)
            if is_main and (self.step % save_every == 0 or self.step == self.steps):
                self.save()
                if show is not None:
                    journal.sheet(show())
        if is_main:
            journal.close()

    def update(self, cases):
        """One step of every part on [(number, case), ...]; returns the losses by name."""
        device, losses, finite = self.machine.device, {}, []
        cases = [(number, [tensor.to(device) for tensor in case]) for number, case in cases]
        for part, objective, lr in zip(self.parts, self.objectives, self.rates, strict=True):
            for group in part.optimizer.param_groups:
                group["lr"] = self.rate(lr)
            part.optimizer.zero_grad(set_to_none=True)
            for number, case in cases:
                is_last = number == cases[-1][0]
                with nullcontext() if is_last else self.machine.no_sync(objective):
                    for name, loss in self.backward(objective, number, case, len(cases)).items():
                        losses[name] = losses.get(name, 0.0) + loss
            finite.append(self.descend(part))
        self.scaler.update()
        self.mean()
        self.failed = 0 if all(finite) else self.failed + 1
        if self.failed == HOPELESS:
            raise SystemExit(
                f"Training has diverged: the last {HOPELESS} gradients were not finite. Start anew with a lower --lr, "
                "or with --precision fp32."
            )
        return losses

    def backward(self, objective, number, case, share):
        """Adds the gradients of a case, one of `share`, and returns its share of the losses."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + number)
        with self.autocast():
            losses = objective(case, generator)
        self.scaler.scale(sum(losses.values()) / share).backward()
        return {name: loss.item() / share for name, loss in losses.items()}

    def descend(self, part):
        """A step of the optimizer, unless the gradient is not finite; whether it was."""
        self.scaler.unscale_(part.optimizer)
        norm = nn.utils.clip_grad_norm_(part.objective.network.parameters(), part.clip)
        if finite := bool(norm.isfinite()):
            self.scaler.step(part.optimizer)
        return finite

    def mean(self):
        decay = min(self.decay, (self.step + 1) / (self.step + 10))
        for average, network in zip(self.averages, self.networks, strict=True):
            for mean, weight in zip(average.parameters(), network.parameters(), strict=True):
                mean.lerp_(weight, 1 - decay)
            for mean, buffer in zip(average.buffers(), network.buffers(), strict=True):
                mean.copy_(buffer)

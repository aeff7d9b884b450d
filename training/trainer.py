"""The training loop: AdamW, warm-up and cosine, averaged weights, checkpoints that a stopped run continues from."""

import copy
import math
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from .dataset import ahead


class Run:
    """One training run in a folder: `state.pt` continues it, `average.safetensors` is the result so far."""

    def __init__(self, network, loss, folder, device, steps, lr=1e-3, warmup=200, decay=0.999, seed=0):
        self.network, self.loss = network.to(device, memory_format=torch.channels_last), loss
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(network.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.01)
        self.folder, self.device, self.steps = Path(folder), torch.device(device), steps
        self.lr, self.warmup, self.decay, self.seed = lr, warmup, decay, seed
        self.step = 0
        self.folder.mkdir(parents=True, exist_ok=True)

    def resume(self):
        """Continue from the newest whole checkpoint, if there is one; a damaged one gives way to the one before."""
        for name in ("state.pt", "state.previous.pt"):
            path = self.folder / name
            if not path.exists():
                continue
            try:
                state = torch.load(path, map_location=self.device, weights_only=True)
            except (RuntimeError, EOFError, OSError) as damage:
                print(f"{path.name} is damaged ({damage}); trying the one before it")
                continue
            self.network.load_state_dict(state["network"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
            return

    def save(self):
        parts = ("network", "average", "optimizer")
        state = {"step": self.step, **{part: getattr(self, part).state_dict() for part in parts}}
        fresh, path = self.folder / "state.new.pt", self.folder / "state.pt"
        torch.save(state, fresh)
        if path.exists():
            path.replace(self.folder / "state.previous.pt")
        fresh.replace(path)
        weights = {k: v.contiguous() for k, v in self.average.state_dict().items()}
        save_file(weights, self.folder / "average.safetensors")

    def rate(self):
        """Learning rate of this step."""
        ramp = min(1, (self.step + 1) / self.warmup)
        return self.lr * ramp * (0.01 + 0.99 * (1 + math.cos(math.pi * self.step / self.steps)) / 2)

    def train(self, batch, save_every=250, until=None):
        """Run to the last step, or `until` an earlier one; batch(number) gives (guidance, picture)."""
        begun, first, total = time.monotonic(), self.step, 0.0
        for guidance, picture in ahead(batch, range(self.step, until or self.steps)):
            total += self.update(guidance, picture)
            self.step += 1
            if self.step % 50 == 0:
                pace = (self.step - first) / (time.monotonic() - begun)
                left = (self.steps - self.step) / pace / 60
                told = f"step {self.step}/{self.steps} loss {total / 50:.4f}"
                print(f"{told} {pace * len(picture):.1f} pictures/s {left:.0f} min left", flush=True)
                total = 0.0
            if self.step % save_every == 0 or self.step == self.steps:
                self.save()

    def update(self, guidance, picture):
        """One step; its noise depends on the step number alone, so a resumed run repeats the same numbers."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        guidance, picture = guidance.to(self.device), picture.to(self.device)
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate()
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.loss(self.network, picture, guidance, generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimizer.step()
        decay = min(self.decay, (self.step + 1) / (self.step + 10))
        for mean, weight in zip(self.average.parameters(), self.network.parameters(), strict=True):
            mean.lerp_(weight, 1 - decay)
        return loss.item()

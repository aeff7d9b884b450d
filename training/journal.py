"""What a run tells while it goes on: lines with the time left, a bar on a terminal, curves and sheets."""

import time
from collections import defaultdict
from datetime import timedelta

from .evaluation import contact_sheet

STEPS, SECONDS = 50, 60  # between two lines, whichever is sooner


class Journal:
    """Curves go to TensorBoard where it is installed, sheets to `samples/` too."""

    def __init__(self, folder, step, steps):
        self.folder, self.first, self.step, self.steps = folder, step, step, steps
        self.begun = self.told = time.monotonic()
        self.seen, self.recent = 0, defaultdict(list)
        self.writer, self.bar = summary_writer(folder, step), progress_bar(step, steps)

    def tell(self, losses, pictures):
        """One step's losses by name, and how many pictures it took."""
        self.step += 1
        self.seen += pictures
        for name, loss in losses.items():
            self.recent[name].append(loss)
        if self.bar is not None:
            self.bar.update(1)
        is_late = time.monotonic() - self.told > SECONDS
        if self.step % STEPS == 0 or self.step == self.steps or is_late:
            self.line()

    def line(self):
        self.told = time.monotonic()
        spent = self.told - self.begun
        left = timedelta(seconds=round((self.steps - self.step) * spent / (self.step - self.first)))
        means = {name: sum(losses) / len(losses) for name, losses in self.recent.items()}
        self.recent.clear()
        told = " ".join(f"{name} {mean:.4f}" for name, mean in means.items())
        line = f"step {self.step}/{self.steps} {told} {self.seen / spent:.1f} pictures/s {left} left"
        print(line, flush=True) if self.bar is None or self.bar.disable else self.bar.write(line)
        if self.writer is not None:
            for name, mean in means.items():
                self.writer.add_scalar(f"loss/{name}", mean, self.step)
            self.writer.add_scalar("pictures per second", self.seen / spent, self.step)

    def sheet(self, shown):
        """Pictures (B, 3, H, W) in 0..1 by the name of their row."""
        (self.folder / "samples").mkdir(exist_ok=True)
        contact_sheet(shown, self.folder / "samples" / f"step-{self.step:07}.png")
        if self.writer is not None:
            for row, pictures in shown.items():
                self.writer.add_images(row, pictures, self.step)

    def close(self):
        if self.writer is not None:
            self.writer.close()
        if self.bar is not None:
            self.bar.close()


def summary_writer(folder, step):
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:  # a bare machine
        return None
    return SummaryWriter(folder / "tensorboard", purge_step=step)


def progress_bar(step, steps):
    try:
        from tqdm import tqdm
    except ImportError:
        return None
    return tqdm(initial=step, total=steps, unit="step", disable=None)

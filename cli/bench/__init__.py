"""bench: measured ratios against named baselines, in one process, runs taken in turns, medians.

A benchmark is a module beside this file that offers `run() -> iterator of Row`.
"""

import argparse
import importlib
import json
import os
import platform
import statistics
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

BENCHMARKS = ("xdog", "sampling", "import_time", "line_networks", "reference", "training", "flats")
BENCHMARKS += ("colorizediffusion", "colorizediffusion_xl")


class Row(NamedTuple):
    name: str
    ours: float
    unit: str  # of both figures: ms, MiB, s ...
    baseline: str
    theirs: float
    ratio: float  # above 1 = ours is better
    wanted: float
    difference: str = ""  # of the two outputs, in words


def main(argv):
    parser = argparse.ArgumentParser(prog="run.py bench", description="measured ratios against baselines")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--json", metavar="F", help="also write the rows to this file")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(BENCHMARKS):
        parser.error(f"no benchmark named {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    threads, version = torch.get_num_threads(), torch.__version__
    machine = {"cpu": cpu_name(), "cores": os.cpu_count(), "threads": threads, "torch": version}
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    rows = []
    for name in options.names or BENCHMARKS:
        for row in importlib.import_module(f".{name}", __name__).run():
            rows.append(row)
            print(table_line(row), flush=True)
    if options.json:
        report = {"machine": machine, "rows": [row._asdict() for row in rows]}
        Path(options.json).write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    short = [row.name for row in rows if not row.ratio >= row.wanted]
    print(f"{len(rows) - len(short)} of {len(rows)} ratios reached")
    return int(bool(short))


def table_line(row):
    return (
        f"{row.name:24} {row.ours:9.2f} {row.unit:4} against {row.theirs:9.2f}  {row.baseline:38} "
        f"ratio {row.ratio:6.2f}  wanted {row.wanted:g}  {row.difference}"
    )


def medians(*actions, runs=9, warm=False):
    """Median milliseconds of each action, called in turns so a busy moment of the machine hits all alike.

    warm: each was called before, so that none has to be now
    """
    times = [[] for _ in actions]
    for action in () if warm else actions:
        action()
    for _ in range(runs):
        for action, spent in zip(actions, times, strict=True):
            start = time.perf_counter()
            action()
            spent.append((time.perf_counter() - start) * 1000)
    return [statistics.median(spent) for spent in times]


@contextmanager
def peak_memory():
    """Yields a function that tells how much more memory was in use at most within the block than before it, in MiB.

    It is the GPU's if there is one, otherwise the process's, looked at every few milliseconds.
    """
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield lambda: (torch.cuda.max_memory_allocated() - before) / 2**20
        return
    import psutil  # ComfyUI requires it, our other commands do not

    process, done = psutil.Process(), threading.Event()
    seen = [before := process.memory_info().rss]

    def watch():
        while not done.wait(0.003):
            seen.append(process.memory_info().rss)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: (max(seen) - before) / 2**20
    finally:
        done.set()
        watcher.join()


def cpu_name():
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()

"""`run.py train ablation`: what the options of reference training bring, on characters that no run has seen.

The same small SCFT is trained from the same seed with one option at a time. It is judged by what it makes of its
picture's own lines, of lines in other hands, and of another pose as the reference.
"""

import argparse
import json

import numpy as np
import torch

from ..models import tps
from . import recipes
from .dataset import ReferenceCases
from .metrics import MEASURES
from .pictures import HELD_OUT
from .sources import Characters

PUBLISHED = {"styles": False, "cross": 0.0, "cycle": 0.0}
VARIANTS = {
    "as published": {},
    "line styles": {"styles": True},
    "other pose": {"cross": 0.5},
    "cycle": {"cycle": 3.0},
    "all three": {"styles": True, "cross": 0.5, "cycle": 3.0},
}
TASKS = {"own picture": {}, "own picture, lines of many hands": {"styles": True}, "other pose": {"cross": 1.0}}
BATCHES, BATCH = 8, 8  # of held-out pictures


def ablation(options):
    """Trains and scores every variant in a folder of its own; a table as Markdown and JSON in --out."""
    with options.machine.main_process_first():
        source = Characters(options.out, BATCH * BATCHES, options.size, first_seed=HELD_OUT)
    scores = {}
    for name, change in VARIANTS.items():
        print(f"-- {name}", flush=True)
        torch.manual_seed(options.seed)
        variant = argparse.Namespace(**{**vars(options), **PUBLISHED, **change})
        network = recipes.scft_run(variant, name.replace(" ", "-")).averages[-1]
        scores[name] = {task: judge(network, source, settings) for task, settings in TASKS.items()}
    if options.machine.is_main_process:
        report(options, scores)


def judge(network, source, settings):
    """Mean scores of a generator on a task, by measure."""
    place = next(network.parameters()).device
    found = {measure: [] for measure in MEASURES}
    for number in range(BATCHES):
        line, reference, truth = ReferenceCases(source, BATCH, 0, tps.moved_grid, **settings)(number)
        with torch.no_grad():
            ours = network(reference.to(place), line.to(place)).float().cpu()
        for measure, score in MEASURES.items():
            found[measure] += score((ours + 1) / 2, (truth + 1) / 2).tolist()
    return {measure: float(np.mean(values)) for measure, values in found.items()}


def report(options, scores):
    lines = [f"| trained | {' | '.join(TASKS)} |", "|---" * (len(TASKS) + 1) + "|"]
    for name, tasks in scores.items():
        cells = (f"{score['PSNR']:.2f} dB / {score['SSIM']:.3f}" for score in tasks.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    table = "\n".join(lines)
    print(f"\n{options.steps} steps of {options.batch}, {options.size} px, {BATCH * BATCHES} pictures\n\n{table}")
    (options.out / "ablation.md").write_text(table + "\n", "utf-8")
    (options.out / "ablation.json").write_text(json.dumps(scores, indent=1), "utf-8")

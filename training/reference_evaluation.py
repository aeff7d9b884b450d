"""Reference colorizers against baselines, on the tasks they are published with. Scores are kept per picture."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from ..models import tps
from . import evaluation, metrics
from .characters import pair
from .dataset import planes
from .linestyles import compose, line_art
from .pictures import HELD_OUT, unpack

GIVEN, SELF, RANDOM = "given reference", "self reference", "random reference"
WARPS = {"diagonal": tps.moved_diagonal, "grid": tps.moved_grid}


class Case(NamedTuple):
    """Tensors (C, H, W) in 0..1; a truth or a reference may be missing."""

    name: str
    line: torch.Tensor
    truth: torch.Tensor | None = None
    reference: torch.Tensor | None = None


class Task(NamedTuple):
    """A batch of cases with the references of one kind; the truth may be missing."""

    names: list
    line: torch.Tensor
    reference: torch.Tensor
    truth: torch.Tensor | None


def held_out(count, size):
    """Cases of procedural characters that training never draws; the reference shows them in another pose."""
    for number in range(count):
        rng = np.random.default_rng((HELD_OUT, number))
        first, second = (unpack(one) for one in np.split(pair(HELD_OUT + number, size), 2))
        truth, reference = (compose(rng, *one) for one in (first, second))
        line = line_art(rng, truth, np.ascontiguousarray(first[1]))
        yield Case(f"pair-{number:03}", planes(line[..., None]), planes(truth), planes(reference))


def real(folder, size, crops=1):
    """Cases from a folder with `line/ reference/ truth/` by base name, as far as they are there, or of pictures alone.

    Without `line/` lines are extracted by XDoG. Pictures are shrunk to `size` on their shorter side and cropped to the
    middle; of pictures alone, further `crops` are random squares. ValueError if nothing can be made of the folder.
    """
    folder = Path(folder)
    parts = [part for part in ("truth", "line") if (folder / part).is_dir()]
    listed = folder / parts[0] if parts else folder
    files = evaluation.pictures_in(listed)
    for path in files:
        drawn, given, true = (evaluation.beside(folder / part, path.stem) for part in ("line", "reference", "truth"))
        if parts:
            line, reference, truth = (
                file and evaluation.read(file, size, mode)
                for file, mode in ((drawn, "L"), (given, "RGB"), (true, "RGB"))
            )
            if line is None and truth is None:
                continue
            line = evaluation.extract(truth) if line is None else line
            yield Case(path.stem, *(None if part is None else planes(part) for part in (line, truth, reference)))
        else:
            for number, truth in enumerate(squares(path, size, crops)):
                yield Case(f"{path.stem}-{number}", planes(evaluation.extract(truth)), planes(truth))


def squares(path, size, count):
    """Crops (size, size, 3) of a picture: the largest in its middle, then random ones of size px and more."""
    from PIL import Image

    yield evaluation.read(path, size, "RGB")
    image = Image.open(path).convert("RGB")
    rng = np.random.default_rng(0)
    shorter = min(image.size)
    for _ in range(count - 1):
        side = int(rng.uniform(min(size, shorter), shorter))
        left, top = (int(rng.integers(0, length - side + 1)) for length in image.size)
        yield evaluation.fit(image.crop((left, top, left + side, top + side)), size)


def tasks(cases, draw_points=tps.moved_diagonal):
    """The tasks that cases allow, {title: Task}.

    given reference   what stands in the cases
    self reference    the truth itself under a thin-plate spline; the published reconstruction task
    random reference  the next case's truth; published too. No truth exists then, and what compares with the
                      drawing's own original says little
    """
    cases = list(cases)
    true, given = ([c for c in cases if getattr(c, part) is not None] for part in ("truth", "reference"))
    found = {}
    if given:
        truth = torch.stack([c.truth for c in given]) if all(c.truth is not None for c in given) else None
        found[GIVEN] = task(given, torch.stack([c.reference for c in given]), truth)
    if true:
        truth = torch.stack([c.truth for c in true])
        source, target = draw_points(len(true), torch.Generator().manual_seed(0))
        grid = tps.grid(tps.fit(source, target), target, *truth.shape[-2:])
        found[SELF] = task(true, tps.warp(truth, grid).clamp(0, 1), truth)
    if len(true) > 1:
        found[RANDOM] = task(true, truth.roll(-1, 0), truth)
    return found


def task(cases, reference, truth):
    return Task([c.name for c in cases], torch.stack([c.line for c in cases]), reference, truth)


def evaluate(task, colorizers, measures, batch=8):
    """Scores {row: {measure: [per case]}}, the names of the cases, and their pictures {row: (N, 3, H, W)}.

    colorizers  {row: f(line, reference) -> pictures}
    measures    {name: f(pictures, truth) -> values}, beside those of this package
    """
    names, line, reference, truth = task
    parts = list(zip(line.split(batch), reference.split(batch), strict=True))
    rows = {row: torch.cat([colorize(*part) for part in parts]) for row, colorize in colorizers.items()}
    if truth is not None:
        rows["truth"] = truth
    scores = {row: score(pictures, line, reference, truth, measures) for row, pictures in rows.items()}
    return scores, names, {"line": line.expand(-1, 3, -1, -1), "reference": reference, **rows}


def score(pictures, line, reference, truth, measures):
    compared = {**metrics.MEASURES, **measures} if truth is not None else {}
    found = {name: measure(pictures, truth) for name, measure in compared.items()} | {
        "ink kept": metrics.ink_kept(pictures, line),
        "unpainted": metrics.unpainted(pictures, line, truth),
        "leak": metrics.leak(pictures, line),
        "palette hits": metrics.palette_hits(pictures, line, reference),
    }
    return {name: values.tolist() for name, values in found.items()}

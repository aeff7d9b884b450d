"""`run.py evaluate scribble`: a colorizer against the baselines: a table, a contact sheet, a score per picture."""

import json
import math
from pathlib import Path

import numpy as np
import torch

from ..models.line import xdog
from ..models.scribble import read_strokes
from .baselines import BASELINES
from .dataset import case, planes
from .metrics import MEASURES, stroke_error
from .pictures import HELD_OUT, picture
from .sampling import colorize
from .strokes import draw_strokes

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def held_out(count, size):
    """Cases by name from scenes that training never draws: tensors line, scribble, mask, truth (C, H, W), 0..1."""
    for number in range(count):
        rng = np.random.default_rng((HELD_OUT, number))
        yield f"scene-{number:03}", case(rng, picture(HELD_OUT + number, size), vary=False)


def real(folder, size):
    """Cases from a folder with `line/ scribble/ truth/` by base name, or with pictures alone.

    Without `line/` lines are extracted by XDoG, without `scribble/` strokes are simulated. Pictures are shrunk to
    `size` on their shorter side and cropped to the middle.
    """
    folder = Path(folder)
    truths = folder / "truth" if (folder / "truth").is_dir() else folder
    for number, path in enumerate(pictures_in(truths)):
        truth = read(path, size, "RGB")
        rng = np.random.default_rng(number)
        drawn, painted = (beside(folder / part, path.stem) for part in ("line", "scribble"))
        line = read(drawn, size, "L") if drawn else extract(truth)
        if painted:
            strokes = torch.from_numpy(read(painted, size, None))[None]
            scribble, mask = (part[0].numpy() for part in read_strokes(strokes))
        else:
            scribble, mask = draw_strokes(rng, truth, np.zeros(truth.shape[:2], int), 25)
        yield path.stem, [planes(part) for part in (line, scribble, mask[..., None], truth)]


def extract(truth):
    """Lines (H, W, 1) of a picture (H, W, 3)."""
    return xdog.xdog(torch.from_numpy(truth)[None], sigma=0.5, p=20, eps=0.4, phi=10)[0, ..., None].numpy()


def pictures_in(folder):
    """Paths in order of name; SystemExit says what is not there."""
    if not folder.is_dir():
        raise SystemExit(f"No such folder: {folder}.")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise SystemExit(f"No pictures in {folder}: expected {', '.join(PICTURES)}.")
    return files


def beside(folder, stem):
    """The picture of that base name in a folder, or None."""
    return next((path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix.lower() in PICTURES), None)


def read(path, size, mode):
    """(size, size, C) float32 in 0..1, on white; without a mode, strokes: as stored, their hard edges stay hard."""
    from PIL import Image

    image = Image.open(path)
    clear = image.has_transparency_data
    if mode is None:
        return fit(image.convert("RGBA" if clear else "RGB"), size, Image.Resampling.NEAREST)
    if clear:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return fit(image.convert(mode), size)


def fit(image, size, resample=None):
    """The middle of a picture, shrunk, (size, size, C) float32 in 0..1."""
    from PIL import Image, ImageOps

    image = ImageOps.fit(image, (size, size), Image.Resampling.BOX if resample is None else resample)
    return np.asarray(image, np.float32).reshape(size, size, -1) / 255


def evaluate(network, cases, steps, seed=0, batch=16):
    """Scores {row: {measure: [per case]}}, the names of the cases, and their pictures {row: (N, 3, H, W)}."""
    names, cases = zip(*cases, strict=True)
    line, scribble, mask, truth = (torch.stack(plane) for plane in zip(*cases, strict=True))
    parts = [part.split(batch) for part in (line, scribble, mask)]
    rows = {name: torch.cat([f(*part) for part in zip(*parts, strict=True)]) for name, f in BASELINES.items()}
    rows["ours"] = torch.cat([colorize(network, *part, steps, seed) for part in zip(*parts, strict=True)])
    scores = {}
    for row, pictures in rows.items():
        scores[row] = {measure: f(pictures, truth).tolist() for measure, f in MEASURES.items()}
        scores[row]["stroke error"] = stroke_error(pictures, scribble, mask).tolist()
    shown = {"strokes": line * (1 - mask) + scribble * mask, **rows, "truth": truth}
    return scores, names, shown


def table(scores):
    """The means as Markdown."""
    measures = list(next(iter(scores.values())))
    lines = [f"| | {' | '.join(measures)} |", "|---" * (len(measures) + 1) + "|"]
    for row, values in scores.items():
        means = (mean(values[measure]) for measure in measures)
        lines.append(f"| {row} | {' | '.join(f'{value:.3f}' for value in means)} |")
    return "\n".join(lines)


def report(title, results, out):
    """Print the table, and keep table, scores and contact sheet in `out`."""
    scores, names, shown = results
    text = f"{title}, {len(names)} pictures\n\n{table(scores)}\n"
    print(text, flush=True)
    stem = title.replace(",", "").replace(" ", "-")
    (out / f"{stem}.md").write_text(f"{text}\nRows of {stem}.png: {', '.join(shown)}\n", "utf-8")
    kept = {row: {name: [no_nan(v) for v in values] for name, values in s.items()} for row, s in scores.items()}
    (out / f"{stem}.json").write_text(json.dumps({"names": names, "scores": kept}, indent=1), "utf-8")
    contact_sheet(shown, out / f"{stem}.png")


def mean(values):
    """Of those that are numbers; NaN if none is."""
    numbers = [value for value in values if not math.isnan(value)]
    return sum(numbers) / len(numbers) if numbers else math.nan


def no_nan(value):
    """JSON has no NaN."""
    return None if math.isnan(value) else value


def contact_sheet(shown, path, most=12):
    """One column a case, one row a method."""
    sheet = torch.cat([torch.cat(list(pictures[:most]), dim=2) for pictures in shown.values()], dim=1)
    try:
        from PIL import Image
    except ImportError:
        print(f"No contact sheet {path.name}: it needs Pillow.")
        return
    Image.fromarray((sheet * 255).round().byte().movedim(0, -1).numpy()).save(path)

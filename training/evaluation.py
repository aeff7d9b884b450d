"""`run.py evaluate scribble`: a colorizer against the baselines: a table, a contact sheet, a score per picture."""

import json
from pathlib import Path

import numpy as np
import torch

from ..models.line import xdog
from ..models.scribble import read_strokes
from .baselines import BASELINES
from .dataset import case
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
    files = sorted(path for path in truths.iterdir() if path.suffix.lower() in PICTURES)
    if not files:
        raise SystemExit(f"No pictures in {truths}: expected {', '.join(PICTURES)}.")
    for number, path in enumerate(files):
        truth = _read(path, size, "RGB")
        rng = np.random.default_rng(number)
        drawn, painted = (_beside(folder / part, path.stem) for part in ("line", "scribble"))
        if drawn:
            line = _read(drawn, size, "L")
        else:
            line = xdog.xdog(torch.from_numpy(truth)[None], sigma=0.5, p=20, eps=0.4, phi=10)[0, ..., None].numpy()
        if painted:
            strokes = torch.from_numpy(_read(painted, size, None))[None]
            scribble, mask = (part[0].numpy() for part in read_strokes(strokes))
        else:
            scribble, mask = draw_strokes(rng, truth, np.zeros(truth.shape[:2], int), 25)
        planes = (line, scribble, mask[..., None], truth)
        yield path.stem, [torch.from_numpy(np.ascontiguousarray(p.transpose(2, 0, 1))) for p in planes]


def _beside(folder, stem):
    return next((path for path in sorted(folder.glob(f"{stem}.*")) if path.suffix.lower() in PICTURES), None)


def _read(path, size, mode):
    """(size, size, C) float32 in 0..1; without a mode, strokes: as stored, and their hard edges stay hard."""
    from PIL import Image, ImageOps

    image = Image.open(path)
    if mode is None:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        resample = Image.Resampling.NEAREST
    else:
        resample = Image.Resampling.BOX
    image = ImageOps.fit(image.convert(mode), (size, size), resample)
    return np.asarray(image, np.float32).reshape(size, size, -1) / 255


def evaluate(network, cases, steps, seed=0, batch=16):
    """Scores {row: {measure: [per case]}}, the names of the cases, and their pictures {row: (N, 3, H, W)}."""
    names, planes = zip(*cases, strict=True)
    line, scribble, mask, truth = (torch.stack(plane) for plane in zip(*planes, strict=True))
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
        means = (np.nanmean(values[measure]) for measure in measures)
        lines.append(f"| {row} | {' | '.join(f'{mean:.3f}' for mean in means)} |")
    return "\n".join(lines)


def report(title, results, out):
    """Print the table, and keep table, scores and contact sheet in `out`."""
    scores, names, shown = results
    text = f"{title}, {len(names)} pictures\n\n{table(scores)}\n"
    print(text, flush=True)
    stem = title.replace(" ", "-")
    (out / f"{stem}.md").write_text(text, "utf-8")
    (out / f"{stem}.json").write_text(json.dumps({"names": names, "scores": scores}, indent=1), "utf-8")
    contact_sheet(shown, out / f"{stem}.png")


def contact_sheet(shown, path, most=12):
    """One column a case, one row a method."""
    sheet = torch.cat([torch.cat(list(pictures[:most]), dim=2) for pictures in shown.values()], dim=1)
    try:
        from PIL import Image
    except ImportError:
        print(f"No contact sheet {path.name}: it needs Pillow.")
        return
    Image.fromarray((sheet * 255).round().byte().movedim(0, -1).numpy()).save(path)

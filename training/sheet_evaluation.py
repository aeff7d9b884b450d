"""`run.py evaluate sheet`: how many regions of a new drawing get their exact colour from a model sheet."""

import argparse
import json
from functools import partial
from pathlib import Path

import numpy as np

from ..models.flats import sheet
from . import colorizers, sheets

SHIPPED = Path(__file__).resolve().parent.parent / "weights" / "sheet_matching.safetensors"
FRAMES = (1, 3)  # drawings of a sheet


def by_place(labels, known):
    """Baseline: the region at the nearest place of the figure."""
    new, (first, codes) = sheet.describe(labels), known[0]
    places = sheet.describe(first).features[:, :2]
    nearest = np.linalg.norm(new.features[:, None, :2] - places, axis=2).argmin(1)
    return codes[nearest], np.ones(len(nearest))


def methods(weights):
    """{name: transfer(labels, known)}, those with the network if there is a file of weights."""
    found = {"nearest place": by_place, "classical": sheet.transfer}
    if weights is not None:
        network = colorizers.network(weights, "sheet")
        for name, matching in (("network", sheet.learned), ("both, as in the node", sheet.both)):
            found[name] = partial(sheet.transfer, matching=partial(matching, network))
    return found


def scores(methods, kind, count, size):
    """{frames: {method: measures}} over `count` held-out figures, each with a new drawing and a sheet."""
    found = {frames: {name: [] for name in methods} for frames in FRAMES}
    for seed in range(sheets.HELD_OUT, sheets.HELD_OUT + count):
        (labels, truth), *known = sheets.takes(seed, max(FRAMES) + 1, size, kind)
        areas = np.bincount(labels.ravel())[1:]
        for frames, rows in found.items():
            for name, method in methods.items():
                codes, confidence = method(labels, known[:frames])
                rows[name].append((codes == truth, confidence >= sheet.SURE, areas))
    return {
        frames: {name: measures(*map(np.concatenate, zip(*parts, strict=True))) for name, parts in rows.items()}
        for frames, rows in found.items()
    }


def measures(right, painted, areas):
    """Of all regions; the first two as if none could stay white, the next three as the node paints them."""
    return {
        "regions right": right.mean(),
        "pixels right": (right * areas).sum() / areas.sum(),
        "painted right": (right & painted).mean(),
        "painted wrong": (~right & painted).mean(),
        "left white": (~painted).mean(),
    }


def evaluate(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate sheet",
        description="Regions of a new drawing that get exactly the right colour from a model sheet, beside baselines.",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="folder of the tables [%(default)s]")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="the network to judge [the one that ships]")
    parser.add_argument("--count", type=int, default=48, help="held-out figures of each kind [%(default)s]")
    parser.add_argument("--size", type=int, default=320, help="side of the drawings in px [%(default)s]")
    options = parser.parse_args(arguments)
    try:
        found = methods(options.weights)
    except ValueError as error:
        raise SystemExit(f"{options.weights}: {error}") from error
    report({kind: scores(found, kind, options.count, options.size) for kind in sheets.KINDS}, options)
    return 0


def report(tables, options):
    """Prints and keeps a table for each kind of figures and size of the sheet."""
    lines = [f"sheet to new drawing, {options.count} figures of {options.size} px of each kind", ""]
    for kind, of_kind in tables.items():
        for frames, table in of_kind.items():
            columns = list(next(iter(table.values())))
            drawings = f"{frames} drawings" if frames > 1 else "1 drawing"
            lines += [f"| {kind}, sheet of {drawings} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
            lines += [f"| {name} | {' | '.join(f'{row[key]:.3f}' for key in columns)} |" for name, row in table.items()]
            lines.append("")
    print("\n".join(lines), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "sheet.md").write_text("\n".join(lines), "utf-8")
    (options.out / "sheet.json").write_text(json.dumps(tables, indent=1, default=float), "utf-8")

"""parity: golden files of the published systems against this pack, tensor by tensor.

A system is a module beside this file, found by the golden file's base name. It offers

    outputs(golden, meta) -> iterator of (tensor name, Tensor | Masked | Skip)
    TOLERANCES            [(name pattern, tolerance)], the first match counts
    INPUTS                name patterns of what is fed in, not compared (optional)
    BESIDE                endings of files beside the golden file that hold more to feed in (optional); meta has
                          theirs under its keys with the ending, such as "config_sketch"

Error = max |ours - golden| / max |golden|; for whole-number tensors max |ours - golden|, in grey levels.
"""

import argparse
import importlib
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open

SYSTEMS = {  # prefix of the file's base name -> module
    "line_xdog": ".line_xdog",
    "line_sketchkeras": ".line_sketchkeras",
    "line_anime2sketch": ".line_anime2sketch",
    "line_manga": ".line_manga",
    "line_sk": ".line_sk",
    "line_isnet": ".line_isnet",
    "line_preproc": ".line_preproc",
    "colorizediffusion_v": ".colorizediffusion",
    "diffusart": ".diffusart",
    "animediffusion": ".animediffusion",
    "scft_lee2020": ".scft_lee2020",
    "colorizediffusion_xl": ".colorizediffusion_xl",
    "colorizediffusion_openclip": ".colorizediffusion_openclip",
    "colorizediffusion_manipulation": ".colorizediffusion_manipulation",
}
INPUTS = ("weights/*", "in/*", "*WRONG*")
TOLERANCE = 1e-4


class Skip(NamedTuple):
    """A golden tensor that cannot be met, and why."""

    reason: str


class Masked(NamedTuple):
    """A value that is compared only where `ignore` is False."""

    value: torch.Tensor
    ignore: torch.Tensor


def main(argv):
    parser = argparse.ArgumentParser(prog="run.py parity", description="compare the pack with golden files")
    parser.add_argument("files", nargs="+", metavar="FILE", help="golden .safetensors file, e.g. line_xdog.safetensors")
    totals = {"ok": 0, "FAIL": 0, "skip": 0}
    for file in parser.parse_args(argv).files:
        print(file)
        for verdict, name, note in compare(Path(file)):
            totals[verdict] += 1
            print(f"  {verdict:4}  {name:48}  {note}", flush=True)
    print(f"{totals['ok']} passed, {totals['FAIL']} failed, {totals['skip']} skipped")
    return int(totals["FAIL"] > 0)


def compare(path):
    """Yields (verdict, tensor name, note) for each output in a golden file; a bad file is a FAIL itself."""
    prefix = max((name for name in SYSTEMS if path.name.startswith(name)), key=len, default=None)
    if prefix is None:
        yield "FAIL", path.name, f"no such system: the name must begin with one of {', '.join(SYSTEMS)}"
        return
    system = importlib.import_module(SYSTEMS[prefix], __package__)
    inputs = (*INPUTS, *getattr(system, "INPUTS", ()))
    try:
        golden, meta = read(path)
        wanted = {name for name in golden if not _matches(name, inputs)}
        for ending in getattr(system, "BESIDE", ()):
            if (sibling := path.with_stem(path.stem + ending)).exists():
                more, described = read(sibling)
                golden, meta = more | golden, meta | {key + ending: value for key, value in described.items()}
    except (OSError, SafetensorError) as error:
        yield "FAIL", path.name, f"cannot be read as a safetensors file ({error})"
        return
    yield from (("skip", name, "a typical mistake, kept for study") for name in golden if "WRONG" in name)
    try:
        for name, ours in system.outputs(golden, meta):
            if name in wanted:
                wanted.remove(name)
                yield judge(name, ours, golden[name], system.TOLERANCES)
    except Exception as error:
        yield (
            "FAIL",
            path.name,
            f"stopped by {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}",
        )
    yield from (("FAIL", name, "nothing in the pack produces it") for name in sorted(wanted))


def read(path):
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118 - not a dict


def judge(name, ours, golden, tolerances):
    """The verdict on one tensor."""
    if isinstance(ours, Skip):
        return "skip", name, ours.reason
    value, ignore = ours if isinstance(ours, Masked) else (ours, None)
    if value.shape != golden.shape:
        return "FAIL", name, f"size {tuple(value.shape)}, expected {tuple(golden.shape)}"
    tolerance = next((limit for pattern, limit in tolerances if fnmatchcase(name, pattern)), TOLERANCE)
    error, ignored = deviation(value, golden, ignore), ""
    if ignore is not None and ignore.any():
        ignored = f", {int(ignore.sum())} undecidable pixels ignored"
    verdict = "ok" if error <= tolerance else "FAIL"  # NaN is not within any tolerance
    return (
        verdict,
        name,
        f"{error:.2e} (tolerance {tolerance:g}{'' if golden.is_floating_point() else ' levels'}{ignored})",
    )


def deviation(value, golden, ignore=None):
    """Largest deviation: relative to the largest golden value for floats, in levels for whole numbers."""
    value, reference = value.double(), golden.double()
    difference = (value - reference).abs()
    if ignore is not None:
        difference = difference[~ignore]
    if not difference.numel():
        return 0.0
    scale = float(reference.abs().max()) if golden.is_floating_point() else 1.0
    return float(difference.max()) / (scale or 1.0)


def _matches(name, patterns):
    return any(fnmatchcase(name, pattern) for pattern in patterns)

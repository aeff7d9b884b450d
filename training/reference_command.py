"""The command `evaluate reference` of run.py. It needs torch, numpy, safetensors and einops, and no host."""

import argparse
from pathlib import Path

import torch

from . import colorizers, evaluation, perceptual, reference_evaluation
from .commands import ROOT
from .reference_baselines import baselines

SHIPPED = ROOT / "weights" / "likeness_reference.safetensors"


def evaluate(arguments):
    options = parse(arguments)
    models, lacking = chosen(options.model)
    rows, left_out = baselines()
    measures, unmeasured = perceptual.measures(options.size, options.alexnet, options.inception)
    sets = {"held-out characters": reference_evaluation.held_out(options.count, options.size)}
    if options.cases:
        sets["real pictures"] = reference_evaluation.real(options.cases, options.size, options.crops)

    options.out.mkdir(parents=True, exist_ok=True)
    for title, cases in sets.items():
        tasks = reference_evaluation.tasks(cases, reference_evaluation.WARPS[options.warp])
        if not tasks:
            raise SystemExit(
                f"No colours in {options.cases}: expected pictures, or folders truth/ or reference/ in it."
            )
        for name, task in tasks.items():
            results = reference_evaluation.evaluate(task, rows | models, measures)
            evaluation.report(f"{title}, {name}", results, options.out)
    print("\n".join([*lacking, *left_out, *unmeasured]))
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate reference",
        description="Scores on held-out procedural characters and on a folder of real pictures, in up to three tasks: "
        "the reference that is given, the picture itself under a warp, another picture.",
    )
    parser.add_argument(
        "cases",
        nargs="?",
        type=Path,
        help="folder with line/ reference/ truth/ by base name, as far as they are there, or of colour pictures",
    )
    parser.add_argument(
        "--model",
        type=Path,
        action="append",
        metavar="FILE",
        help=f"a file to judge ({', '.join(colorizers.COLORIZERS)}), several times for several [the one that ships]",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="tables and sheets [%(default)s]")
    parser.add_argument("--count", type=int, default=64, help="held-out pictures [%(default)s]")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in px [%(default)s]")
    parser.add_argument("--crops", type=int, default=1, help="squares to take of each colour picture [%(default)s]")
    parser.add_argument(
        "--warp",
        choices=reference_evaluation.WARPS,
        default="diagonal",
        help="of the picture itself: AnimeDiffusion's or SCFT's points [%(default)s]",
    )
    parser.add_argument(
        "--alexnet", type=Path, metavar="FILE", help="weights for LPIPS: alexnet-owt-*.pth of torchvision"
    )
    parser.add_argument(
        "--inception", type=Path, metavar="FILE", help="weights for FID: weights-inception-2015-12-05-*.pth"
    )
    return parser.parse_args(arguments)


def chosen(files):
    """{file name: colorizer} of the files, or of the one that ships, and what there is to say about that."""
    if not files and not SHIPPED.is_file():
        return {}, [
            f"No colorizer was judged: {SHIPPED.name} is not in {SHIPPED.parent.name}/; name a file by --model."
        ]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    found = {}
    for file in files or [SHIPPED]:
        try:
            found[file.stem] = colorizers.load(file, device)
        except ValueError as error:
            raise SystemExit(f"--model {file}: {error}") from error
    return found, []

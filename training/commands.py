"""The command `evaluate` of run.py. It needs torch, numpy, safetensors and einops, and no host."""

import argparse
from pathlib import Path

import torch
from safetensors.torch import load_file

from ..models.geodesic.network import GeodesicUNet, config
from . import evaluation

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "weights" / "geodesic_scribble.safetensors"
SIZE = 128  # the side of a picture, px


def evaluate(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate",
        description="Scores against baselines on held-out procedural pictures and on a folder of real ones.",
    )
    parser.add_argument("name", choices=["scribble"], help="line art + strokes")
    parser.add_argument(
        "cases",
        nargs="?",
        type=Path,
        help="folder with line/ scribble/ truth/ by base name, or of colour pictures (lines and strokes are made)",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="tables and sheets [%(default)s]")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="the file to judge [the one that ships]")
    parser.add_argument("--count", type=int, default=64, help="held-out pictures [%(default)s]")
    parser.add_argument("--size", type=int, default=SIZE, help="side of the pictures in px [%(default)s]")
    parser.add_argument("--steps", type=int, default=1, help="sampling steps [%(default)s]")
    options = parser.parse_args(arguments)
    weights = {name: tensor.float() for name, tensor in load_file(options.weights).items()}
    shape = config(weights)
    if shape is None:
        raise SystemExit(f"{options.weights} holds no geodesic colorizer; train one with `run.py train geodesic`.")
    network = GeodesicUNet(**shape)
    network.load_state_dict(weights)
    network.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    options.out.mkdir(parents=True, exist_ok=True)
    sets = {"held-out scenes": evaluation.held_out(options.count, options.size)}
    if options.cases:
        sets["real pictures"] = evaluation.real(options.cases, options.size)
    for title, cases in sets.items():
        evaluation.report(title, evaluation.evaluate(network, cases, options.steps), options.out)
    print("Not measured: MS-SSIM, LPIPS, FID. The last two need feature weights, which are not part of the pack.")
    return 0

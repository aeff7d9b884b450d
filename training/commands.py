"""The commands `train` and `evaluate` of run.py. They need torch, numpy, safetensors and einops, and no host."""

import argparse
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ..models.geodesic.network import GeodesicUNet, config
from . import evaluation, flat_evaluation
from .dataset import scribble_batch
from .pictures import pictures
from .trainer import Run

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "weights" / "geodesic_scribble.safetensors"
SIZE = 128  # the side of a training picture, px
FLAT_SIZE = 512  # of a picture whose gaps are up to 16 px wide
WIDTHS, DETAIL = (32, 72, 144, 224), 16  # of the weights that ship


def train(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py train",
        description="Train from scratch on procedural pictures; an interrupted run continues in the same --out.",
    )
    parser.add_argument("name", choices=["geodesic"], help="the colorizer that ships: line art + strokes")
    parser.add_argument("--out", type=Path, default=Path("out/geodesic"), help="folder of the run [%(default)s]")
    parser.add_argument("--steps", type=int, default=6500, help="optimizer steps [%(default)s]")
    parser.add_argument("--batch", type=int, default=16, help="pictures in a step [%(default)s]")
    parser.add_argument("--pictures", type=int, default=8000, help="scenes to draw and keep [%(default)s]")
    parser.add_argument("--seed", type=int, default=0, help="of weights, cases and noise [%(default)s]")
    parser.add_argument("--smoke", action="store_true", help="every phase in a minute, for a test")
    options = parser.parse_args(arguments)
    if options.smoke:
        options.steps, options.batch, options.pictures = 6, 2, 8
    widths, detail = ((8, 16), 8) if options.smoke else (WIDTHS, DETAIL)

    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(options.seed)
    run = Run(GeodesicUNet(widths, detail), options.out, device, options.steps, seed=options.seed)
    run.resume()
    print(f"{options.steps} steps of {options.batch} on {device}, seed {options.seed}, from step {run.step}")
    scenes = pictures(options.out, options.pictures, SIZE)
    run.train(partial(scribble_batch, scenes, options.batch, options.seed))
    final = options.out / "geodesic_scribble.safetensors"
    half = {name: tensor.half().contiguous() for name, tensor in run.average.state_dict().items()}
    save_file(half, final, metadata={"steps": str(run.step), "seed": str(options.seed)})
    print(f"wrote {final} ({final.stat().st_size / 1e6:.1f} MB)")
    return 0


def evaluate(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate",
        description="Scores against baselines on held-out procedural pictures and on a folder of real ones.",
    )
    parser.add_argument(
        "name", choices=["scribble", "flats"], help="scribble: the colorizer that ships; flats: exact colour by strokes"
    )
    parser.add_argument(
        "cases",
        nargs="?",
        type=Path,
        help="folder with line/ scribble/ truth/ by base name, or of colour pictures (lines and strokes are made)",
    )
    parser.add_argument("--out", type=Path, default=Path("out/evaluate"), help="tables and sheets [%(default)s]")
    parser.add_argument("--weights", type=Path, default=SHIPPED, help="the file to judge [the one that ships]")
    parser.add_argument("--count", type=int, help="held-out pictures [64, flats 4]")
    parser.add_argument("--size", type=int, help=f"side of the pictures in px [{SIZE}, flats {FLAT_SIZE}]")
    parser.add_argument("--steps", type=int, default=1, help="sampling steps [%(default)s]")
    options = parser.parse_args(arguments)
    if options.name == "flats":
        flat_evaluation.evaluate(options.count or 4, options.size or FLAT_SIZE, options.out)
        return 0
    options.count, options.size = options.count or 64, options.size or SIZE
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

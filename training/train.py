"""The command `train` of run.py. It needs torch, numpy, safetensors and einops, and a host for ColorizeDiffusion only.

Several GPUs and machines: `accelerate launch [its options] run.py --python python train NAME ...`, --out on a disk that
all machines share.
"""

import argparse
import os
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..models import tps
from . import ablation, recipes
from .colorizediffusion import colorizediffusion
from .machine import PRECISIONS, choose_precision, machine

THREADS = min(8, max(1, (os.cpu_count() or 1) // 2))
LORA = {"size": 512, "batch": 4, "steps": 2000, "lr": 1e-4}  # a LoRA of ColorizeDiffusion, where nothing is told
SMOKE = {"size": 32, "batch": 2, "batch2": 2, "steps": 4, "steps2": 3, "drawings": 8, "save_every": 2}


def train(arguments):
    options = parse(arguments)
    if options.smoke:
        vars(options).update((name, value) for name, value in (SMOKE | options.tiny).items() if name in options)
    options.out = options.out or Path("out") / options.name
    options.machine = machine()
    options.precision = choose_precision(options.precision, options.machine)
    torch.manual_seed(options.seed)
    where = f"{options.machine.num_processes} x {options.machine.device.type}"
    is_main = options.machine.is_main_process
    if is_main:
        told = f"{options.name} on {where}, {options.precision}, seed {options.seed}"
        print(f"{told}, {options.batch} x {options.accumulate} pictures a step and process", flush=True)
    weights = options.recipe(options)
    if is_main and weights:
        final = options.out / f"{options.file}.safetensors"
        save_file(weights, final, {"steps": str(options.steps), "seed": str(options.seed)})
        print(f"wrote {final} ({final.stat().st_size / 1e6:.1f} MB)")
    options.machine.end_training()
    return 0


def parse(arguments):
    command = parser()
    options = command.parse_args(arguments)
    if getattr(options, "lora", None):
        options.own.set_defaults(**LORA)
        options = command.parse_args(arguments)
    return options


def parser():
    command = argparse.ArgumentParser(
        prog="run.py train",
        description="Train from scratch, on procedural pictures or your own; an interrupted run continues in the same "
        "--out. Several GPUs: accelerate launch run.py --python python train NAME ...",
    )
    names = command.add_subparsers(dest="name", metavar="NAME", required=True)

    one = add(names, "geodesic", recipes.geodesic, "the scribble colorizer that ships", 128, 16, 6500, 1e-3, "bf16")
    one.add_argument("--drawings", type=positive, default=8000, help="scenes to draw and keep [%(default)s]")
    one.set_defaults(file="geodesic_scribble")

    one = add(names, "likeness", recipes.likeness, "the reference colorizer that ships", 128, 16, 2800, 1e-3, "bf16")
    one.add_argument("--drawings", type=positive, default=8000, help="scenes and pairs to draw and keep [%(default)s]")
    one.set_defaults(file="likeness_reference")

    text = "the network that matches regions with a sheet's"
    one = add(names, "sheet", recipes.sheet, text, 320, 16, 12_000, 1e-3)
    one.add_argument("--drawings", type=positive, default=3000, help="figures to draw and keep [%(default)s]")
    one.set_defaults(file="sheet_matching")

    one = add(names, "animediffusion", recipes.animediffusion, "diffusion after a reference", 256, 32, 300_000, 1e-4)
    of_pictures(one, narrow=(1, 2)), of_references(one, jitter=0)
    one.add_argument("--dropout", type=share, default=0.0, help="share of white references, for cfg > 1 [%(default)s]")
    one.add_argument("--steps2", type=positive, default=8000, help="steps of phase 2, reconstruction [%(default)s]")
    one.add_argument("--batch2", type=positive, default=4, help="pictures in a step of phase 2 [%(default)s]")
    one.add_argument("--frugal", action="store_true", help="phase 2 in less memory, slower")

    one = add(names, "scft", recipes.scft, "one pass after a reference (GAN)", 256, 16, 40_000, 1e-4)
    of_pictures(one, narrow=(1, 2, 4, 8)), of_references(one, jitter=tps.LEVELS)
    of_gan(one)

    one = add(names, "diffusart", recipes.diffusart, "diffusion after strokes", 256, 16, 300_000, 1e-4)
    of_pictures(one, narrow=(1, 2, 4))

    text = "diffusion on latents after a reference, whole or by a LoRA"
    one = add(names, "colorizediffusion", colorizediffusion, text, 768, 64, 100_000, 1e-5)
    of_colorizediffusion(one)

    text = "SCFT trained with and without its options, and measured"
    one = add(names, "ablation", ablation.ablation, text, 64, 8, 400, 5e-4)
    one.add_argument("--drawings", type=positive, default=400, help="characters to draw and keep [%(default)s]")
    one.set_defaults(pictures=None, narrow=4, jitter=tps.LEVELS, vgg=None, published_tokens=False)
    return command


def add(names, name, recipe, text, size, batch, steps, lr, precision="auto"):
    one = names.add_parser(name, help=text, prog=f"run.py train {name}", description=text)
    one.set_defaults(recipe=recipe, file=name, tiny={})
    one.add_argument("--out", type=Path, help=f"folder of the run [out/{name}]")
    one.add_argument("--size", type=side, default=size, help="side of a picture, px [%(default)s]")
    one.add_argument("--batch", type=positive, default=batch, help="pictures at a time, per process [%(default)s]")
    one.add_argument("--accumulate", type=positive, default=1, help="batches in a step [%(default)s]")
    one.add_argument("--steps", type=positive, default=steps, help="optimizer steps [%(default)s]")
    one.add_argument("--lr", type=float, default=lr, help="learning rate [%(default)s]")
    one.add_argument("--precision", choices=["auto", *PRECISIONS], default=precision, help="[%(default)s]")
    one.add_argument("--seed", type=int, default=0, help="of weights, cases and noise [%(default)s]")
    one.add_argument("--save-every", type=positive, default=250, help="steps between checkpoints [%(default)s]")
    one.add_argument("--threads", type=positive, default=THREADS, help="that prepare pictures [%(default)s]")
    one.add_argument("--smoke", action="store_true", help="all phases of a tiny run in a minute, for a test")
    return one


def of_pictures(one, narrow, drawings=8000):
    one.add_argument("--pictures", type=Path, metavar="FOLDER", help="colour pictures [procedural ones]")
    one.add_argument(
        "--drawings", type=positive, default=drawings, help="procedural pictures to draw and keep [%(default)s]"
    )
    one.add_argument("--narrow", type=int, choices=narrow, default=1, help="divides the published widths [%(default)s]")
    one.add_argument("--styles", action="store_true", help="lines of many hands, not AnimeDiffusion's XDoG alone")


def of_references(one, jitter):
    one.add_argument("--jitter", type=level, default=jitter, help="shift of colours, levels of 255 [%(default)s]")
    one.add_argument(
        "--cross",
        type=share,
        default=0.0,
        help="share of references that are another picture of the same character: of the same sub-folder of "
        "--pictures, or procedural [%(default)s]",
    )


def of_gan(one):
    one.add_argument("--vgg", type=Path, help="torchvision's VGG19 weights, for the perceptual and style losses")
    one.add_argument("--cycle", type=float, default=0.0, help="weight of the loss without truth [%(default)s]")
    one.add_argument(
        "--published-tokens",
        action="store_true",
        help="scrambled, as the public re-implementation reads them at 256 px",
    )


def of_colorizediffusion(one):
    one.set_defaults(own=one, tiny={"size": 64})
    one.add_argument("--model", type=Path, metavar="FILE", help="ColorizeDiffusion to begin with (v1; a LoRA: any)")
    one.add_argument("--vision", type=Path, metavar="FILE", help="CLIP ViT-H vision model")
    defaults = ", ".join(f"--{name} {value}" for name, value in LORA.items())
    one.add_argument("--lora", type=positive, metavar="RANK", help=f"train a LoRA instead; then {defaults} if not told")
    one.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="colour pictures, or color/ and sketch/ with the same names in both [procedural pictures]",
    )
    one.add_argument("--drawings", type=positive, default=2000, help="procedural pictures to draw [%(default)s]")
    one.add_argument(
        "--views",
        type=whole,
        default=4,
        help="crops of each picture whose latents and tokens are kept; 0: new ones at every step, slower [%(default)s]",
    )
    one.add_argument("--prediction", choices=["auto", "eps", "v"], default="auto", help="[as published]")
    one.add_argument("--dropout", type=share, default=0.5, help="share of cases without reference [%(default)s]")
    one.add_argument("--sketch-dropout", type=share, default=0.0, help="share of cases without sketch [%(default)s]")
    one.add_argument("--offset-noise", type=share, default=0.05, help="of each channel as a whole [%(default)s]")
    one.add_argument("--min-snr", type=float, metavar="GAMMA", help="weigh steps of little noise down [all alike]")
    one.add_argument("--flip", type=share, default=0.0, help="share mirrored, of crops and references [%(default)s]")
    one.add_argument(
        "--rotate", type=share, default=0.0, help="share of references turned by up to 45 degrees [%(default)s]"
    )
    one.add_argument("--jitter", type=share, default=0.0, help="change of a reference's light, of 1 [%(default)s]")
    one.add_argument("--warp", type=share, default=0.0, help="share of references bent by a spline [%(default)s]")
    one.add_argument("--margins", type=share, default=0.2, help="white margins of sketches, of a side [%(default)s]")
    one.add_argument("--styles", action="store_true", help="lines of many hands, not AnimeDiffusion's XDoG alone")
    one.add_argument("--average", type=share, default=0.0, help="decay of averaged weights, such as 0.999 [none]")
    one.add_argument("--frugal", action="store_true", help="in less memory, slower")


def whole(text):
    return 0 if text == "0" else positive(text)


def positive(text):
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return number


def side(text):
    if (number := positive(text)) % 16:
        raise argparse.ArgumentTypeError(f"expected a multiple of 16, found {text}")
    return number


def level(text):
    if not 0 <= (number := int(text)) <= 255:
        raise argparse.ArgumentTypeError(f"expected 0 to 255, found {text}")
    return number


def share(text):
    if not 0 <= (number := float(text)) <= 1:
        raise argparse.ArgumentTypeError(f"expected a share from 0 to 1, found {text}")
    return number

"""The command `train` of run.py. It needs torch, numpy, safetensors and einops, and no host.

Several GPUs and machines: `accelerate launch [its options] run.py --python python train NAME ...`, --out on a disk that
all machines share.
"""

import argparse
import math
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from ..models import tps
from ..models.animediffusion.network import AnimeDiffusion
from ..models.diffusart.network import Diffusart
from ..models.geodesic.network import GeodesicUNet
from ..models.scft.losses import VGG19
from ..models.scft.network import Discriminator, Generator
from . import objectives, sampling
from .dataset import ReferenceCases, ScribbleCases, scribble_batch
from .machine import PRECISIONS, choose_precision, machine
from .pictures import pictures
from .sources import Characters, Folder, Scenes
from .trainer import Part, Run, adamw

SHEET = 2**40  # number of the batch that sample sheets show
SMOKE = {"size": 32, "batch": 2, "batch2": 2, "steps": 4, "steps2": 3, "drawings": 8, "save_every": 2, "jitter": 0}


def train(arguments):
    options = parser().parse_args(arguments)
    if options.smoke:
        vars(options).update((name, value) for name, value in SMOKE.items() if name in options)
    options.out = options.out or Path("out") / options.name
    options.machine = machine()
    options.precision = choose_precision(options.precision, options.machine)
    torch.manual_seed(options.seed)
    where = f"{options.machine.num_processes} x {options.machine.device.type}"
    is_main = options.machine.is_main_process
    if is_main:
        told = f"{options.name} on {where}, {options.precision}, seed {options.seed}"
        print(f"{told}, {options.batch} x {options.accumulate} pictures a step and process", flush=True)
    weights = options.system(options)
    if is_main:
        final = options.out / f"{options.file}.safetensors"
        save_file(weights, final, {"steps": str(options.steps), "seed": str(options.seed)})
        print(f"wrote {final} ({final.stat().st_size / 1e6:.1f} MB)")
    options.machine.end_training()
    return 0


def parser():
    command = argparse.ArgumentParser(
        prog="run.py train",
        description="Train from scratch, on procedural pictures or your own; an interrupted run continues in the same "
        "--out. Several GPUs: accelerate launch run.py --python python train NAME ...",
    )
    names = command.add_subparsers(dest="name", metavar="NAME", required=True)

    one = add(names, "geodesic", geodesic, "the scribble colorizer that ships", 128, 16, 6500, 1e-3, "bf16")
    one.add_argument("--drawings", type=int, default=8000, help="scenes to draw and keep [%(default)s]")
    one.set_defaults(file="geodesic_scribble")

    one = add(names, "animediffusion", animediffusion, "diffusion after a reference", 256, 32, 300_000, 1e-4)
    of_pictures(one), of_references(one, jitter=0)
    one.add_argument("--dropout", type=float, default=0.0, help="share of white references, for cfg > 1 [%(default)s]")
    one.add_argument("--steps2", type=int, default=8000, help="steps of phase 2, reconstruction [%(default)s]")
    one.add_argument("--batch2", type=int, default=4, help="pictures in a step of phase 2 [%(default)s]")
    one.add_argument("--frugal", action="store_true", help="phase 2 in a tenth of the memory, a third slower")

    one = add(names, "scft", scft, "one pass after a reference (GAN)", 256, 16, 40_000, 1e-4)
    of_pictures(one), of_references(one, jitter=tps.LEVELS)
    one.add_argument("--vgg", type=Path, help="torchvision's VGG19 weights, for the perceptual and style losses")
    one.add_argument("--cycle", type=float, default=0.0, help="weight of the loss without truth [%(default)s]")
    one.add_argument(
        "--published-tokens", action="store_true", help="scrambled, as the public re-implementation reads them"
    )

    one = add(names, "diffusart", diffusart, "diffusion after strokes", 256, 16, 300_000, 1e-4)
    of_pictures(one)
    return command


def add(names, name, system, text, size, batch, steps, lr, precision="auto"):
    one = names.add_parser(name, help=text, prog=f"run.py train {name}", description=text)
    one.set_defaults(system=system, file=name)
    one.add_argument("--out", type=Path, help=f"folder of the run [out/{name}]")
    one.add_argument("--size", type=int, default=size, help="side of a picture, px [%(default)s]")
    one.add_argument("--batch", type=int, default=batch, help="pictures at a time, per process [%(default)s]")
    one.add_argument("--accumulate", type=int, default=1, help="batches in a step [%(default)s]")
    one.add_argument("--steps", type=int, default=steps, help="optimizer steps [%(default)s]")
    one.add_argument("--lr", type=float, default=lr, help="learning rate [%(default)s]")
    one.add_argument("--precision", choices=["auto", *PRECISIONS], default=precision, help="[%(default)s]")
    one.add_argument("--seed", type=int, default=0, help="of weights, cases and noise [%(default)s]")
    one.add_argument("--save-every", type=int, default=250, help="steps between checkpoints [%(default)s]")
    one.add_argument("--threads", type=int, default=1, help="that prepare pictures [%(default)s]")
    one.add_argument("--smoke", action="store_true", help="all phases of a tiny run in a minute, for a test")
    return one


def of_pictures(one):
    one.add_argument("--pictures", type=Path, metavar="FOLDER", help="colour pictures [procedural ones]")
    one.add_argument("--drawings", type=int, default=8000, help="procedural pictures to draw and keep [%(default)s]")
    one.add_argument("--styles", action="store_true", help="lines of many hands, not AnimeDiffusion's XDoG alone")


def of_references(one, jitter):
    one.add_argument("--jitter", type=int, default=jitter, help="shift of colours, levels of 255 [%(default)s]")
    one.add_argument(
        "--cross",
        type=float,
        default=0.0,
        help="share of references that are another picture of the same character: of the same sub-folder of "
        "--pictures, or procedural [%(default)s]",
    )


def geodesic(options):
    network = GeodesicUNet((8, 16), 8) if options.smoke else GeodesicUNet((32, 72, 144, 224), 16)
    part = Part(objectives.Geodesic(network), adamw(network, options.lr, (0.9, 0.98)))
    with options.machine.main_process_first():
        scenes = pictures(options.out, options.drawings, options.size)
    weights = go(options, [part], partial(scribble_batch, scenes, options.batch, options.seed)).weights()
    return {name: tensor.half() for name, tensor in weights.items()}


def animediffusion(options):
    network = AnimeDiffusion(widths=(32, 64), blocks=1) if options.smoke else AnimeDiffusion()
    source = open_source(options, Characters)
    cases = partial(reference_cases, options, source, tps.moved_diagonal, dropout=options.dropout)
    show = reference_sheet(cases(4), sampling.animediffusion)
    folder = options.out / "phase1"
    part = Part(objectives.NoisePrediction(network), adamw(network, options.lr))
    run = go(options, [part], cases(options.batch), show, folder=folder, warmup=1000)
    network.load_state_dict(run.weights())
    part = Part(objectives.Reconstruction(network, options.frugal), adamw(network, options.lr / 10))
    folder = options.out / "phase2"
    return go(options, [part], cases(options.batch2), show, folder=folder, steps=options.steps2).weights()


def scft(options):
    narrow = 8 if options.smoke else 1
    generator = Generator([width // narrow for width in (16, 32, 64, 128, 256)], places=not options.published_tokens)
    discriminator = Discriminator([width // narrow for width in (64, 128, 256, 512)])
    parts = [
        Part(module, torch.optim.Adam(module.network.parameters(), lr, (0.5, 0.999)), math.inf, prefix)
        for module, lr, prefix in (
            (objectives.Judgement(discriminator, generator), 2 * options.lr, "discriminator_state_dict."),
            (
                objectives.Painting(generator, discriminator, open_vgg(options), options.cycle),
                options.lr,
                "generator_state_dict.",
            ),
        )
    ]
    cases = partial(reference_cases, options, open_source(options, Characters), tps.moved_grid)
    show = reference_sheet(cases(4), lambda network, line, reference: network(reference, line))
    return go(options, parts, cases(options.batch), show, warmup=1, floor=1.0).weights()


def diffusart(options):
    narrow = {"dim": 32, "widths": (8, 32, 32, 32, 32), "encoder_widths": (8, 16, 16, 16, 32)}
    network = Diffusart(**narrow if options.smoke else {})
    part = Part(objectives.Scribbled(network), adamw(network, options.lr))
    source = open_source(options, Scenes)
    shown = ScribbleCases(source, 4, options.seed, options.styles)(SHEET)
    cases = ScribbleCases(source, options.batch, options.seed, options.styles)
    return go(options, [part], cases, scribble_sheet(shown), warmup=2000, decay=0.995).weights()


def go(options, parts, cases, show=None, folder=None, steps=None, warmup=200, **schedule):
    """Run to the end, from where it was left; returns the Run."""
    machine, steps = options.machine, steps or options.steps
    run = Run(
        parts,
        folder or options.out,
        steps,
        machine=machine,
        warmup=min(warmup, 1 + steps // 10),
        accumulate=options.accumulate,
        precision=options.precision,
        seed=options.seed,
        **schedule,
    )
    run.resume()
    if machine.is_main_process:
        print(f"{run.folder}: from step {run.step} of {run.steps}", flush=True)
    run.train(cases, options.save_every, threads=options.threads, show=show and partial(show, run.averages[-1]))
    return run


def open_source(options, procedural):
    """Drawings of --pictures or of the generator; the first process decodes or draws them for all."""
    with options.machine.main_process_first():
        if options.pictures is None:
            return procedural(options.out, options.drawings, options.size)
        source = Folder(options.pictures, options.out, options.size, options.threads)
    if getattr(options, "cross", 0) and not source.peers:
        raise SystemExit(
            f"--cross takes references from other pictures of the same character: expected sub-folders of "
            f"{options.pictures} with two pictures or more each, one for each character, found none."
        )
    return source


def reference_cases(options, source, draw_points, batch, dropout=0.0):
    return ReferenceCases(
        source, batch, options.seed, draw_points, options.jitter, options.styles, options.cross, dropout
    )


def open_vgg(options):
    """The stages for SCFT's losses from a file, or None."""
    if options.vgg is None:
        if options.machine.is_main_process:
            print("Without --vgg: no perceptual and no style loss.", flush=True)
        return None
    try:
        if options.vgg.suffix == ".safetensors":
            state = load_file(options.vgg)
        else:
            state = torch.load(options.vgg, map_location="cpu", weights_only=True)
        return VGG19({name: tensor for name, tensor in state.items() if name.startswith("features.")})
    except Exception as error:
        raise SystemExit(
            f"--vgg: expected torchvision's VGG19 weights (features.0.weight, ...), found something else in "
            f"{options.vgg} ({type(error).__name__})."
        ) from error


def reference_sheet(cases, colorize):
    """show(network) for Run.train: always the same cases. colorize(network, line, reference) in -1..1."""
    line, reference, truth = cases(SHEET)

    @torch.no_grad()
    def show(network):
        place = next(network.parameters()).device
        ours = colorize(network, line.to(place), reference.to(place)).float().cpu()
        rows = {"line": line.expand(-1, 3, -1, -1), "reference": reference, "ours": ours, "truth": truth}
        return {row: ((pictures + 1) / 2).clamp(0, 1) for row, pictures in rows.items()}

    return show


def scribble_sheet(cases):
    line, scribble, mask, truth = cases

    @torch.no_grad()
    def show(network):
        place = next(network.parameters()).device
        ours = sampling.diffusart(network, *(part.to(place) for part in cases[:3])).cpu()
        line_01, ours, truth_01 = (((pictures + 1) / 2).clamp(0, 1) for pictures in (line, ours, truth))
        return {"strokes": line_01 * (1 - mask) + scribble * mask, "ours": ours, "truth": truth_01}

    return show

"""How each network is trained: `recipe(options)` runs to the end and returns the weights by their names in files."""

import inspect
import math
from functools import partial

import torch

from ..models import tps
from ..models.animediffusion.network import AnimeDiffusion
from ..models.diffusart.network import Diffusart
from ..models.flats.matcher import Matcher
from ..models.geodesic.network import GeodesicUNet
from ..models.likeness.network import Likeness
from ..models.registry import unwrap
from ..models.scft.losses import VGG19
from ..models.scft.network import Discriminator, Generator
from . import characters, colorizers, objectives, sampling, sheet_cases
from .dataset import ReferenceCases, ScribbleCases, scribble_batch
from .pictures import pictures
from .references import matched_batch
from .sources import Characters, Folder, Scenes
from .trainer import Part, Run, adamw, prefixed

SHEET = 2**40  # number of the batch that sample sheets show
TINY = {  # arguments of the networks of smoke runs
    "animediffusion": {"widths": (32, 64), "blocks": 1},
    "diffusart": {"dim": 32, "widths": (8, 32, 32, 32, 32), "encoder_widths": (8, 16, 16, 16, 32)},
}


def geodesic(options):
    network = GeodesicUNet((8, 16), 8) if options.smoke else GeodesicUNet((32, 72, 144, 224), 16)
    part = Part(objectives.Geodesic(network), adamw(network, options.lr, (0.9, 0.98)))
    with options.machine.main_process_first():
        scenes = pictures(options.out, options.drawings, options.size)
    weights = go(options, [part], partial(scribble_batch, scenes, options.batch, options.seed)).weights()
    return {name: tensor.half() for name, tensor in weights.items()}


def likeness(options):
    network = Likeness((8, 16), 8) if options.smoke else Likeness()
    part = Part(objectives.Likeness(network), adamw(network, options.lr, (0.9, 0.98)))
    with options.machine.main_process_first():
        scenes = pictures(options.out, options.drawings, options.size)
        pairs = pictures(options.out, options.drawings, options.size, 0, characters.pair, characters.PLANES)
    cases = partial(matched_batch, scenes, pairs)
    line, reference, _, _, truth = cases(4, options.seed, SHEET)
    show = reference_sheet(lambda _: (line, reference, truth), colorizers.likeness)
    weights = go(options, [part], partial(cases, options.batch, options.seed), show, decay=0.995).weights()
    return {name: tensor.half() for name, tensor in weights.items()}


def sheet(options):
    network = Matcher(16, 1) if options.smoke else Matcher()
    part = Part(objectives.Matching(network), adamw(network, options.lr, (0.9, 0.98)))
    with options.machine.main_process_first():
        figures = sheet_cases.figures(options.out, options.drawings, options.size)
    cases = partial(sheet_cases.cases, figures, options.batch, options.seed)
    weights = go(options, [part], cases, decay=0.995).weights()
    return {name: tensor.half() for name, tensor in weights.items()}


def animediffusion(options):
    network = AnimeDiffusion(**TINY[options.name] if options.smoke else narrowed(AnimeDiffusion, options.narrow))
    source = open_source(options, Characters)
    cases = partial(reference_cases, options, source, tps.moved_diagonal, dropout=options.dropout)
    show = reference_sheet(cases(4), colorizers.animediffusion)
    part = Part(objectives.NoisePrediction(network), adamw(network, options.lr))
    network.load_state_dict(go(options, [part], cases(options.batch), show, "phase1", warmup=1000).weights())
    part = Part(objectives.Reconstruction(network, options.frugal), adamw(network, options.lr / 10))  # the paper's 1e-5
    return go(options, [part], cases(options.batch2), show, "phase2", options.steps2).weights()


def scft(options):
    return scft_run(options).weights()


def scft_run(options, folder="."):
    """The finished Run, whose second part is the generator."""
    narrow = 8 if options.smoke else options.narrow
    generator = Generator(**narrowed(Generator, narrow), places=not options.published_tokens)
    discriminator = Discriminator(**narrowed(Discriminator, narrow))
    judgement = objectives.Judgement(discriminator, generator)
    painting = objectives.Painting(generator, discriminator, open_vgg(options), options.cycle)
    judge_names, painter_names = (partial(prefixed, f"{name}_state_dict.") for name in ("discriminator", "generator"))
    parts = [
        Part(judgement, gan_adam(discriminator, 2 * options.lr), math.inf, judge_names),
        Part(painting, gan_adam(generator, options.lr), math.inf, painter_names),
    ]
    cases = partial(reference_cases, options, open_source(options, Characters), tps.moved_grid)
    show = reference_sheet(cases(4), colorizers.scft)
    return go(options, parts, cases(options.batch), show, folder, warmup=1, floor=1.0)


def diffusart(options):
    network = Diffusart(**TINY[options.name] if options.smoke else narrowed(Diffusart, options.narrow))
    part = Part(objectives.Scribbled(network), adamw(network, options.lr))
    source = open_source(options, Scenes)
    shown = ScribbleCases(source, 4, options.seed, options.styles)(SHEET)
    cases = ScribbleCases(source, options.batch, options.seed, options.styles)
    return go(options, [part], cases, scribble_sheet(shown), warmup=2000, decay=0.995).weights()


def narrowed(network, divisor):
    """The published widths over a number, as arguments of a network."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(network).parameters.items()}
    return {
        name: tuple(width // divisor for width in defaults[name])
        for name in ("widths", "encoder_widths")
        if name in defaults
    }


def gan_adam(network, lr):
    return torch.optim.Adam(network.parameters(), lr, (0.5, 0.999))


def go(options, parts, cases, show=None, folder=".", steps=None, warmup=200, **schedule):
    """Run in a folder of --out to the end, from where it was left; returns the Run."""
    machine, steps = options.machine, steps or options.steps
    run = Run(
        parts,
        options.out / folder,
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
        state = {
            name: tensor
            for name, tensor in unwrap(colorizers.read(options.vgg)).items()
            if name.startswith("features.")
        }
        if len(state) != 32:
            raise ValueError("It has not the 16 convolutions, each with a bias.")
        return VGG19(state)
    except (ValueError, RuntimeError) as error:
        raise SystemExit(
            "--vgg: expected torchvision's VGG19 weights (features.0.weight, ...), "
            f"found something else in {options.vgg}."
        ) from error


def reference_sheet(cases, colorize):
    """show(network) for Run.train: always the same cases. colorize(network, line, reference) in 0..1."""
    line, reference, truth = (((pictures + 1) / 2).clamp(0, 1) for pictures in cases(SHEET))

    def show(network):
        ours = colorizers.run(colorize, network, next(network.parameters()).device, line, reference)
        return {"line": line.expand(-1, 3, -1, -1), "reference": reference, "ours": ours, "truth": truth}

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

"""Colours drawings through the real ComfyUI: `python run.py colorize --help`."""

import argparse
from pathlib import Path

from . import graphs, pictures
from .server import Host, HostError

SCRIBBLE_MODEL = "lineart_colorize/geodesic_scribble.safetensors"
REFERENCE_MODEL = "lineart_colorize/likeness_reference.safetensors"
FLATS = "flats"  # in place of a model: the colours of the strokes alone


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py colorize",
        description="Colours line drawings. Results are OUT/<name>.png at each drawing's own size. "
        "Run it again to go on where it was stopped.",
        epilog="example: python run.py colorize drawings --reference character.png --out coloured",
    )
    parser.add_argument("line", nargs="+", metavar="LINE", help="line drawings, or folders of them")
    parser.add_argument(
        "--scribble",
        metavar="F|DIR",
        help="colour strokes: one file for all, or a folder with the same names",
    )
    parser.add_argument(
        "--reference",
        metavar="F|DIR",
        help="coloured pictures to take the colours from: one file for all, or a folder with the same names",
    )
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help="a file, or a name as ComfyUI lists it; SCFT as a file only "
        f"(default: {SCRIBBLE_MODEL}, with --reference alone {REFERENCE_MODEL} and one colour for each region), "
        f"or '{FLATS}': exactly the colours of the strokes in whole regions, without a model; size, steps and seed do "
        "not matter then",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--size", type=int, default=0, metavar="N", help="working size in pixels (0: as trained)")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="sampling steps (0: the model's number)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other free colours")
    options = parser.parse_args(arguments)
    try:
        options.line = pictures.find(options.line)
        options.strokes, options.references = (
            {line: pictures.partner(line, guidance) for line in options.line}
            for guidance in (options.scribble, options.reference)
        )
    except ValueError as error:
        parser.error(str(error))
    return options


def main(arguments):
    options = parse(arguments)
    bare = [line.name for line, strokes in options.strokes.items() if options.scribble and not strokes]
    if bare:
        print(f"No strokes of that name in {options.scribble}, coloured without: {', '.join(bare)}")
    if options.scribble and options.reference:
        if options.model:
            print(f"Strokes and reference: {options.model} takes those that it was trained on.")
        else:
            print(f"Strokes and reference: took the strokes, by {SCRIBBLE_MODEL}. Another --model may take both.")
            options.reference = None
    open_ = pictures.still_open(options.line, options.out)
    if not open_:
        return 0
    with Host() as host:
        info = host.object_info()
        make = graph_maker(host, info, options)

        def work(line, on_event):
            return host.view(host.prompt(make(line), on_event)["result"]["images"][0])

        return pictures.process(open_, options.out, work)


def graph_maker(host, info, options):
    """The graph of a drawing, as a function of its path."""
    if options.model == FLATS:
        return lambda line: flat_graph(host, info, options, line)
    network = options.model and is_network(options.model)
    if network:
        if not options.reference:
            raise HostError(f"{options.model} takes its colours from a picture: add --reference F|DIR.")
        model = host.add_model(options.model)
    else:
        model = choose_model(host, info, options.model or (REFERENCE_MODEL if options.reference else SCRIBBLE_MODEL))

    def make(line):
        strokes, reference = options.strokes[line], options.reference and options.references[line]
        if options.reference and not reference:
            raise HostError(f"there is no picture of that name in {options.reference}.")
        drawing = host.upload(line, "line" + line.suffix)
        reference = reference and host.upload(reference, "reference" + reference.suffix)
        if network:
            return graphs.correspond(info, drawing, model, reference, options.size)
        strokes = strokes and host.upload(strokes, "strokes" + strokes.suffix)
        numbers = options.size, options.steps, options.seed
        return graphs.colorize(
            info, drawing, model, strokes, reference, *numbers, flat=not options.model and bool(reference)
        )

    return make


def flat_graph(host, info, options, line):
    strokes = options.strokes[line]
    if not strokes:
        raise HostError("flats need strokes of the same name: name their folder with --scribble.")
    return graphs.flats(info, host.upload(line, "line" + line.suffix), host.upload(strokes, "strokes" + strokes.suffix))


def is_network(model):
    """Whether it is the file of a network that colours in one pass, which has a loader of its own."""
    if not Path(model).is_file():
        return False
    from ..training import colorizers  # needs torch, which a bare Python that asks for --help may lack

    try:
        return colorizers.system_of(model) == "scft"
    except ValueError:
        return False  # ComfyUI's loader says what is wrong with it


def choose_model(host, info, model):
    """The loader's name for a file anywhere, or for a name with or without its folder."""
    if Path(model).is_file():
        return host.add_model(model)
    known = graphs.choices(*info["ColorizeModelLoader"]["input"]["required"]["file"])
    for name in known:
        if model in (name, name.partition("/")[2]):
            return name
    raise HostError(f"--model: '{model}' is no file, and not among ComfyUI's models: {', '.join(known) or 'none'}.")

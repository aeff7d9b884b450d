"""Colours drawings through the real ComfyUI: `python run.py colorize --help`."""

import argparse
from pathlib import Path

from . import graphs, pictures
from .server import Host, HostError

SCRIBBLE_MODEL = "lineart_colorize/geodesic_scribble.safetensors"
FLATS = "flats"  # in place of a model: the colours of the strokes alone


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py colorize",
        description="Colours line drawings. Results are OUT/<name>.png at each drawing's own size. "
        "Run it again to go on where it was stopped.",
        epilog="example: python run.py colorize drawings --scribble strokes --out coloured",
    )
    parser.add_argument("line", nargs="+", metavar="LINE", help="line drawings, or folders of them")
    parser.add_argument(
        "--scribble",
        metavar="F|DIR",
        help="colour strokes: one file for all, or a folder with the same names",
    )
    parser.add_argument("--reference", metavar="F|DIR", help="a coloured picture to take the colours from")
    parser.add_argument(
        "--model",
        metavar="NAME|PATH",
        help=f"a file, or a name as ComfyUI lists it (default: {SCRIBBLE_MODEL}), or '{FLATS}': exactly the colours "
        "of the strokes in whole regions, without a model; size, steps and seed do not matter then",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="folder for the results")
    parser.add_argument("--size", type=int, default=0, metavar="N", help="working size in pixels (0: as trained)")
    parser.add_argument("--steps", type=int, default=0, metavar="N", help="sampling steps (0: the model's number)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="another seed, other free colours")
    options = parser.parse_args(arguments)
    if options.reference:
        parser.error("no model of this version follows a reference picture; guide it with --scribble instead.")
    try:
        options.line = pictures.find(options.line)
        options.strokes = {line: pictures.partner(line, options.scribble) for line in options.line}
    except ValueError as error:
        parser.error(str(error))
    return options


def main(arguments):
    options = parse(arguments)
    bare = [line.name for line, strokes in options.strokes.items() if options.scribble and not strokes]
    if bare:
        print(f"No strokes of that name in {options.scribble}, coloured without: {', '.join(bare)}")
    open_ = pictures.still_open(options.line, options.out)
    if not open_:
        return 0
    with Host() as host:
        info = host.object_info()
        exact = options.model == FLATS
        model = None if exact else choose_model(host, info, options.model or SCRIBBLE_MODEL)

        def work(line, on_event):
            strokes = options.strokes[line]
            if exact and not strokes:
                raise HostError("flats need strokes of the same name: name their folder with --scribble.")
            drawing = host.upload(line, "line" + line.suffix)
            strokes = strokes and host.upload(strokes, "strokes" + strokes.suffix)
            if exact:
                graph = graphs.flats(info, drawing, strokes)
            else:
                graph = graphs.colorize(info, drawing, model, strokes, options.size, options.steps, options.seed)
            return host.view(host.prompt(graph, on_event)["result"]["images"][0])

        return pictures.process(open_, options.out, work)


def choose_model(host, info, model):
    """The loader's name for a file anywhere, or for a name with or without its folder."""
    if Path(model).is_file():
        return host.add_model(model)
    known = graphs.choices(*info["ColorizeModelLoader"]["input"]["required"]["file"])
    for name in known:
        if model in (name, name.partition("/")[2]):
            return name
    raise HostError(f"--model: '{model}' is no file, and not among ComfyUI's models: {', '.join(known) or 'none'}.")

"""`python run.py evaluate`: the commands themselves are in training/."""

import argparse


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate",
        description="Scores a colorizer against baselines: a table, a contact sheet, a score per picture.",
        epilog="run.py evaluate NAME --help tells more.",
        add_help=not arguments or arguments[0].startswith("-"),
    )
    parser.add_argument(
        "name",
        choices=["scribble", "reference", "sheet"],
        help="line art + strokes, or + a coloured picture; a model sheet to a new drawing",
    )
    name = parser.parse_known_args(arguments[:1])[0].name
    # all need torch, which a bare Python that asks for --help may lack
    from ..training import commands, reference_command, sheets

    if name == "reference":
        return reference_command.evaluate(arguments[1:])
    if name == "sheet":
        return sheets.evaluate(arguments[1:])
    return commands.evaluate(arguments)

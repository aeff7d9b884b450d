"""`python run.py evaluate`: the commands themselves are in training/."""

import argparse


def main(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py evaluate",
        description="Scores a colorizer against baselines: a table, a contact sheet, a score per picture.",
        epilog="run.py evaluate NAME --help tells more.",
        add_help=not arguments or arguments[0].startswith("-"),
    )
    parser.add_argument("name", choices=["scribble", "reference", "flats", "sheet"], help="what the colours come from")
    name = parser.parse_known_args(arguments[:1])[0].name
    # these need torch, which a bare Python that asks for --help may lack; flats and sheets need SciPy as well
    if name == "flats":
        from ..training import flat_evaluation as command
    elif name == "sheet":
        from ..training import sheet_evaluation as command
    elif name == "reference":
        from ..training import reference_command as command
    else:
        from ..training import commands as command
    return command.evaluate(arguments[1:])

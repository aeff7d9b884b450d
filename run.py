"""One entry for people and for CI: python run.py --help

Makes an environment with ComfyUI once, runs itself again inside it and hands over to `cli/<command>.py`.
"""

import argparse
import contextlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent
READY = "LINEART_COLORIZE_READY"  # set for the process that runs inside the environment

COMMANDS = """\
commands (python run.py COMMAND --help tells more):

  demo      Colour a shipped drawing in the real ComfyUI; saves line art, guidance and result side by side.
              python run.py demo
  colorize  Colour line drawings, files or folders, guided by strokes or references of the same name.
              python run.py colorize drawings --scribble strokes --out coloured
  lines     Extract black lines on white from any pictures.
              python run.py lines photos --method xdog --out lines
  serve     Open the real ComfyUI with these nodes in your browser.
              python run.py serve
  test      Everything CI runs; further words go to pytest.
              python run.py test -k xdog
  parity    Compare our networks and filters with golden outputs of the originals, tensor by tensor.
              python run.py parity golden/line_xdog.safetensors
  bench     Measured speed against named baselines, in one process.
              python run.py bench xdog --json bench.json
  train     Train a colorizer from scratch, on procedural pictures or a folder of yours; resumes.
              python run.py train geodesic --out out/geodesic
              python run.py train scft --pictures anime --out out/scft
              python run.py train colorizediffusion --lora 16 --pictures my --model v1.safetensors ...
  evaluate  Score a model against simple baselines on held-out pictures or on your own cases.
              python run.py evaluate scribble my-cases --out scores
              python run.py evaluate reference my-pictures --model my.safetensors
"""
NAMES = [line.split()[0] for line in COMMANDS.splitlines() if line.startswith("  ") and line[2] != " "]


def load(name, file, **places):
    spec = importlib.util.spec_from_file_location(name, ROOT / file, **places)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def run(command, arguments):
    """Calls the command with the pack loaded as the host does it: by file spec, whatever its folder is."""
    if str(ROOT) in sys.path:  # the script's own folder: its `nodes` would stand before the host's
        sys.path.remove(str(ROOT))
    load("lineart_colorize", "__init__.py", submodule_search_locations=[str(ROOT)])
    host_error = importlib.import_module("lineart_colorize.cli.server").HostError
    try:
        return importlib.import_module(f"lineart_colorize.cli.{command}").main(arguments)
    except host_error as error:
        sys.exit(f"{command}: {error}")
    except KeyboardInterrupt:
        return 130


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="run.py",
        usage="python run.py [--comfyui PATH] [--python PATH] [--fresh] COMMAND ...",
        epilog=COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--comfyui",
        metavar="PATH",
        default=os.environ.get("COMFYUI_PATH"),
        help="use this ComfyUI's code (or the variable COMFYUI_PATH, or the ComfyUI around this folder)",
    )
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="use this interpreter as it is: install nothing, list what is missing",
    )
    parser.add_argument("--fresh", action="store_true", help="make the environment anew")
    options, rest = parser.parse_known_args(arguments)
    if not rest or rest[0] in ("-h", "--help"):
        parser.print_help()
        raise SystemExit(0)
    if rest[0] not in NAMES:
        parser.error(f"expected a command first, found '{rest[0]}'. There are: {', '.join(NAMES)}.")
    return options, rest[0], rest[1:]


def main():
    if sys.version_info < (3, 10):  # noqa: UP036 - people start this file with whatever Python they have
        sys.exit(f"Python 3.10 or newer is needed, this is {sys.version.split()[0]}.")
    if os.environ.pop(READY, None):
        return run(sys.argv[1], sys.argv[2:])
    options, command, arguments = parse(sys.argv[1:])
    if {"-h", "--help"} & set(arguments):
        with contextlib.suppress(ImportError):  # some know their choices only with torch: then set up first
            return run(command, arguments)
    setup = load("lineart_colorize_setup", "cli/setup.py")
    try:
        python, host = setup.prepare(command, options.comfyui, options.python, options.fresh)
    except setup.SetupError as error:
        sys.exit(f"run.py: {error}")
    except KeyboardInterrupt:
        return 130
    if host:
        os.environ["COMFYUI_PATH"] = str(host)
    os.environ.update({READY: "1", "PYTHONUTF8": "1"})
    return setup.hand_over([str(python), str(ROOT / "run.py"), command, *arguments])


if __name__ == "__main__":
    sys.exit(main())

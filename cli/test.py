"""Runs the tests inside the environment: `python run.py test [pytest arguments]`."""

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent / "tests"
HELP = """\
usage: python run.py test [pytest arguments]

Runs everything CI runs: unit, node (ComfyUI in process) and host (a real server) tests. What is skipped is listed
with its reason. Further words go to pytest, for example:

  python run.py test -k xdog
  python run.py test tests/unit -x
"""


def main(arguments):
    if {"-h", "--help"} & set(arguments):
        print(HELP)
        return 0
    named = any(Path(word.split("::")[0]).exists() for word in arguments)
    command = [sys.executable, "-m", "pytest", "-c", str(TESTS / "pytest.ini"), "-rfEs", *arguments]
    variables = {**os.environ, "PYTHONSAFEPATH": "1"}  # our `nodes` must not stand before the host's
    return subprocess.call(command if named else [*command, str(TESTS)], env=variables)

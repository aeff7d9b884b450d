"""The rules of the house, checked by reading the project's own files."""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("nodes", "models", "training", "cli", "tests")
MAY_IMPORT = {
    "nodes": {"nodes", "models"},
    "models": {"models"},
    "training": {"training", "models"},
    "cli": {"cli", "training", "models"},
}
HOST = {"comfy", "comfy_execution", "comfy_extras", "folder_paths", "latent_preview", "node_helpers"}
HOST |= {"execution", "server", "nodes"}
STANDARD_ONLY = ("run.py", "cli/setup.py")
DISTRIBUTIONS = {"open_clip": "open_clip_torch", "PIL": "pillow", "psd_tools": "psd-tools"}  # imports of another name


def project_files():
    ignored = {"__pycache__", "node_modules", "out"}
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = any(part.startswith(".") and part != ".ci" for part in parts)
        if path.is_file() and not hidden and not ignored & set(parts) and path.suffix != ".pyc":
            yield path


FILES = list(project_files())
PYTHON = [path for path in FILES if path.suffix == ".py"]
PACK = [path for path in PYTHON if path.relative_to(ROOT).parts[0] in PARTS[:4]]
TEXT = [path for path in FILES if path.suffix in {".py", ".toml", ".md", ".txt", ".json", ".js", ".ini", ""}]


def name(path):
    return path.relative_to(ROOT).as_posix()


def imports(path):
    """Yields (absolute?, dotted name, from the pack's root if relative) of each import, wherever it is."""
    package = path.relative_to(ROOT).parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((True, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield True, node.module
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")]
            yield from ((False, ".".join(filter(None, [*base, alias.name]))) for alias in node.names)


def third_party(path):
    own = {*sys.stdlib_module_names, *PARTS, *HOST, "comfy_api"}
    return {module.split(".")[0] for absolute, module in imports(path) if absolute} - own


@pytest.mark.parametrize("path", PACK, ids=name)
def test_parts_import_only_what_lies_below_them(path):
    part = path.relative_to(ROOT).parts[0]
    inside = {module.split(".")[0] for absolute, module in imports(path) if not absolute}
    assert inside <= MAY_IMPORT[part], f"{part} may import {MAY_IMPORT[part]}"


@pytest.mark.parametrize("path", [*PACK, ROOT / "__init__.py"], ids=name)
def test_the_host_is_met_in_few_files(path):
    place = name(path)
    plumbing = place.startswith("models/host/") or re.fullmatch(r"models/\w+/native\.py", place)
    measuring = place.startswith(("cli/bench/", "cli/parity/"))
    tops = {module.split(".")[0] for absolute, module in imports(path) if absolute}
    if not plumbing and not measuring:
        assert not tops & HOST, "only models/host and native.py know the host"
        if not place.startswith("nodes/") and place != "__init__.py":
            assert "comfy_api" not in tops, "only nodes are built from comfy_api"


@pytest.mark.parametrize("path", PACK, ids=name)
def test_the_pack_never_imports_itself_by_an_absolute_name(path):
    tops = {module.split(".")[0] for absolute, module in imports(path) if absolute}
    assert not tops & {"models", "training", "cli", "tests", "lineart_colorize"}


@pytest.mark.parametrize("place", STANDARD_ONLY)
def test_set_up_needs_nothing_but_python(place):
    assert not third_party(ROOT / place)
    assert all(absolute for absolute, _ in imports(ROOT / place))


def test_importing_the_pack_imports_nothing_heavy():
    script = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('pack', {str(ROOT / '__init__.py')!r})\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n"
        "print([name for name in ('torch', 'numpy', 'comfy', 'comfy_api') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def requirements():
    return (ROOT / "requirements.txt").read_text("utf-8").split()


def test_requirements_are_bare_names():
    assert all(re.fullmatch(r"[a-z0-9_-]+", line) for line in requirements()), "a pin can replace a user's torch"


def test_requirements_are_what_nodes_and_models_import():
    used = set().union(*(third_party(path) for path in PACK if path.parts[len(ROOT.parts)] in ("nodes", "models")))
    assert {DISTRIBUTIONS.get(module, module) for module in used} == set(requirements())


def project_list(key):
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    return re.findall(r'"([^"]+)"', re.search(rf"^{key} = (\[.*?\])", text, re.M | re.S)[1])


def test_pyproject_and_requirements_agree():
    assert project_list("dependencies") == requirements()


def test_every_package_the_environment_gets_is_pinned():
    pins = (ROOT / "tests" / "constraints.txt").read_text("utf-8")
    wanted = [*requirements(), *project_list("train"), *project_list("test"), "torchvision", "torchaudio"]
    assert not [package for package in wanted if not re.search(rf"^{package}==\d", pins, re.M)]


def test_host_locale_and_web_directories_are_named_once():
    assert "web =" not in (ROOT / "pyproject.toml").read_text("utf-8"), "with WEB_DIRECTORY, scripts load twice"


def test_licence_is_apache():
    assert (ROOT / "LICENSE").read_text("utf-8").split("\n")[1].strip() == "Apache License"
    copied = re.compile("GNU (Affero |Lesser )?General Public" + " Licen[cs]e")
    assert not [name(path) for path in PYTHON if copied.search(path.read_text("utf-8"))]


def node_ids():
    text = "\n".join(path.read_text("utf-8") for path in PACK if name(path).startswith("nodes/"))
    return set(re.findall(r'node_id="(\w+)"', text))


def test_every_node_has_a_help_page_and_no_page_is_left_over():
    assert node_ids() >= {"ColorizeModelLoader", "LineExtract", "ScribbleEncoder", "ColorizeSampler"}
    assert {page.stem for page in (ROOT / "web" / "docs").glob("*.md")} == node_ids()


def test_one_templates_folder_and_a_picture_for_each_template():
    others = ("workflow", "example_workflows", "example", "examples")  # the host shows only one of them
    assert not [folder for folder in others if (ROOT / folder).exists()]
    templates = list((ROOT / "workflows").glob("*.json"))
    assert templates
    assert not [template.name for template in templates if not template.with_suffix(".jpg").exists()]


def test_templates_are_graphs_of_the_browser():
    for template in (ROOT / "workflows").glob("*.json"):
        assert {"nodes", "links"} <= set(json.loads(template.read_text("utf-8"))), template.name


def test_files_stay_small():
    assert not [name(path) for path in FILES if path.stat().st_size > 12e6]
    assert not [name(path) for path in PYTHON if len(path.read_text("utf-8").splitlines()) > 400]


def test_no_path_or_address_of_one_machine():
    place = re.compile(r"/(work|root|tmp|home)/\w|[A-Z]:\\\\?Users|https?://[\w.]*\bpypi\b|--(extra-)?index-url")
    assert not [name(path) for path in TEXT if place.search(path.read_text("utf-8")) and path != Path(__file__)]


def test_every_command_is_explained_and_exists():
    done = subprocess.run([sys.executable, ROOT / "run.py", "--help"], capture_output=True, text=True, check=True)
    commands = ["demo", "test", "colorize", "lines", "parity", "bench", "train", "evaluate", "serve"]
    for command in commands:
        assert f"python run.py {command}" in done.stdout
        module = importlib.util.find_spec(f"lineart_colorize.cli.{command}")
        assert "\ndef main(" in Path(module.origin).read_text("utf-8")

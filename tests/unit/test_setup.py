"""The environment: one per set of packages, never half-made, and a sentence when the network is missing."""

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from lineart_colorize.cli import setup


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(setup, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def host(tmp_path):
    folder = tmp_path / "ComfyUI"
    (folder / "comfy").mkdir(parents=True)
    (folder / "main.py").touch()
    (folder / "requirements.txt").write_text("torch\n")
    (folder / "comfyui_version.py").write_text('__version__ = "0.30.0"\n')
    return folder


@pytest.fixture
def calls(monkeypatch):
    """Set-up steps are recorded; those that `fail` names do."""

    class Calls(list):
        fail = ()

        def __call__(self, command, wanted, *_, **__):
            self.append(wanted)
            if wanted in self.fail:
                raise setup.SetupError("no network")
            if wanted == "a virtual environment":
                interpreter = setup.interpreter(Path(command[-1]))
                interpreter.parent.mkdir(parents=True)
                interpreter.touch()

    calls = Calls()
    monkeypatch.setattr(setup, "call", calls)
    monkeypatch.setattr(setup, "fetch_uv", lambda folder: (["uv"], {}))
    return calls


def test_an_environment_is_made_once(cache, host, calls):
    python, found = setup.prepare("test", str(host))
    assert python.exists() and found == host and "the packages" in calls
    calls.clear()
    assert setup.prepare("test", str(host)) == (python, host)
    assert not calls
    setup.prepare("test", str(host), fresh=True)
    assert "the packages" in calls


@pytest.mark.parametrize("step", ["a virtual environment", "the packages", "a PyTorch that starts"])
def test_a_broken_environment_is_never_reused(cache, host, calls, step):
    calls.fail = (step,)
    with pytest.raises(setup.SetupError):
        setup.prepare("test", str(host))
    assert not list((cache / "env").iterdir())
    calls.fail = ()
    setup.prepare("test", str(host))
    assert calls.count(step) == 2


def test_a_set_up_cut_off_by_a_crash_is_made_again(cache, host, calls):
    python, _ = setup.prepare("test", str(host))
    (python.parents[1] / "complete").unlink()
    calls.clear()
    setup.prepare("test", str(host))
    assert "the packages" in calls


def test_an_environment_whose_python_is_gone_is_made_again(cache, host, calls):
    python, _ = setup.prepare("test", str(host))
    python.unlink()
    setup.prepare("test", str(host))
    assert calls.count("the packages") == 2


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    with pytest.raises(KeyboardInterrupt), setup.made_whole(tmp_path / "folder"):
        raise KeyboardInterrupt
    assert not (tmp_path / "folder").exists()


@pytest.mark.parametrize("changed", ["requirements.txt", "constraints.txt", "extras", "host", "version"])
def test_what_decides_the_packages_decides_the_environment(tmp_path, monkeypatch, host, changed):
    files = [tmp_path / original.name for original in setup.PACKAGES]
    for copy, original in zip(files, setup.PACKAGES, strict=True):
        copy.write_text(original.read_text("utf-8"), "utf-8")
    monkeypatch.setattr(setup, "PACKAGES", files)
    before = setup.fingerprint(host)
    assert before == setup.fingerprint(host)
    requirements, project, constraints = files
    if changed == "extras":
        project.write_text(project.read_text("utf-8").replace("\ntest = [", '\ntest = ["another", '), "utf-8")
    else:
        file = {
            "requirements.txt": requirements,
            "constraints.txt": constraints,
            "host": host / "requirements.txt",
            "version": host / "comfyui_version.py",
        }[changed]
        file.write_text(file.read_text("utf-8") + "another==1.0\n", "utf-8")
    assert setup.fingerprint(host) != before


def test_without_network_a_sentence_says_what_to_do():
    offline = [sys.executable, "-c", "import sys; sys.exit('could not connect')"]
    with pytest.raises(setup.SetupError, match=r"Could not get the packages.*\n.*could not connect") as caught:
        setup.call(offline, "the packages")
    for word in ("network", "--python", "--comfyui", "again"):
        assert word in str(caught.value)


def test_a_python_without_pip_is_told_so(tmp_path, monkeypatch):
    broken = subprocess.CompletedProcess([], 1)
    monkeypatch.setattr(setup.subprocess, "run", lambda *_, **__: broken)
    with pytest.raises(setup.SetupError, match="has no pip"):
        setup.fetch_uv(tmp_path / "uv")
    assert not (tmp_path / "uv").exists()


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {}, "home/.cache"),
        ("linux", {"XDG_CACHE_HOME": "elsewhere"}, "elsewhere"),
        ("darwin", {}, "home/Library/Caches"),
        ("win32", {"LOCALAPPDATA": "local"}, "local"),
        ("win32", {}, "home/AppData/Local"),
    ],
)
def test_the_cache_lies_where_the_platform_keeps_such_things(system, variables, expected):
    assert setup.cache_folder(system, variables, "home") == Path(expected) / "comfyui-lineart-colorize"


def archive(path, **files):
    with tarfile.open(path, "w:gz") as tar:
        for inner, text in files.items():
            member = tarfile.TarInfo(inner)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    return path


def test_only_the_inner_folder_is_unpacked(tmp_path):
    source = archive(tmp_path / "a.tar.gz", **{"a-1/in/main.py": "yes", "a-1/setup.py": "no"})
    setup.unpack(source, "in", tmp_path / "out")
    assert [file.name for file in (tmp_path / "out").rglob("*")] == ["main.py"]


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    source = archive(tmp_path / "a.tar.gz", **{"a-1/in/../../../escaped": "x"})
    with pytest.raises(setup.SetupError, match="leads out"):
        setup.unpack(source, "in", tmp_path / "deep" / "out")
    assert not list(tmp_path.rglob("escaped"))


def test_a_wrong_comfyui_folder_is_named(tmp_path):
    with pytest.raises(setup.SetupError, match=r"main\.py, found") as caught:
        setup.prepare("demo", str(tmp_path))
    assert str(tmp_path) in str(caught.value)


def test_a_borrowed_python_is_left_alone_and_told_what_it_lacks(cache, host, monkeypatch):
    (host / "requirements.txt").write_text("torch\nno-such-package>=1\n#non essential dependencies:\nluxury\n")
    with pytest.raises(setup.SetupError, match=r"lacks: no-such-package\."):
        setup.prepare("demo", str(host), sys.executable)
    python, _ = setup.prepare("train", None, sys.executable)  # trains without a host
    assert python == sys.executable
    assert not cache.exists()
    with pytest.raises(setup.SetupError, match="--comfyui"):
        setup.prepare("demo", None, sys.executable)
    with pytest.raises(setup.SetupError, match="no interpreter"):
        setup.prepare("train", None, "no-such-python")


def test_a_second_set_up_waits_until_the_first_process_is_gone(tmp_path):
    script = (
        f"import importlib.util, pathlib\n"
        f"spec = importlib.util.spec_from_file_location('setup', {setup.__file__!r})\n"
        "setup = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(setup)\n"
        f"with setup.locked(pathlib.Path({str(tmp_path / 'lock')!r})):\n"
        "    print('locked', flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        with (tmp_path / "lock").open("a+") as file:
            assert not setup.try_lock(file)
        other.kill()
        other.wait()
    with (tmp_path / "lock").open("a+") as file:
        assert setup.try_lock(file)

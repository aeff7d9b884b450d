"""A real ComfyUI as a child process, with this pack in it and all its other folders in a temporary place."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

PACK = Path(__file__).resolve().parent.parent
NAME = "comfyui-lineart-colorize"  # the folder's name below custom_nodes, as the registry installs it
PATIENCE = 300  # seconds until the first answer; a cold disk and one slow core have needed 60


class HostError(RuntimeError):
    """ComfyUI refused a graph, a node failed, or no answer came; the message is what a user would see."""


class HostDied(HostError):
    """The process has ended."""


class Interrupted(RuntimeError):
    """The run was interrupted before it ended."""


class Host:
    """`with Host() as host: host.prompt(graph)`. The process ends with the block, whatever happens in it.

    comfyui  ComfyUI's folder (default: the variable COMFYUI_PATH); its models are found, nothing is written
    base     keep input, output, user and models here; default: a temporary folder
    port     default: any free one
    """

    def __init__(self, comfyui=None, base=None, port=None):
        self.comfyui = Path(comfyui or os.environ["COMFYUI_PATH"])
        self.temporary = None if base else tempfile.TemporaryDirectory(prefix="lineart-", ignore_cleanup_errors=True)
        self.base = Path(base or self.temporary.name).resolve()
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = self.base / "comfyui.log"
        self.process = None
        self.previous = None

    def __enter__(self):
        for folder in ("custom_nodes", "input", "output", "models"):
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        link(PACK, self.base / "custom_nodes" / NAME)
        self.previous = on_terminate(lambda *_: sys.exit(143))
        try:
            self.start()
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        on_terminate(self.previous or signal.SIG_DFL)
        if self.temporary:
            self.temporary.cleanup()

    def start(self):
        command = [sys.executable, "main.py", "--listen", "127.0.0.1", "--port", str(self.port)]
        command += ["--base-directory", str(self.base), "--database-url", "sqlite:///:memory:"]
        command += ["--extra-model-paths-config", str(self.model_folders())]
        command += ["--disable-api-nodes", "--disable-auto-launch"]
        if not has_accelerator():
            command += ["--cpu"]
        variables = {**os.environ, "PYTHONUNBUFFERED": "1"}
        variables.pop("PYTHONSAFEPATH", None)  # main.py imports its neighbours
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.comfyui, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def model_folders(self):
        """The host's own model folders, which --base-directory would hide; JSON is YAML too."""
        models = self.comfyui / "models"
        folders = {folder.name: folder.name for folder in models.glob("*") if folder.is_dir()}
        file = self.base / "model_folders.yaml"
        file.write_text(json.dumps({"comfyui": {"base_path": str(models), **folders}}), "utf-8")
        return file

    def wait(self):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.check()
            try:
                loaded = json.loads(self.get("/object_info/ColorizeSampler"))
                break
            except OSError:
                time.sleep(0.2)
        else:
            raise HostError(f"ComfyUI did not answer within {PATIENCE} s. Its last words:\n{self.last_words()}")
        if not loaded:
            raise HostError(f"ComfyUI did not load this pack's nodes:\n{self.last_words(about=NAME)}")

    def check(self):
        if self.process.poll() is not None:
            status = self.process.returncode
            raise HostDied(f"ComfyUI ended with status {status}. Its last words:\n{self.last_words()}")

    def last_words(self, lines=25, about=""):
        log = re.sub(r"\x1b\[\d*m", "", self.log.read_text("utf-8", "replace"))
        return "\n".join([line for line in log.splitlines() if about in line][-lines:])

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=60) as answer:
            return answer.read()

    def post(self, path, data):
        request = urllib.request.Request(
            self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def object_info(self):
        return json.loads(self.get("/object_info"))

    def interrupt(self):
        self.post("/interrupt", {})

    def upload(self, path, name=None):
        """Puts a file where LoadImage finds it and returns the name to give there."""
        name = name or Path(path).name
        shutil.copyfile(path, self.base / "input" / name)
        return name

    def add_model(self, path, folder="lineart_colorize"):
        """Puts a model file where the host finds it; returns the name that ColorizeModelLoader lists."""
        target = self.base / "models" / folder / Path(path).name
        target.parent.mkdir(parents=True, exist_ok=True)
        link(Path(path).resolve(), target)
        return f"{folder}/{target.name}"

    def view(self, picture):
        """Bytes of a picture as the outputs of `prompt` name it."""
        return self.get("/view?" + urllib.parse.urlencode(picture))

    def prompt(self, graph, on_event=lambda kind, data: None):
        """Runs an API-format graph; returns {node id: what it shows}, with pictures under "images".

        on_event(kind, data) gets every message of the websocket; previews come as ("preview", bytes).
        """
        self.check()
        return asyncio.run(self.follow(graph, on_event))

    async def follow(self, graph, on_event):
        import aiohttp  # ComfyUI requires it, our other commands do not

        client, outputs = uuid.uuid4().hex, {}
        address = f"{self.url}/ws?clientId={client}"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(address, max_msg_size=0) as messages,
        ):
            prompt = self.submit(graph, client)
            async for message in messages:
                if message.type == aiohttp.WSMsgType.BINARY:
                    on_event("preview", message.data)
                    continue
                if message.type != aiohttp.WSMsgType.TEXT:
                    break
                event = json.loads(message.data)
                kind, data = event["type"], event["data"]
                if data.get("prompt_id", prompt) != prompt:
                    continue
                on_event(kind, data)
                if kind == "executed" and data["output"]:
                    outputs[data["node"]] = data["output"]
                elif kind == "execution_success":
                    return outputs
                elif kind == "execution_interrupted":
                    raise Interrupted("The run was interrupted.")
                elif kind == "execution_error":
                    raise HostError(f"{data['node_type']}: {data['exception_message'].strip()}")
        self.check()
        raise HostError(f"ComfyUI closed the connection. Its last words:\n{self.last_words()}")

    def submit(self, graph, client):
        try:
            return json.loads(self.post("/prompt", {"prompt": graph, "client_id": client}))["prompt_id"]
        except urllib.error.HTTPError as error:
            raise HostError(refusal(json.loads(error.read()))) from None


def refusal(answer):
    """ComfyUI's answer to a graph it will not run, in one line per fault."""
    faults = [
        f"{node['class_type']}: {fault['message']}: {fault['details']}"
        for node in answer.get("node_errors", {}).values()
        for fault in node["errors"]
    ]
    return "\n".join(faults) or f"{answer['error']['message']}: {answer['error']['details']}"


def has_accelerator():
    import torch  # here because the other commands of this process may not need it

    return torch.cuda.is_available() or torch.backends.mps.is_available() or torch.xpu.is_available()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def on_terminate(handler):
    """Lets a polite kill end the child too; returns what stood there. Only the main thread may set it."""
    try:
        return signal.signal(signal.SIGTERM, handler)
    except ValueError:
        return None


def link(source, target):
    """The nearest thing to a symbolic link that the platform allows without administrator rights."""
    if target.is_symlink():
        target.unlink()
    if target.exists():
        return
    try:
        target.symlink_to(source, target_is_directory=source.is_dir())
    except OSError:
        if source.is_file():
            shutil.copyfile(source, target)
        elif subprocess.run(["cmd", "/c", "mklink", "/J", str(target), str(source)], capture_output=True).returncode:
            shutil.copytree(source, target, ignore=shutil.ignore_patterns(".git"))

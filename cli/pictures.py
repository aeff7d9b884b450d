"""Files in, files out: which pictures are meant, what guides each of them, and runs that can go on later."""

import os
import sys
from collections import Counter
from pathlib import Path

from .server import HostDied, HostError

KINDS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def find(paths):
    """The pictures among files and folders, in order of name; ValueError says what is not there."""
    found = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in KINDS)
            if not inside:
                raise ValueError(f"No pictures in {path} ({', '.join(sorted(KINDS))}).")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise ValueError(f"No such file or folder: {path}.")
    twice = [name for name, count in Counter(file.stem for file in found).items() if count > 1]
    if twice:
        raise ValueError(f"Results are named after their picture, but several share a name: {', '.join(twice)}.")
    return found


def partner(picture, guidance):
    """The guidance of one picture: the file itself, or the one of the same base name in a folder, or None."""
    if guidance is None or Path(guidance).is_file():
        return guidance and Path(guidance)
    if not Path(guidance).is_dir():
        raise ValueError(f"No such file or folder: {guidance}.")
    return next((file for file in find([guidance]) if file.stem == picture.stem), None)


def still_open(pictures, out):
    """Those without a result in OUT yet."""
    open_ = [picture for picture in pictures if not target(out, picture).exists()]
    if len(open_) < len(pictures):
        done = len(pictures) - len(open_)
        print(f"{done} of {len(pictures)} are in {out} already; delete them to make them anew.")
    return open_


def process(pictures, out, work):
    """Writes OUT/<base>.png = work(picture, on_event) for each; returns the exit status.

    A file appears under its name only when it is whole.
    """
    from tqdm import tqdm  # not part of a bare Python, which only wants to read our --help

    Path(out).mkdir(parents=True, exist_ok=True)
    failed = {}
    with tqdm(pictures, unit="picture") as bar:
        for picture in bar:
            bar.set_description(picture.name)
            bar.set_postfix_str("")
            try:
                write(target(out, picture), work(picture, lambda kind, data: show_step(bar, kind, data)))
            except HostDied as error:
                left = pictures[pictures.index(picture) :]
                failed |= dict.fromkeys(left, "not done, ComfyUI has ended") | {picture: str(error)}
                break
            except (HostError, OSError) as error:
                failed[picture] = str(error)
    for picture, reason in failed.items():
        print(f"failed: {picture}: {reason}", file=sys.stderr)
    print(f"{len(pictures) - len(failed)} written to {out}, {len(failed)} failed")
    return int(bool(failed))


def target(out, picture):
    return Path(out) / f"{picture.stem}.png"


def show_step(bar, kind, data):
    if kind == "progress" and data["max"] > 1:
        bar.set_postfix_str(f"step {data['value']}/{data['max']}")


def write(path, data):
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)

"""Where training pictures come from: a folder of colour pictures, or the procedural generator."""

import hashlib
import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import characters
from .dataset import ahead
from .linestyles import compose
from .pictures import pictures, unpack

KINDS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


class Drawing(NamedTuple):
    """One picture to learn from. A source is a function of a numpy Generator that gives one."""

    colour: np.ndarray  # (H, W, 3) in 0..1, with its ink
    ink: np.ndarray | None = None  # (H, W) coverage, where known
    label: np.ndarray | None = None  # (H, W) regions of one colour, where known
    other: np.ndarray | None = None  # (H, W, 3) the same character in another picture, if there is one


class Scenes:
    """Procedural scenes with their regions, drawn once and kept in `cache`."""

    def __init__(self, cache, count, size):
        self.planes = pictures(cache, count, size)

    def __call__(self, rng):
        planes = self.planes[rng.integers(len(self.planes))]
        colour, ink = unpack(planes[:4])
        return varied(rng, Drawing(compose(rng, colour, ink), ink, planes[4]))


class Characters:
    """Procedural characters drawn twice in other poses, with the same colours and ink; kept in `cache`."""

    def __init__(self, cache, count, size, first_seed=0):
        self.planes = pictures(cache, count, size, first_seed, characters.pair, characters.PLANES)

    def __call__(self, rng):
        planes = self.planes[rng.integers(len(self.planes))]
        hand = rng.integers(2**63)  # draws both
        (colour, ink), (other, other_ink) = unpack(planes[:4]), unpack(planes[4:])
        colour, other = (
            compose(np.random.default_rng(hand), picture, lines)
            for picture, lines in ((colour, ink), (other, other_ink))
        )
        return varied(rng, Drawing(colour, ink, other=other))


class Folder:
    """Colour pictures of a folder and its sub-folders, decoded into one file of `cache` before training begins.

    Pictures are scaled to `size` on their shorter side and cropped to the middle. Broken ones, and those that would
    grow to more than twice their size, are skipped and counted. Pictures of one sub-folder are each other's `other`:
    keep a character in each.
    """

    def __init__(self, folder, cache, size, threads=1):
        files = find(folder)
        path = Path(cache) / f"folder-{size}-{fingerprint(files)}.u8"
        kept = usable(folder, files, path.with_suffix(".json"), lambda: decode_all(files, path, size, threads))
        self.pixels = np.memmap(path, np.uint8, "r", shape=(len(kept), size, size, 3))
        self.peers = defaultdict(list)
        self.places = [str(Path(name).parent) for name in kept]
        for index, (name, place) in enumerate(zip(kept, self.places, strict=True)):
            if Path(name).parent != Path(folder):
                self.peers[place].append(index)

    def __call__(self, rng):
        index = int(rng.integers(len(self.pixels)))
        peers = [peer for peer in self.peers.get(self.places[index], ()) if peer != index]
        other = self.picture(peers[rng.integers(len(peers))]) if peers else None
        return varied(rng, Drawing(self.picture(index), other=other))

    def picture(self, index):
        return self.pixels[index] / np.float32(255)


class Files:
    """Whole pictures of a folder, opened when they are asked for, with line art of their own where there is some.

    A folder with `color/` and `sketch/` in it holds line art, black on white, under the names that the pictures have;
    pictures without are skipped. `files[index]` is (RGB, None or L), both Pillow's; `keys[index]` tells one content
    from another.
    """

    def __init__(self, folder, cache, size, threads=1):
        colour, sketches = Path(folder) / "color", Path(folder) / "sketch"
        paired = colour.is_dir() and sketches.is_dir()
        files = find(colour if paired else folder)
        self.size, self.sketches = size, {}
        if paired:
            self.sketches = {str(file): sketches / file.relative_to(colour) for file in files}
        there = [*files, *filter(Path.exists, self.sketches.values())]
        listing = Path(cache) / f"files-{size}-{fingerprint(there)}.json"
        self.names = usable(folder, files, listing, lambda: self.sort_out(files, threads))
        self.keys = [fingerprint([Path(name), *self.sketch(name)]) for name in self.names]

    def __len__(self):
        return len(self.names)

    def __getitem__(self, index):
        try:
            return self.open(self.names[index])
        except ValueError as error:
            raise SystemExit(f"{self.names[index]} was whole when training began, and now is {error}.") from error

    def open(self, name):
        """A picture and its sketch or None; ValueError tells why it cannot be used."""
        colour, sketch = open_picture(name, self.size), None
        for path in self.sketch(name):
            if not path.exists():
                raise ValueError("without a sketch")
            sketch = open_picture(path, self.size).convert("L")
        return colour, sketch

    def sketch(self, name):
        return [self.sketches[name]] if self.sketches else []

    def sort_out(self, files, threads):
        names = [str(file) for file in files]
        reasons = dict(zip(names, ahead(self.reason, names, threads), strict=True))
        return [name for name in names if not reasons[name]], {name: why for name, why in reasons.items() if why}

    def reason(self, name):
        try:
            self.open(name)
        except ValueError as error:
            return str(error)


class Drawn:
    """Procedural scenes as `Files` gives pictures."""

    def __init__(self, cache, count, size):
        self.planes = pictures(cache, count, size)
        self.keys = [f"scene-{index}-{size}" for index in range(len(self.planes))]

    def __len__(self):
        return len(self.planes)

    def __getitem__(self, index):
        from PIL import Image

        colour = compose(np.random.default_rng(index), *unpack(self.planes[index][:4]))
        return Image.fromarray(np.rint(255 * colour.clip(0, 1)).astype(np.uint8)), None


def varied(rng, drawing):
    """The drawing, every other time mirrored."""
    if rng.random() < 0.5:
        return drawing
    return Drawing(*(None if part is None else np.ascontiguousarray(part[:, ::-1]) for part in drawing))


def find(folder):
    """Files of pictures below a folder, in order of name; SystemExit if there are none."""
    folder = Path(folder)
    if not folder.is_dir():
        raise SystemExit(f"--pictures: there is no folder {folder}.")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in KINDS and path.is_file())
    if not files:
        raise SystemExit(f"No pictures in {folder}: expected {', '.join(KINDS)}.")
    return files


def usable(folder, files, listing, look):
    """Names of the files that can be used, kept in `listing`; look() gives them, and by name why others cannot."""
    if not listing.exists():
        kept, skipped = look()
        listing.parent.mkdir(parents=True, exist_ok=True)
        listing.write_text(json.dumps({"kept": kept, "skipped": skipped}), "utf-8")
    told = json.loads(listing.read_text("utf-8"))
    kept, skipped = told["kept"], Counter(told["skipped"].values())
    reasons = ", ".join(f"{count} {reason}" for reason, count in skipped.items())
    if not kept:
        raise SystemExit(f"None of the {len(files)} pictures in {folder} can be used: {reasons}.")
    print(f"{len(kept)} pictures in {folder}" + (f"; skipped: {reasons}" if skipped else ""), flush=True)
    return kept


def fingerprint(files):
    """Changes with every name, size and time of the files."""
    told = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:12]


def decode_all(files, path, size, threads):
    """Writes all usable pictures to `path`; returns the names of those, and why others were skipped by name."""
    kept, skipped = [], {}
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as out:
        decoded = ahead(lambda file: decode(file, size), files, threads)
        for done, (file, pixels) in enumerate(zip(files, decoded, strict=True), 1):
            if isinstance(pixels, str):
                skipped[str(file)] = pixels
            else:
                kept.append(str(file))
                out.write(pixels.tobytes())
            if done % 500 == 0:
                print(f"read {done} of {len(files)} pictures", flush=True)
    return kept, skipped


def decode(path, size):
    """The middle of a picture, (size, size, 3) uint8; or words that tell why it cannot be used."""
    try:
        image = open_picture(path, size)
    except ValueError as error:
        return str(error)
    from PIL import Image, ImageOps

    return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BICUBIC))


def open_picture(path, size):
    """A whole picture in RGB, transparency over white; ValueError tells why it cannot be used at this size."""
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise SystemExit("Reading pictures needs the package Pillow; procedural pictures do not.") from None
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            if image.has_transparency_data:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("RGB")
    except Exception as error:  # decoders raise anything at a damaged file
        raise ValueError("broken") from error
    if 2 * min(image.size) < size:
        raise ValueError(f"smaller than {-(-size // 2)} px")
    return image

"""What ColorizeDiffusion learns from: crops of pictures with their line art, and the whole picture as reference.

The published recipe: crops of several proportions, references that go their own way (mirrored, turned, in another
light, bent as CLIP sees them), sketches with white margins. Numbers that it gives in pixels are for crops of 768 px.
"""

import json
from collections import Counter
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, safe_open, save_file

from ..models import tps
from ..models.reference import squash
from .dataset import ahead, draw_line, planes
from .sources import Drawing

SHAPES = {(768, 768): 4, (704, 832): 1, (832, 704): 1, (896, 640): 1, (640, 896): 1, (960, 576): 1, (576, 960): 1}
SIZE, LARGEST = 768, 961  # px, of the crops and of the shorter side that they are cut from at most
MULTIPLE = 64  # px
POINTS, REACH = 10, 10 / 224  # of the warp: control points, and how far they move, of the side of CLIP's input
TURN = 45  # degrees, at most
DIGEST = 24  # characters of the names of kept views
LIGHTS = 3  # brightness, contrast and saturation


@dataclass
class Augmentation:
    """Shares are of all cases."""

    flip: float = 0.0  # share mirrored, of crops and of references
    rotate: float = 0.0  # share of references that are turned
    jitter: float = 0.0  # how far the light of references goes, of 1
    warp: float = 0.0  # share of references that are bent
    styles: bool = False  # lines of many hands


class Views:
    """A picture as a case: picture (3, h, w) in 0..1, line (1, h, w), 1 = paper, and CLIP's input (3, side, side).

    source  `Files` or `Drawn`
    eye     has CLIP's side, mean and std
    """

    def __init__(self, source, size, eye, augmentation):
        self.source, self.side, self.augmentation = source, eye.side, augmentation
        self.mean, self.std = (torch.tensor(numbers).view(3, 1, 1) for numbers in (eye.mean, eye.std))
        weights = Counter()
        for sides, weight in SHAPES.items():
            weights[tuple(max(1, round(side * size / SIZE / MULTIPLE)) * MULTIPLE for side in sides)] += weight
        self.shapes, self.weights = list(weights), np.array(list(weights.values())) / sum(weights.values())

    def draw_shape(self, rng):
        """Height and width of a crop."""
        return self.shapes[rng.choice(len(self.shapes), p=self.weights)]

    def __call__(self, index, shape, rng):
        picture, sketch = self.source[index]
        box, mirrored = cut(rng, picture.size, shape), rng.random() < self.augmentation.flip
        colour = crop(picture, box, shape, mirrored)
        if sketch is None:
            line = draw_line(rng, Drawing(colour), self.augmentation.styles)
        else:
            line = crop(sketch, box, shape, mirrored)
        return planes(colour), torch.from_numpy(np.ascontiguousarray(line, np.float32))[None], self.see(picture, rng)

    def see(self, picture, rng):
        """CLIP's input from the whole picture."""
        told, generator = self.augmentation, torch.Generator().manual_seed(int(rng.integers(2**63)))
        reference = squash(torch.from_numpy(np.array(picture))[None] / 255, self.side)
        if rng.random() < told.flip:
            reference = reference.flip(-1)
        if told.jitter:
            reference = relit(reference, *rng.uniform(1 - told.jitter, 1 + told.jitter, LIGHTS))
        if rng.random() < told.rotate:
            reference = turned(reference, rng.integers(-TURN, TURN))
        pixels = (reference - self.mean) / self.std
        if rng.random() < told.warp:
            pixels = bent(pixels, generator)
        return pixels[0]


def cut(rng, size, shape):
    """What of a picture of that size (width, height) a crop shows: left, top, right, bottom in shares of its sides."""
    (width, height), (rows, columns) = size, shape
    scale = max(columns / width, rows / height) * rng.uniform(1, LARGEST / SIZE)
    wide, high = columns / width / scale, rows / height / scale
    left, top = rng.uniform(0, 1 - wide), rng.uniform(0, 1 - high)
    return left, top, left + wide, top + high


def crop(image, box, shape, mirrored):
    """Part of a Pillow image as (h, w) or (h, w, 3), 0..1."""
    from PIL import Image

    box = [share * side for share, side in zip(box, image.size * 2, strict=True)]
    part = np.asarray(image.resize(shape[::-1], Image.Resampling.BICUBIC, box=box), np.float32) / 255
    return np.ascontiguousarray(part[:, ::-1]) if mirrored else part


def relit(pictures, brightness, contrast, saturation):
    """Pictures (B, 3, H, W) in another light; each number is a factor."""
    grey = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    pictures = (pictures * brightness).clamp(0, 1)
    mean = (pictures * grey).sum(1, keepdim=True).mean((2, 3), keepdim=True)
    pictures = torch.lerp(mean, pictures, contrast).clamp(0, 1)
    return torch.lerp((pictures * grey).sum(1, keepdim=True), pictures, saturation).clamp(0, 1)


def turned(pictures, degrees):
    """Square pictures (B, 3, side, side) turned about their middle, with white corners."""
    angle = torch.tensor(float(degrees)).deg2rad()
    matrix = torch.tensor([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0]])
    grid = F.affine_grid(matrix[None], pictures[:1].shape, align_corners=False)
    return 1 - F.grid_sample(1 - pictures, grid, align_corners=False)


def bent(pixels, generator):
    """CLIP's input (1, 3, side, side) under a thin-plate spline of random points."""
    source = torch.rand(1, POINTS, 2, generator=generator)
    target = source + REACH * torch.randn(1, POINTS, 2, generator=generator)
    return tps.warp(pixels, tps.grid(tps.fit(source, target), target, *pixels.shape[2:]))


def with_margins(rng, line, share):
    """Line art (1, h, w) with white margins: left and right, above and below, both or none; share of a side at most."""
    kind, line = rng.integers(4), line.clone()
    for axis, chosen in ((1, kind in (0, 2)), (2, kind in (1, 2))):
        if chosen and (margin := int(rng.uniform(0, share) * line.shape[axis] / 2)):
            line.narrow(axis, 0, margin).fill_(1)
            line.narrow(axis, line.shape[axis] - margin, margin).fill_(1)
    return line


class Cases:
    """Batches by number: pictures (B, 3, h, w) in 0..1, sketches (B, 3, h, w), 1 = ink, -1 = paper, CLIP's input."""

    def __init__(self, views, batch, seed, margins):
        self.views, self.batch, self.seed, self.margins = views, batch, seed, margins

    def __call__(self, number):
        rng = np.random.default_rng((self.seed, number))
        pictures, lines, references = zip(*self.draw(rng), strict=True)
        lines = torch.stack([with_margins(rng, line, self.margins) for line in lines])
        return torch.stack(pictures), (1 - 2 * lines).expand(-1, 3, -1, -1), torch.stack(references)

    def draw(self, rng):
        """Views of one shape."""
        shape = self.views.draw_shape(rng)
        return [self.views(index, shape, rng) for index in rng.integers(len(self.views.source), size=self.batch)]


class KeptCases(Cases):
    """The same with latents and tokens in place of pictures and CLIP's input, of `count` views of each picture.

    They are made once and kept in `folder`, each in a file. What is no longer wanted there, because a picture, an
    option or a model has changed, is deleted.

    encoders  have `latent` and `tokens`
    models    a word that changes with them
    """

    def __init__(self, views, batch, seed, margins, folder, encoders, models, count, device, threads=1):
        super().__init__(views, batch, seed, margins)
        told = json.dumps([models, seed, views.shapes, asdict(views.augmentation)])
        self.shelves = {}  # shape -> files
        wanted = {}
        for index, key in enumerate(views.source.keys):
            for view in range(count):
                digest = sha256(f"{told} {key} {view}".encode()).hexdigest()[:DIGEST]
                path = Path(folder) / f"{digest}.safetensors"
                rng = np.random.default_rng(int(digest, 16))
                shape = views.draw_shape(rng)
                wanted[path] = index, shape, rng
                self.shelves.setdefault(shape, []).append(path)
        self.keep(Path(folder), wanted, encoders, device, threads)

    def keep(self, folder, wanted, encoders, device, threads):
        folder.mkdir(parents=True, exist_ok=True)
        for path in set(folder.glob(f"{'?' * DIGEST}.safetensors")) - set(wanted):
            path.unlink()
        missing = [path for path in wanted if not is_whole(path)]
        made = ahead(lambda path: self.views(*wanted[path]), missing, threads)
        for done, (path, (picture, line, pixels)) in enumerate(zip(missing, made, strict=True), 1):
            latent, tokens = encoders.latent(picture[None].to(device)), encoders.tokens(pixels[None].to(device))
            parts = {"latent": latent[0].half(), "tokens": tokens[0].half(), "line": (255 * line).round().byte()}
            fresh = path.with_suffix(".new")
            save_file({name: part.cpu().contiguous() for name, part in parts.items()}, fresh)
            fresh.replace(path)
            if done % 500 == 0 or done == len(missing):
                print(f"kept latents and tokens of {done} of {len(missing)} views", flush=True)

    def draw(self, rng):
        shelves = list(self.shelves.values())
        counts = np.array([len(paths) for paths in shelves])
        paths = shelves[rng.choice(len(shelves), p=counts / counts.sum())]
        for index in rng.integers(len(paths), size=self.batch):
            kept = load_file(paths[index])
            yield kept["latent"].float(), kept["line"].float() / 255, kept["tokens"].float()


def is_whole(path):
    try:
        with safe_open(path, "pt") as file:
            return bool(file.keys())
    except (OSError, SafetensorError):
        return False

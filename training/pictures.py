"""Procedural pictures, drawn once and kept on disk, so that training never waits for them."""

from pathlib import Path

import numpy as np

from .scenes import draw_scene

HELD_OUT = 1_000_000_000  # seeds from here on are for evaluation only
PLANES = 5  # R, G, B without ink, coverage of the ink, label of the layer modulo 256


def picture(seed, size):
    """Planes (5, size, size) uint8 of one scene: drawn at this size, cropped from or shrunk from a larger one."""
    rng = np.random.default_rng(seed)
    kind = rng.choice(3, p=[0.5, 0.25, 0.25])
    drawn = size if kind == 0 else int(size * rng.uniform(1.2, 2.2))
    canvas = draw_scene(rng, drawn, drawn)
    planes = np.concatenate([canvas.colour.transpose(2, 0, 1), canvas.ink[None]]).clip(0, 1)
    label = canvas.label
    if kind == 1:
        y, x = rng.integers(0, drawn - size + 1, 2)
        planes, label = planes[:, y : y + size, x : x + size], label[y : y + size, x : x + size]
    elif kind == 2:
        planes, label = _shrink(planes, size), label[_centres(drawn, size)][:, _centres(drawn, size)]
    return np.concatenate([np.rint(planes * 255), label[None] % 256]).astype(np.uint8)


def unpack(planes):
    """Planes (4, H, W) uint8 -> colour (H, W, 3) and ink (H, W) in 0..1."""
    planes = planes / np.float32(255)
    return planes[:3].transpose(1, 2, 0), planes[3]


def _centres(drawn, size):
    return ((np.arange(size) + 0.5) * drawn / size).astype(int)


def _shrink(planes, size):
    """Area average by integrating first: exact for any ratio."""
    for axis in (1, 2):
        drawn = planes.shape[axis]
        total = np.concatenate([np.zeros_like(planes.take([0], axis)), planes.cumsum(axis, dtype=np.float64)], axis)
        edge = np.linspace(0, drawn, size + 1)
        low = np.minimum(edge.astype(int), drawn - 1)
        shape = [1, 1, 1]
        shape[axis] = size + 1
        part = (edge - low).reshape(shape)
        at = total.take(low, axis) * (1 - part) + total.take(low + 1, axis) * part
        planes = np.diff(at, axis=axis) * size / drawn
    return planes.clip(0, 1)


def pictures(folder, count, size, first_seed=0, draw=picture, planes=PLANES):
    """Memory-mapped planes (count, planes, size, size) uint8; draws those that `folder` does not hold yet."""
    path = Path(folder) / f"{draw.__name__}s-{size}-{first_seed}.u8"
    path.parent.mkdir(parents=True, exist_ok=True)
    each = planes * size * size
    have = path.stat().st_size // each if path.exists() else 0
    if have < count:
        with open(path, "r+b" if have else "wb") as file:
            file.seek(have * each)
            for done in range(have, count):
                file.write(draw(first_seed + done, size).tobytes())
                if done % 500 == 499:
                    print(f"drew {done + 1} of {count} pictures", flush=True)
    return np.memmap(path, np.uint8, "r", shape=(count, planes, size, size))

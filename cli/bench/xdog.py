"""XDoG on 1024 x 1024 pictures, one thread, against the published variants in plain OpenCV and scipy."""

import cv2
import numpy as np
import torch
from scipy import ndimage

from ...models.line import xdog
from . import Row, medians

SIDE, BATCH, SIGMA = 1024, 8, 0.5


def run():
    threads = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield from rows()
    finally:
        torch.set_num_threads(threads[0])
        cv2.setNumThreads(threads[1])


def rows():
    pictures = [drawing(seed) for seed in range(BATCH)]
    yield _animediffusion("OpenCV float64, one picture", animediffusion, pictures[:1], 1.0)
    yield _animediffusion(f"OpenCV float64, batch of {BATCH}", animediffusion, pictures, 1.3)
    yield _animediffusion("OpenCV float64, bare step, one picture", animediffusion_step, pictures[:1], 1.0)
    yield _animediffusion(f"OpenCV float64, bare step, batch of {BATCH}", animediffusion_step, pictures, 1.0)
    yield _xdog_python(pictures[0])


def _animediffusion(baseline, theirs, pictures, wanted):
    image = tensor(pictures)
    calls = (
        lambda: xdog.animediffusion(image, SIGMA),
        lambda: np.stack([theirs(picture) for picture in pictures]),
    )
    ms, reference_ms = medians(*calls)
    ours, reference = (call() for call in calls)
    note = f"{np.mean(ours.numpy() * 255 != reference):.3%} of pixels differ"
    return Row("xdog (AnimeDiffusion)", ms, "ms", baseline, reference_ms, reference_ms / ms, wanted, note)


def _xdog_python(picture):
    image = tensor([picture])
    calls = lambda: xdog.xdog_python(image), lambda: xdog_python_float(picture)
    ms, reference_ms = medians(*calls, runs=3)
    ours, reference = (call() for call in calls)
    note = f"largest difference {np.abs(ours[0].numpy() * 255 - reference).max():.3f}/255"
    return Row("xdog (XDoG-Python)", ms, "ms", "scipy, loop over pixels", reference_ms, reference_ms / ms, 8.0, note)


def tensor(pictures):
    return torch.from_numpy(np.stack(pictures)).float() / 255


def drawing(seed):
    """An 8-bit RGB picture with soft shades, flat areas and outlines of several widths."""
    random = np.random.default_rng(seed)
    shade = cv2.resize(random.random((5, 5, 3)), (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = np.ascontiguousarray((shade * 200 + 40).clip(0, 255).astype(np.uint8))
    for _ in range(60):
        centre, axes = random.integers(0, SIDE, 2).tolist(), random.integers(20, 200, 2).tolist()
        angle, fill = float(random.integers(0, 180)), random.integers(60, 256, 3).tolist()
        cv2.ellipse(picture, centre, axes, angle, 0, 360, fill, -1, cv2.LINE_AA)
        width = int(random.integers(1, 5))
        cv2.ellipse(picture, centre, axes, angle, 0, 360, (20, 10, 10), width, cv2.LINE_AA)
    return picture


def _animediffusion_u(picture):
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) / 255.0
    near = cv2.GaussianBlur(gray, (0, 0), SIGMA)
    wide = cv2.GaussianBlur(gray, (0, 0), 3.5 * SIGMA)
    return gray * (11.0 * near - 10.0 * wide)


def animediffusion(picture):
    """The published formula: a tanh ramp of slope 1e9."""
    u = _animediffusion_u(picture)
    return np.rint(np.where(u >= 0.01, 1.0, 1.0 + np.tanh(1e9 * (u - 0.01))) * 255)


def animediffusion_step(picture):
    """The same with the ramp as a comparison, in float32: the least that plain OpenCV can do."""
    return (_animediffusion_u(picture) >= 0.01) * np.float32(255)


def xdog_python_float(picture):
    """XDoG-Python's way on float data: two scipy blurs, then each pixel by itself."""
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float64)
    difference = ndimage.gaussian_filter(gray, 0.5) - 0.98 * ndimage.gaussian_filter(gray, 100)
    out = difference / 255
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = 1 if out[y, x] >= 0.01 else 1 + np.tanh(10 * (out[y, x] - 0.01))
    return out * 255

"""How guidance pictures and what networks make of them follow the noise: its size, its batch, its areas."""

from functools import cached_property

import comfy.conds
import comfy.utils

from .. import keys
from ..image import cover, luma, repeat_batch, resize, rgb
from ..reference import on_white
from ..scribble import resize_strokes, same_batch


class CONDMade(comfy.conds.CONDRegular):
    """`make` is called once, when a step first needs the tensor: at cfg 1, the negative's is never made."""

    def __init__(self, make):
        self.make = make

    @cached_property
    def cond(self):
        return self.make()

    def _copy_with(self, cond):
        return type(self)(lambda: cond)


class CONDOnce(comfy.conds.CONDConstant):
    """A `Once` for all rows of a call alike; rows of another one do not run together with it."""

    def process_cond(self, **kwargs):
        self.cond.value  # noqa: B018 - made outside of the network, whose place on the device it may need
        return self


class CONDRows(comfy.conds.CONDRegular):
    """One value for each row, as a tuple: it stays out of the device's memory."""

    def process_cond(self, batch_size, **kwargs):
        return self._copy_with(self.cond * batch_size)

    def can_concat(self, other):
        return True

    def concat(self, others):
        return sum((other.cond for other in others), self.cond)

    def size(self):
        return [1]


class CONDReduced(CONDMade):
    """A map (B, C, ceil(H / ratio), ceil(W / ratio)) that belongs to noise of size (H, W), made when first needed.

    An area keeps every cell that it touches.
    """

    def __init__(self, make, ratio):
        super().__init__(make)
        self.ratio = ratio

    def _copy_with(self, cond):
        return type(self)(lambda: cond, self.ratio)

    def process_cond(self, batch_size, area, **kwargs):
        data = self.cond
        if area is not None:
            dims = len(area) // 2
            for dim, (size, start) in enumerate(zip(area[:dims], area[dims:], strict=True), start=2):
                first, last = start // self.ratio, -(-(start + size) // self.ratio)
                data = data.narrow(dim, first, last - first)
        return self._copy_with(comfy.utils.repeat_to_batch_size(data, batch_size))


def fit_guidance(noise, line, scribble=None, mask=None):
    """Guidance at the noise's size: line (B, 1, H, W), scribble (B, 3, H, W) and mask (B, 1, H, W), all 0..1.

    B is 1 when one picture serves the whole batch, otherwise the noise's. No scribble is a mask of zeros.
    """
    height, width = noise.shape[-2:]
    line = fit_line(line, height, width)
    if scribble is None or mask is None:
        scribble, mask = line.new_zeros(1, height, width, 3), line.new_zeros(1, height, width)
    else:
        mask = resize(mask[..., None].to(scribble), *scribble.shape[1:3])[..., 0]
        scribble, mask = resize_strokes(*same_batch(rgb(scribble), mask), height, width)
    return as_planes(noise, line, scribble, mask[..., None])


def need_reference(colorizer, entry):
    """ValueError if a conditioning's dict has no reference for the colorizer that is named."""
    if entry.get(keys.REFERENCE) is None:
        raise ValueError(
            f"{colorizer} takes its colours from a reference: connect a picture to ReferenceTokens, and both "
            "its outputs to the sampler."
        )


def fit_reference(noise, line, reference, mask=None):
    """Guidance at the noise's size: line (B, 1, H, W) and reference (B, 3, H, W), 0..1; B as in `fit_guidance`.

    The reference covers the drawing and loses what stands over, as in the published loaders. It is white paper where
    its mask is 0.
    """
    height, width = noise.shape[-2:]
    return as_planes(noise, fit_line(line, height, width), cover(on_paper(reference, mask), height, width))


def on_paper(reference, mask=None):
    """The reference (B, H, W, 3), white where its mask is 0."""
    reference, mask = rgb(reference), reference.new_ones(1, 1, 1) if mask is None else mask
    mask = resize(mask[..., None].to(reference), *reference.shape[1:3])
    reference, mask = same_batch(reference, mask)
    return on_white(reference, mask)


def fit_line(line, height, width):
    """The drawing's brightness, (B, height, width, 1)."""
    return luma(resize(rgb(line), height, width))[..., None]


def as_planes(noise, *pictures):
    """Pictures (B, H, W, C) as (B, C, H, W), B 1 if that is so of all, otherwise the noise's."""
    batch = 1 if all(len(picture) == 1 for picture in pictures) else noise.shape[0]
    return [repeat_batch(picture, batch).movedim(-1, 1) for picture in pictures]

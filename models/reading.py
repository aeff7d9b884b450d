"""How a UNet reads reference tokens: how strongly in which block, from which half, and when."""

from typing import NamedTuple

import torch
import torch.nn.functional as F

LAST_TIMESTEP = 999
SPLITS = ("background", "foreground", "both", "off")
INJECTIONS = ("off", "exact", "fast")


class Split(NamedTuple):
    """Two halves of the tokens: figures read the first, their ground the second."""

    threshold: float | None = 0.05  # figures are where the mask is above it; None: the mask blends
    merge: float = 0.0  # share of the ground's tokens in the figures
    foreground: float = 1.0  # strengths of what each half gives
    background: float = 1.0
    lora: tuple = (None, None)  # names of the LoRA that each half goes through
    ties: str | None = None  # "figures" or "ground": whose a mask at the threshold is; None: by a layer's LoRA


class Injection(NamedTuple):
    """Features of the noised reference for self-attention."""

    start: float = 0.0  # of the progress from which they are read
    fidelity: float = 0.5  # of the rows without tokens: how little they read them
    fast: bool = False  # such rows read some of the features of the rows with tokens
    seed: int = 0  # of the noise


class Reading(NamedTuple):
    """Numbers of one conditioning.

    strengths  one for each transformer block, from the first input block to the last output block
    window     (start, end) of the progress 0..1 in which tokens are read
    pause      the same in which they are not, inside the window
    """

    strengths: tuple
    window: tuple = (0.0, 1.0)
    pause: tuple = (-0.05, -0.05)
    split: Split | None = None
    injection: Injection | None = None


class Options(NamedTuple):
    """What a user may set, by the names that travel in CONDITIONING; every model takes what it knows.

    Strengths and thresholds are 0..1, starts and ends are the progress of sampling, 0..1.
    """

    strength: float = 1.0  # of the reference; times one of:
    encoder_strength: float = 1.0  # finest level of the encoder
    color_strength: float = 1.0  # middle level
    semantics_strength: float = 1.0  # lowest level
    block_strengths: tuple = ()  # one for each transformer block, instead of the levels
    sketch_strength: float = 1.0  # 0..3; times, for the hints from the finest on:
    sketch_levels: tuple = ()  # 0..3 each; those not given are 1
    true_rotation: bool = False  # XL: the sketch encoder as it was trained
    split: str = "background"  # of SPLITS: who reads tokens of its own where there is a mask
    style: bool = False  # v2: style vectors from the reference
    sketch_threshold: float = 0.05
    reference_threshold: float = 0.5
    merge: float = 0.0
    foreground_strength: float = 1.0
    background_strength: float = 1.0
    background_factor: float = 1.0  # v2: 0..2, of the background encoder's tokens
    start: float = 0.0
    end: float = 1.0
    pause_start: float = -0.05
    pause_end: float = -0.05
    injection: str = "off"  # of INJECTIONS
    injection_start: float = 0.0
    injection_fidelity: float = 0.5
    injection_sketch: float = 0.0  # 0..2

    def block_scales(self, blocks, levels):
        """Strength of each of the transformer blocks; levels: "encoder", "color", "semantics" -> their numbers."""
        if self.block_strengths:
            if len(self.block_strengths) != blocks:
                raise ValueError(
                    f"There are {len(self.block_strengths)} block strengths, but this model has {blocks} transformer "
                    "blocks: give one number for each, or none."
                )
            return tuple(self.strength * scale for scale in self.block_strengths)
        scales = [self.strength] * blocks
        for level, numbers in levels.items():
            for number in numbers:
                scales[number] *= getattr(self, f"{level}_strength")
        return tuple(scales)

    def hint_scales(self, count):
        """Strength of each of the hints."""
        if len(self.sketch_levels) > count:
            raise ValueError(
                f"There are {len(self.sketch_levels)} sketch levels, but this model has {count}: give fewer numbers."
            )
        levels = *self.sketch_levels, *[1.0] * (count - len(self.sketch_levels))
        return [self.sketch_strength * level for level in levels]

    def read(self, scales, split=None, seed=0):
        """The `Reading` with these strengths per block, for noise of that seed."""
        injection = Injection(self.injection_start, self.injection_fidelity, self.injection == "fast", seed)
        return Reading(
            scales,
            (self.start, self.end),
            (self.pause_start, self.pause_end),
            split,
            None if self.injection == "off" else injection,
        )


class Call:
    """What the attention layers are told during one call of the network.

    mask    figures of the drawing (B, 1, h, w), 0..1, or None
    guided  numbers of the rows that have tokens (n,), or None if all do
    bank    keys and values of self-attention over the reference by number of the block, or None
    last    number of the block with which writing the bank ends, or None where it is read
    plain   numbers of the rows (n,) that read less of the bank, or None
    source  rows of the bank (n,) that those read, where it has none of their own, or None
    ground  normalised inputs of self-attention over a background, as the XL version 2 reads it
    """

    def __init__(self, reading, mask, guided=None):
        self.reading = reading
        self.mask = mask
        self.guided = guided
        self.bank = self.last = self.plain = self.source = None
        self.ground, self.masks = {}, {}

    def mask_at(self, height, width):
        """The mask at the size of a map, (B, 1, height, width)."""
        if (height, width) not in self.masks:
            self.masks[height, width] = F.interpolate(self.mask, (height, width), mode="bicubic")
        return self.masks[height, width]


def read_strengths(text):
    """Strengths such as "1, 0.5", as many as there are; ValueError tells what is wrong."""
    try:
        return tuple(float(word) for word in text.replace(",", " ").split())
    except ValueError:
        raise ValueError(f"Strengths are numbers with commas between them, such as 1, 0.5: found '{text}'.") from None


def latent_mask(mask, ratio=8, mode="bicubic"):
    """A mask (B, 1, H, W) at the size of a latent."""
    return F.interpolate(mask, scale_factor=1 / ratio, mode=mode)


def progress(timestep):
    """0 at pure noise, 1 at the finished picture."""
    return 1 - timestep / LAST_TIMESTEP


def in_window(tokens, timesteps, reading):
    """Tokens (B, n, C), zero where they are not to be read: then attention gives its output bias only."""
    (start, end), (pause, resume) = reading.window, reading.pause
    at = progress(timesteps)
    read = (at >= start) & (at <= end) & ~((at >= pause) & (at <= resume))
    return tokens * read.to(tokens)[:, None, None]


def blend(split, mask, figures, ground, adapted):
    """What both halves gave, each (B, n, C), put together by the mask (B, n, 1).

    adapted  whether the layer has a LoRA of its own: then a mask that equals the threshold is the ground's, otherwise
             the figures', as in the published layers of v1 to v2
    """
    ground = ground * split.background
    figures = torch.lerp(figures * split.foreground, ground, split.merge)
    if split.threshold is None:
        return torch.lerp(ground, figures, mask)
    ties = split.ties or ("ground" if adapted else "figures")
    inside = mask > split.threshold if ties == "ground" else mask >= split.threshold
    return torch.where(inside, figures, ground)

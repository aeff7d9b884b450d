"""Likeness: the reference colorizer that ships with the pack: find each place of the drawing in the reference, carry
its colours over, and let a small U-Net paint what fits the lines.

The lines of the reference are extracted as well, so that drawing and reference are compared as like with like, by one
encoder. After Lee et al. 2020 (dense correspondence by attention) and Sun et al. 2021 ("LoFTR": both pictures look at
each other before they are compared).
"""

from typing import NamedTuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..edm import UNet, sizes
from ..layers import Layers
from ..line import xdog
from .election import dominant, elect

MATCHED = 128  # px: pictures are compared at this side, or at the same area if they are not square
HEADS, HEAD = 4, 32  # of the comparison
COLOUR = 4  # of what a head carries: R, G, B in -1..1 and the mean of their squares, which tells how sure it is
CARRIED = HEADS * HEAD
GUIDANCE = 1 + COLOUR + 3  # line, what the first head carries, the colour that is voted for between the lines


class Match(NamedTuple):
    """What every place of a drawing finds in its reference, on the coarse map.

    carried  what the heads carry over (B, CARRIED, h, w)
    votes    the share of the first head's attention that falls on each colour of the palette (B, K, h, w)
    palette  the reference's colours (B, K, 3) in -1..1
    """

    carried: torch.Tensor
    votes: torch.Tensor
    palette: torch.Tensor


def config(state_dict):
    """Arguments of `Likeness` that fit these weights, or None if they are another system's."""
    return sizes(state_dict) if "matcher.query.weight" in state_dict else None


class Likeness(UNet):
    """F of a noisy picture (B, 3, H, W) of any size, given its noise level, `guidance`, and as hint what is carried."""

    def __init__(self, widths=(32, 64, 128, 208), detail=16, dtype=None, device=None, operations=nn):
        super().__init__(GUIDANCE, widths, detail, CARRIED, dtype, device, operations)
        self.matcher = Matcher(Layers(operations, dtype, device))

    def match(self, line, reference):
        """`Match`: once per picture, for every step of sampling.

        line (B, 1, H, W) with white = 1 and reference (B, 3, H', W'), 0..1, any sizes.
        """
        return self.compare(line, reference)[0]

    def compare(self, line, reference):
        """`match`, and what the first head compared: queries (B, h w, HEAD) and keys (B, h' w', HEAD)."""
        return self.matcher(place(line), place(torch.cat([extract(reference), reference], dim=1)))


def guidance(line, match):
    """What the network reads besides the noisy picture, (B, GUIDANCE, H, W) in -1..1.

    line (B, 1, H, W) in 0..1, white = 1.
    """
    found = F.interpolate(match.carried[:, :COLOUR].to(line), line.shape[-2:], mode="bilinear")
    votes = F.interpolate(match.votes.to(line), line.shape[-2:], mode="bilinear")
    return torch.cat([2 * line - 1, found, elect(line, votes, match.palette.to(line))], dim=1)


def extract(picture):
    """Lines (B, 1, H, W) of pictures (B, 3, H, W), 0..1."""
    with torch.autocast(picture.device.type, enabled=False):
        lines = xdog.xdog(picture.movedim(1, -1).float(), sigma=0.5, p=20.0, eps=0.4, phi=10.0)
    return lines[:, None].to(picture)


def place(picture):
    """A picture scaled to MATCHED² pixels, as sides of whole cells of the coarse map, in -1..1, with its positions."""
    height, width = picture.shape[-2:]
    scale = MATCHED / (height * width) ** 0.5
    size = [max(16, min(1024, 8 * round(side * scale / 8))) for side in (height, width)]
    picture = 2 * F.interpolate(picture, size, mode="bilinear", antialias=True) - 1
    y, x = (torch.linspace(-1, 1, side).to(picture) for side in size)
    at = torch.stack(torch.meshgrid(y, x, indexing="ij")).expand(len(picture), -1, -1, -1)
    colours = F.pad(picture, (0, 0, 0, 0, 0, 4 - picture.shape[1]))  # a drawing has none yet
    return torch.cat([colours, at], dim=1)


class Matcher(nn.Module):
    """Compares two pictures (B, 6, h, w): line, R, G, B, y, x; carries the second's colours to the first's 1/4."""

    def __init__(self, layers, fine=64, coarse=128, rounds=2):
        super().__init__()
        self.stem = layers.Conv2d(4 * 6, 32, 3, padding=1)
        self.fine = nn.Sequential(layers.Conv2d(32, fine, 3, stride=2, padding=1), Block(layers, fine))
        self.coarse = nn.Sequential(layers.Conv2d(fine, coarse, 3, stride=2, padding=1), Block(layers, coarse))
        self.within = nn.ModuleList(Attention(layers, coarse) for _ in range(rounds))
        self.across = nn.ModuleList(Attention(layers, coarse) for _ in range(rounds))
        self.join = nn.Sequential(layers.Conv2d(fine + coarse, coarse, 1), Block(layers, coarse))
        self.query = layers.Conv2d(coarse, HEADS * HEAD, 1)
        self.key = layers.Conv2d(coarse, HEADS * HEAD, 1)
        self.value = layers.Conv2d(coarse, HEADS * (HEAD - COLOUR), 1)

    def forward(self, drawing, reference):
        wanted, offered = self.describe(drawing, reference)
        colour = F.avg_pool2d(reference[:, 1:4], 4)
        q, k, v = (
            rearrange(part, "b (n c) y x -> b n (y x) c", n=HEADS)
            for part in (self.query(wanted), self.key(offered), self.value(offered))
        )
        k = F.normalize(k, dim=-1)  # the length of q alone says how sure a place is
        cells = rearrange(colour, "b c y x -> b (y x) c")
        told = torch.cat([cells, cells.square().mean(-1, keepdim=True)], dim=-1)[:, None].expand(-1, HEADS, -1, -1)
        found = F.scaled_dot_product_attention(q, k, torch.cat([told, v], dim=-1), scale=1.0)
        with torch.no_grad():
            palette, member = dominant(cells)
            votes = F.scaled_dot_product_attention(q[:, 0], k[:, 0], member.to(q), scale=1.0)
        height = wanted.shape[-2]
        carried = rearrange(found, "b n (y x) c -> b (n c) y x", y=height)
        votes = rearrange(votes, "b (y x) c -> b c y x", y=height)
        return Match(carried, votes, palette), q[:, 0], k[:, 0]

    def describe(self, *pictures):
        """Features (B, C, h/4, w/4) of both pictures, each knowing of the other."""
        fine = [self.fine(self.stem(F.pixel_unshuffle(picture, 2))) for picture in pictures]
        a, b = (self.coarse(features) for features in fine)
        for within, across in zip(self.within, self.across, strict=True):
            a, b = within(a, a), within(b, b)
            a, b = across(a, b), across(b, a)
        coarse = (F.interpolate(features, scale_factor=2, mode="bilinear") for features in (a, b))
        return [self.join(torch.cat(both, dim=1)) for both in zip(fine, coarse, strict=True)]


class Block(nn.Module):
    """Two normalised convolutions."""

    def __init__(self, layers, width):
        super().__init__()
        self.norm1 = layers.GroupNorm(8, width)
        self.conv1 = layers.Conv2d(width, width, 3, padding=1)
        self.norm2 = layers.GroupNorm(8, width)
        self.conv2 = layers.Conv2d(width, width, 3, padding=1)

    def forward(self, x):
        h = self.conv1(F.silu(self.norm1(x)))
        return x + self.conv2(F.silu(self.norm2(h)))


class Attention(nn.Module):
    """Every place of one map asks all of another, (B, C, h, w) each, and thinks about the answer."""

    def __init__(self, layers, width, heads=4):
        super().__init__()
        self.heads = heads
        self.norm = layers.GroupNorm(8, width)
        self.query = layers.Conv2d(width, width, 1)
        self.key_value = layers.Conv2d(width, 2 * width, 1)
        self.out = layers.Conv2d(width, width, 1)
        self.think = nn.Sequential(
            layers.GroupNorm(8, width),
            layers.Conv2d(width, 2 * width, 1),
            nn.SiLU(),
            layers.Conv2d(2 * width, width, 1),
        )

    def forward(self, x, other):
        q = rearrange(self.query(self.norm(x)), "b (n c) y x -> b n (y x) c", n=self.heads)
        k, v = rearrange(self.key_value(self.norm(other)), "b (p n c) y x -> p b n (y x) c", p=2, n=self.heads)
        h = F.scaled_dot_product_attention(q, k, v)
        x = x + self.out(rearrange(h, "b n (y x) c -> b (n c) y x", y=x.shape[-2]))
        return x + self.think(x)

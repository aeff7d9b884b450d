"""AnimeDiffusion: diffusion line-art colorization after a reference picture, in pixel space.

Y. Cao, X. Meng, P. Y. Mok, T.-Y. Lee, X. Liu, P. Li: "AnimeDiffusion: Anime Diffusion Colorization", IEEE TVCG
30(10), 2024, pp. 6956-6969. Module names are the checkpoint's keys.

Drawing and reference are concatenated behind the noisy picture. Training distorts the reference, so the network
looks for its colours by what they belong to, not by where they are.
"""

import math
import re
from itertools import count

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..layers import Layers, pad_to_multiple
from .diffusion import TIMESTEPS, schedule

HEADS = 4
NORM_GROUPS = 32
MAX_PERIOD = 1000  # of the time vector; others take 10000


class AnimeDiffusion(nn.Module):
    """Predicts the noise in a picture (B, 3, H, W) of any size, given line art and a reference.

    widths     channels of each resolution, from the picture's own down
    blocks     residual blocks per resolution
    cbam       with attention over channels and positions in the decoder (Woo et al. 2018); published without
    timesteps  length of the schedule, which the checkpoint holds: `gammas` and what follows from them
    attention  (q, k, v), each (B, heads, tokens, width) -> the same, at the usual scale 1 / sqrt(width)
    """

    def __init__(
        self,
        widths=(64, 128, 256, 512),
        blocks=2,
        cbam=False,
        timesteps=TIMESTEPS,
        dtype=None,
        device=None,
        operations=nn,
        attention=F.scaled_dot_product_attention,
    ):
        super().__init__()
        self.dtype = dtype
        self.denoise_fn = UNet(Layers(operations, dtype, device), widths, blocks, cbam, attention)
        for name, table in schedule(timesteps).items():
            self.register_buffer(name, table.to(device))

    def forward(self, x, t, line, reference):
        """The noise in x.

        x          noisy picture (B, 3, H, W)
        t          timesteps (B,) in 0..T-1, or None: no block is told the time, see `diffusion.fix_forward`
        line       (B, 1, H, W), -1 = ink, 1 = paper
        reference  (B, 3, H, W) in -1..1
        """
        height, width = x.shape[-2:]
        x = pad_to_multiple(torch.cat([x, line, reference], dim=1), self.denoise_fn.reduction)
        return self.denoise_fn(x, t)[..., :height, :width]


class UNet(nn.Module):
    def __init__(self, layers, widths, blocks, cbam, attention):
        super().__init__()
        first, deepest, time = widths[0], widths[-1], 4 * widths[0]
        self.reduction = 2 ** (len(widths) - 1)
        self.time = TimeEmbedding(first)
        self.time_embedding = nn.Sequential(layers.Linear(first, time), nn.SiLU(), layers.Linear(time, time))
        self.input = nn.Sequential(layers.Conv2d(7, first, 1))

        self.encoder_block = nn.ModuleList()
        skips, before = [], first
        for level, width in enumerate(widths):
            if level:
                self.encoder_block.append(nn.AvgPool2d(2))
                skips.append(before)
            for _ in range(blocks):
                self.encoder_block.append(Residual(layers, before, width, time))
                skips.append(before := width)

        self.bottom_block = nn.ModuleList(
            [
                Residual(layers, deepest, deepest, time),
                Attention(layers, deepest, attention),
                Residual(layers, deepest, deepest, time),
            ]
        )

        self.decoder_block = nn.ModuleList()
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(blocks):
                self.decoder_block.append(Residual(layers, before + skips.pop(), width, time, cbam))
                before = width
            if level:
                block = Residual(layers, before + skips.pop(), width, time)
                self.decoder_block.append(nn.ModuleList([block, nn.Upsample(scale_factor=2, mode="nearest")]))

        self.output = nn.Sequential(
            layers.GroupNorm(NORM_GROUPS, first), nn.SiLU(inplace=True), layers.Conv2d(first, 3, 1)
        )

    def forward(self, x, t):
        """x (B, 7, H, W) = noisy picture, line art, reference; H and W multiples of `reduction`."""
        time = None if t is None else self.time_embedding(self.time(t).to(x))
        x = self.input(x)

        skips = []
        for block in self.encoder_block:
            x = block(x, time) if isinstance(block, Residual) else block(x)
            skips.append(x)

        before, attention, after = self.bottom_block
        x = after(attention(before(x, time)), time)

        for block in self.decoder_block:
            x = torch.cat([x, skips.pop()], dim=1)
            if isinstance(block, Residual):
                x = block(x, time)
            else:
                residual, up = block
                x = up(residual(x, time))
        return self.output(x)


class TimeEmbedding(nn.Module):
    """Timesteps (B,) -> (B, dim): cosines, then sines."""

    def __init__(self, dim):
        super().__init__()
        self.half = dim // 2

    def forward(self, t):
        frequency = torch.exp(torch.arange(self.half, device=t.device) * (-math.log(MAX_PERIOD) / self.half))
        angle = t[:, None].float() * frequency
        return torch.cat([angle.cos(), angle.sin()], dim=-1)


class Residual(nn.Module):
    """Two convolutions and a shortcut; the time vector, if there is one, is added between them.

    In place where nothing else needs a map: at full size, memory is what takes the time beside the convolutions.
    """

    def __init__(self, layers, before, width, time, cbam=False):
        super().__init__()
        self.conv1 = nn.Sequential(
            layers.GroupNorm(NORM_GROUPS, before), nn.SiLU(inplace=True), layers.Conv2d(before, width, 3, padding=1)
        )
        self.time_emb = nn.Sequential(nn.SiLU(), layers.Linear(time, width))
        self.attention = nn.Sequential(CBAM(layers, width)) if cbam else nn.Identity()
        self.conv2 = nn.Sequential(
            layers.GroupNorm(NORM_GROUPS, width),
            nn.SiLU(inplace=True),
            nn.Dropout(0.0),
            layers.Conv2d(width, width, 3, padding=1),
        )
        self.skip_connection = layers.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x, time):
        h = self.conv1(x)
        if time is not None:
            h += self.time_emb(time)[..., None, None]
        h = self.conv2(self.attention(h))
        h += self.skip_connection(x)
        return h


class Attention(nn.Module):
    """Self-attention over all positions, added to the map as it is: there is no projection behind it."""

    def __init__(self, layers, width, attention):
        super().__init__()
        self.attend = attention
        self.attention = nn.Sequential(layers.GroupNorm(NORM_GROUPS, width), layers.Conv1d(width, 3 * width, 1))

    def forward(self, x):
        qkv = self.attention(x.flatten(2))
        q, k, v = rearrange(qkv, "b (qkv heads c) n -> qkv b heads n c", qkv=3, heads=HEADS)
        out = self.attend(q, k, v)
        return x + rearrange(out, "b heads (h w) c -> b (heads c) h w", h=x.shape[2])


class CBAM(nn.Module):
    """Woo et al. 2018: weighs first the channels, then the positions of a map."""

    def __init__(self, layers, width, reduction=16):
        super().__init__()
        self.channel_attention = ChannelAttention(layers, width, width // reduction)
        self.spatial_attention = SpatialAttention(layers)

    def forward(self, x):
        x = x * self.channel_attention(x)
        return x * self.spatial_attention(x)


class ChannelAttention(nn.Module):
    def __init__(self, layers, width, inner):
        super().__init__()
        self.fc = nn.Sequential(
            layers.Conv2d(width, inner, 1, bias=False), nn.ReLU(), layers.Conv2d(inner, width, 1, bias=False)
        )

    def forward(self, x):
        return torch.sigmoid(self.fc(x.mean((2, 3), keepdim=True)) + self.fc(x.amax((2, 3), keepdim=True)))


class SpatialAttention(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.conv = layers.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        return torch.sigmoid(self.conv(torch.cat([x.mean(1, keepdim=True), x.amax(1, keepdim=True)], dim=1)))


def config(state_dict):
    """Arguments of the `AnimeDiffusion` whose checkpoint this is, or None if it is of another network.

    The heads of the attention leave no trace in the shapes; they are the published ones.
    """
    first = state_dict.get("denoise_fn.input.0.weight")
    middle = state_dict.get("denoise_fn.bottom_block.1.attention.1.weight")
    if first is None or middle is None or first.shape[1:] != (7, 1, 1) or middle.ndim != 3:
        return None
    if "gammas" not in state_dict:
        raise ValueError(
            "It has AnimeDiffusion's network but no schedule (gammas): it was retrained for another way of "
            "sampling, as SSIMBaD was, and this pack cannot tell which. Use an AnimeDiffusion file."
        )

    encoder = {}  # index -> channels; an index without keys is the pooling between two resolutions
    for key, tensor in state_dict.items():
        if found := re.fullmatch(r"denoise_fn\.encoder_block\.(\d+)\.conv1\.2\.\w+", key):
            encoder[int(found[1])] = tensor.shape[0]
    blocks = next(index for index in count() if index not in encoder)
    if blocks == 0:
        return None
    return {
        "widths": tuple(encoder[index] for index in sorted(encoder) if index % (blocks + 1) == 0),
        "blocks": blocks,
        "cbam": any(".channel_attention." in key for key in state_dict),
        "timesteps": len(state_dict["gammas"]),
    }

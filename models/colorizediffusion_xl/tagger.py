"""The tagger whose features ColorizeDiffusion XL reads beside CLIP's: SmilingWolf's WD v1.4, a Swin Transformer V2.

Z. Liu et al., "Swin Transformer V2: Scaling Up Capacity and Resolution", CVPR 2022. The module names are the keys of
the published file (timm's swinv2_base_window8_256, built for 448 px and windows of 14).
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..layers import Layers
from ..reference import squash

SIDE = 448  # px
WINDOW = 14  # patches along a window
HIDDEN = 512  # of the network that finds the bias of a distance


class Tagger(nn.Module):
    """Picture (B, 3, side, side), BGR in -1..1 -> tokens (B, n, C), row by row.

    patch    px along a patch
    width    channels of the first stage; each further one doubles them and halves the sides
    depths   blocks of the stages
    heads    attention heads of the stages
    classes  tags, which colouring leaves unread
    side     px of the square that the network reads; no file tells it, nor
    window   patches along a window
    """

    dtypes = torch.float16, torch.bfloat16, torch.float32
    layout = torch.contiguous_format

    def __init__(
        self,
        patch=4,
        width=128,
        depths=(2, 2, 18, 2),
        heads=(4, 8, 16, 32),
        classes=9083,
        side=SIDE,
        window=WINDOW,
        dtype=None,
        device=None,
        operations=nn,
    ):
        super().__init__()
        self.dtype = dtype
        self.side = side
        layers = Layers(operations, dtype, device)
        self.patch_embed = nn.Module()
        self.patch_embed.proj = layers.Conv2d(3, width, patch, stride=patch)
        self.patch_embed.norm = layers.LayerNorm(width)
        stages = zip(depths, heads, strict=True)
        self.layers = nn.Sequential(
            *(
                Stage(layers, width << i, *stage, side // patch >> i, window, halve=i > 0)
                for i, stage in enumerate(stages)
            )
        )
        width <<= len(depths) - 1
        self.norm = layers.LayerNorm(width)
        self.head = nn.Module()
        self.head.fc = layers.Linear(width, classes)

    def forward(self, x):
        x = self.patch_embed.norm(self.patch_embed.proj(x).movedim(1, -1))
        return self.norm(self.layers(x)).flatten(1, 2)


class Stage(nn.Module):
    """Blocks on one grid (B, H, W, C), every second one with its windows moved by half of their size."""

    def __init__(self, layers, width, depth, heads, grid, window, halve):
        super().__init__()
        self.downsample = Merge(layers, width // 2) if halve else nn.Identity()
        shift = window // 2 if window < grid else 0
        window = min(window, grid)
        self.blocks = nn.Sequential(*(Block(layers, width, heads, window, i % 2 * shift) for i in range(depth)))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class Merge(nn.Module):
    """(B, H, W, C) -> (B, H / 2, W / 2, 2 C)"""

    def __init__(self, layers, width):
        super().__init__()
        self.reduction = layers.Linear(4 * width, 2 * width, bias=False)
        self.norm = layers.LayerNorm(2 * width)

    def forward(self, x):
        return self.norm(self.reduction(rearrange(x, "b (h y) (w x) c -> b h w (x y c)", y=2, x=2)))


class Block(nn.Module):
    """Attention in windows, then a perceptron, each normalised before it is added."""

    def __init__(self, layers, width, heads, window, shift):
        super().__init__()
        self.window, self.shift = window, shift
        self.attn = WindowAttention(layers, width, heads, window)
        self.norm1 = layers.LayerNorm(width)
        self.mlp = nn.Module()
        self.mlp.fc1 = layers.Linear(width, 4 * width)
        self.mlp.fc2 = layers.Linear(4 * width, width)
        self.norm2 = layers.LayerNorm(width)

    def forward(self, x):
        x = x + self.norm1(self.attend(x))
        return x + self.norm2(self.mlp.fc2(F.gelu(self.mlp.fc1(x))))

    def attend(self, x):
        height, width = x.shape[1:3]
        x = x.roll((-self.shift, -self.shift), (1, 2))
        x = rearrange(x, "b (h y) (w x) c -> b (h w) (y x) c", y=self.window, x=self.window)
        x = self.attn(x, strangers(height, width, self.window, self.shift) if self.shift else None)
        x = rearrange(x, "b (h w) (y x) c -> b (h y) (w x) c", h=height // self.window, y=self.window)
        return x.roll((self.shift, self.shift), (1, 2))


class WindowAttention(nn.Module):
    """Cosine attention within windows, with a bias that a small network finds for every distance."""

    def __init__(self, layers, width, heads, window):
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = layers.Linear(width, 3 * width, bias=False)
        self.q_bias = nn.Parameter(torch.zeros(width, **layers.place))
        self.v_bias = nn.Parameter(torch.zeros(width, **layers.place))
        self.logit_scale = nn.Parameter(torch.full((heads, 1, 1), math.log(10), **layers.place))
        self.cpb_mlp = nn.Sequential(layers.Linear(2, HIDDEN), nn.ReLU(), layers.Linear(HIDDEN, heads, bias=False))
        self.proj = layers.Linear(width, width)

    def forward(self, x, apart=None):
        """x (B, windows, tokens, C); apart (windows, tokens, tokens) is True between tokens that must not meet."""
        q, k, v = rearrange(self.qkv(x), "b w n (three heads c) -> three b w heads n c", three=3, heads=self.heads)
        q = q + rearrange(self.q_bias.to(x), "(heads c) -> heads 1 c", heads=self.heads)
        v = v + rearrange(self.v_bias.to(x), "(heads c) -> heads 1 c", heads=self.heads)
        scale = self.logit_scale.to(x).clamp(max=math.log(100)).exp()
        bias = self.bias(x)
        if apart is not None:
            bias = bias - 100 * apart[:, None].to(x)
        x = F.scaled_dot_product_attention(F.normalize(q, dim=-1) * scale, F.normalize(k, dim=-1), v, bias, scale=1.0)
        return self.proj(rearrange(x, "b w heads n c -> b w n (heads c)"))

    def bias(self, like):
        """(heads, tokens, tokens)"""
        steps = torch.arange(1 - self.window, self.window)
        scaled = 8 * steps / max(self.window - 1, 1)
        scaled = scaled.sign() * (scaled.abs() + 1).log2() / 3  # fine where places are near
        distances = torch.stack(torch.meshgrid(scaled, scaled, indexing="ij"), -1)
        bias = 16 * self.cpb_mlp(distances.to(like)).sigmoid()
        place = torch.arange(self.window)
        apart = place[:, None] - place + self.window - 1  # (window, window), an index of `steps`
        return rearrange(bias[apart[:, None, :, None], apart[:, None]], "y x v u heads -> heads (y x) (v u)")


def pixels(image, side):
    """IMAGE (B, H, W, 3) as the network reads it, (B, 3, side, side)."""
    return 2 * squash(image, side).flip(1) - 1


def strangers(height, width, window, shift):
    """True between tokens of a window that come from opposite borders: (windows, tokens, tokens)."""
    rows, columns = (torch.arange(n)[:, None] >= torch.tensor([n - window, n - shift]) for n in (height, width))
    region = rows.sum(1)[:, None] * 3 + columns.sum(1)
    region = rearrange(region, "(h y) (w x) -> (h w) (y x)", y=window, x=window)
    return region[:, :, None] != region[:, None]


def config(state_dict):
    """A `Tagger`'s arguments from the names and shapes of its tensors, or None if they are not one's."""
    first, head = state_dict.get("patch_embed.proj.weight"), state_dict.get("head.fc.weight")
    if first is None or head is None or "layers.0.blocks.0.attn.cpb_mlp.0.weight" not in state_dict:
        return None
    blocks = [key.split(".") for key in state_dict if key.endswith(".attn.logit_scale")]
    stages = range(1 + max(int(name[1]) for name in blocks))
    return {
        "patch": first.shape[2],
        "width": first.shape[0],
        "depths": tuple(sum(int(name[1]) == stage for name in blocks) for stage in stages),
        "heads": tuple(len(state_dict[f"layers.{stage}.blocks.0.attn.logit_scale"]) for stage in stages),
        "classes": len(head),
    }

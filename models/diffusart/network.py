"""Diffusart: diffusion line-art colorization conditioned on colour scribbles, in pixel space.

H. Carrillo, M. Clément, A. Bugeau, E. Simo-Serra: "Diffusart: Enhancing Line Art Colorization with
Conditional Diffusion Models", CVPR Workshops 2023, pp. 3486-3490. Module names are the checkpoint's keys.

The scribbles reach the UNet two ways. Explicitly: the line art (in the DetFill retraining also the hints) is
concatenated in front of the noisy picture. Implicitly: an encoder reads line art and hints, and two of its
maps are the context of cross-attention in the bottleneck. It knows no timestep: once per picture is enough.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

from ..layers import Layers, pad_to_multiple

SCHEDULE = {"timesteps": 1000, "linear_start": 1e-4, "linear_end": 2e-2}  # of the betas; no file has it
REDUCTION = 8  # three halvings
HEADS = 4
NORM_GROUPS = 8


class Diffusart(nn.Module):
    """Predicts the noise in a picture (B, 3, H, W) of any size, given line art and scribbles.

    dim             width of the time vector
    widths          channels of the first convolution and of each resolution of the UNet
    encoder_widths  the same for the scribble encoder; its last is the UNet's last
    detfill         channel order of the DetFill retraining: mask before colours, hints beside the line art
    attention       (q, k, v), each (B, heads, tokens, width) -> the same, at the usual scale 1 / sqrt(width)
    """

    def __init__(
        self,
        dim=256,
        widths=(64, 128, 256, 512, 512),
        encoder_widths=(64, 128, 256, 512, 512),
        detfill=False,
        dtype=None,
        device=None,
        operations=nn,
        attention=F.scaled_dot_product_attention,
    ):
        super().__init__()
        self.dtype = dtype
        self.detfill = detfill
        layers = Layers(operations, dtype, device)
        time = 4 * dim
        first, *inner, mid = widths

        self.encod_sketch = ScribbleEncoder(layers, encoder_widths)

        self.init_conv = layers.Conv2d(8 if detfill else 4, first, 3, padding=1)
        self.time_mlp = nn.Sequential(
            TimeEmbedding(dim), layers.Linear(dim, time), nn.GELU(), layers.Linear(time, time)
        )

        self.downs = nn.ModuleList()
        for before, width in zip(widths, inner, strict=False):
            self.downs.append(
                nn.ModuleList(
                    [
                        Residual(layers, before, width, time),
                        Residual(layers, width, width, time),
                        layers.Conv2d(width, width, 4, stride=2, padding=1),
                    ]
                )
            )
        self.downs.append(nn.ModuleList([Residual(layers, inner[-1], mid, time), Residual(layers, mid, mid, time)]))

        self.mid_cross_attn_1 = Normed(layers, mid, CrossAttention(layers, mid, attention))
        self.mid_block1 = Residual(layers, mid, mid, time)
        self.mid_attn_1 = Added(Normed(layers, mid, LinearAttention(layers, mid)))
        self.mid_block2 = Residual(layers, mid, mid, time)
        self.mid_cross_attn_2 = Normed(layers, mid, CrossAttention(layers, mid, attention))
        self.mid_attn_2 = Added(Normed(layers, mid, LinearAttention(layers, mid)))
        self.mid_block3 = Residual(layers, mid, mid, time)

        self.ups = nn.ModuleList()
        for before, width in zip(widths[:1:-1], inner[::-1], strict=True):
            self.ups.append(
                nn.ModuleList(
                    [
                        Residual(layers, 2 * before, width, time),
                        Residual(layers, width, width, time),
                        layers.ConvTranspose2d(width, width, 4, stride=2, padding=1),
                    ]
                )
            )
        last = inner[0]
        self.final_conv = nn.Sequential(
            Residual(layers, last, last), layers.GroupNorm(32, last), layers.Conv2d(last, 3, 3, padding=1)
        )

    def hints(self, scribble, mask):
        """Colours (B, 3, H, W) and mask (B, 1, H, W) in 0..1 -> hints (B, 4, H, W), 0 where unpainted."""
        colours = (2 * scribble - 1) * mask
        return torch.cat([mask, colours] if self.detfill else [colours, mask], dim=1)

    def encode(self, line, hints):
        """Line art (B, 1, H, W), -1 = ink, 1 = paper, and hints -> both contexts, (B, C, ~H/8, ~W/8)."""
        return self.encod_sketch(pad_to_multiple(torch.cat([line, hints], dim=1), REDUCTION))

    def sketch(self, line, hints):
        """What stands in front of the noisy picture."""
        return torch.cat([line, hints], dim=1) if self.detfill else line

    def forward(self, x, t, sketch, context_1, context_2):
        """x: noisy picture; t: timesteps (B,) in 0..999; the rest as `sketch` and `encode` return it."""
        height, width = x.shape[-2:]
        x = self.init_conv(pad_to_multiple(torch.cat([sketch, x], dim=1), REDUCTION))
        t = self.time_mlp[1:](self.time_mlp[0](t).to(x))

        skips = []
        for block1, block2, *down in self.downs:
            x = block2(block1(x, t), t)
            skips.append(x)
            for conv in down:
                x = conv(x)

        x = self.mid_cross_attn_1(x, context_1)
        x = self.mid_attn_1(self.mid_block1(x, t))
        x = self.mid_block2(x, t)
        x = self.mid_cross_attn_2(x, context_2)
        x = self.mid_block3(self.mid_attn_2(x), t)

        for block1, block2, up in self.ups:
            x = torch.cat([x, skips.pop()], dim=1)
            x = up(block2(block1(x, t), t))

        return self.final_conv(x)[..., :height, :width]


class ScribbleEncoder(nn.Module):
    """Line art and hints (B, 5, H, W) -> the maps before and after its middle block, (B, C, H/8, W/8)."""

    def __init__(self, layers, widths):
        super().__init__()
        first, *inner, mid = widths
        self.init_conv_encd = layers.Conv2d(5, first, 3, padding=1)
        self.downs_encd = nn.ModuleList()
        for before, width in zip(widths, inner, strict=False):
            down = layers.Conv2d(width, width, 4, stride=2, padding=1)
            self.downs_encd.append(nn.Sequential(Residual(layers, before, width), down))
        self.downs_encd.append(nn.Sequential(Residual(layers, inner[-1], mid)))
        self.mid_block1_encd = Residual(layers, mid, mid)

    def forward(self, x):
        x = self.init_conv_encd(x)
        for level in self.downs_encd:
            x = level(x)
        return x, self.mid_block1_encd(x)


class TimeEmbedding(nn.Module):
    """Timesteps (B,) -> (B, dim): sines, then cosines, of frequencies from 1 down to 1/10000."""

    def __init__(self, dim):
        super().__init__()
        self.half = dim // 2

    def forward(self, t):
        frequency = torch.exp(torch.arange(self.half, device=t.device) * (-math.log(10000) / (self.half - 1)))
        angle = t[:, None].float() * frequency
        return torch.cat([angle.sin(), angle.cos()], dim=-1)


class Block(nn.Module):
    def __init__(self, layers, before, width):
        super().__init__()
        self.proj = layers.Conv2d(before, width, 3, padding=1)
        self.norm = layers.GroupNorm(NORM_GROUPS, width)

    def forward(self, x):
        return F.silu(self.norm(self.proj(x)))


class Residual(nn.Module):
    """Two blocks and a shortcut; the time vector, if any, is added after the first block's activation."""

    def __init__(self, layers, before, width, time=None):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), layers.Linear(time, width)) if time else None
        self.block1 = Block(layers, before, width)
        self.block2 = Block(layers, width, width)
        self.res_conv = layers.Conv2d(before, width, 1) if before != width else nn.Identity()

    def forward(self, x, t=None):
        h = self.block1(x)
        if self.mlp is not None:
            h = h + self.mlp(t)[..., None, None]
        return self.block2(h) + self.res_conv(x)


class Normed(nn.Module):
    """`fn` of the normalised map; a context goes through the same norm."""

    def __init__(self, layers, width, fn):
        super().__init__()
        self.fn = fn
        self.norm = layers.GroupNorm(1, width)

    def forward(self, x, *context):
        return self.fn(self.norm(x), *map(self.norm, context))


class Added(nn.Module):
    def __init__(self, fn):
        super().__init__()
        self.fn = fn

    def forward(self, x):
        return x + self.fn(x)


class LinearAttention(nn.Module):
    """Self-attention of linear cost: softmax over each head's channels for q, over positions for k."""

    def __init__(self, layers, width, head=32):
        super().__init__()
        self.scale = head**-0.5
        self.to_qkv = layers.Conv2d(width, 3 * HEADS * head, 1, bias=False)
        self.to_out = nn.Sequential(layers.Conv2d(HEADS * head, width, 1), layers.GroupNorm(1, width))

    def forward(self, x):
        q, k, v = rearrange(self.to_qkv(x), "b (qkv heads c) h w -> qkv b heads c (h w)", qkv=3, heads=HEADS)
        context = k.softmax(dim=-1) @ v.mT  # b heads c c
        out = context.mT @ (q.softmax(dim=-2) * self.scale)
        return self.to_out(rearrange(out, "b heads c (h w) -> b (heads c) h w", h=x.shape[2]))


class CrossAttention(nn.Module):
    """The picture's positions attend to the encoder's; `gamma`, learned from zero, weighs what they find.

    As published, x here is already normalised and the map before the norm is lost, and the scale is that of
    heads 32 wide although they are 96.
    """

    def __init__(self, layers, width, attention, head=96):
        super().__init__()
        self.attention = attention
        self.rescale = (head / 32) ** 0.5  # `attention` itself divides by sqrt(head)
        self.gamma = nn.Parameter(torch.zeros(1, **layers.place))
        self.to_q = layers.Conv2d(width, HEADS * head, 1, bias=False)
        self.to_k = layers.Conv2d(width, HEADS * head, 1, bias=False)
        self.to_v = layers.Conv2d(width, HEADS * head, 1, bias=False)
        self.to_out = layers.Conv2d(HEADS * head, width, 1)

    def forward(self, x, context):
        q, k, v = (
            rearrange(tokens, "b (heads c) h w -> b heads (h w) c", heads=HEADS)
            for tokens in (self.to_q(x) * self.rescale, self.to_k(context), self.to_v(context))
        )
        out = rearrange(self.attention(q, k, v), "b heads (h w) c -> b (heads c) h w", h=x.shape[2])
        return self.gamma.to(x) * self.to_out(out) + x


def config(state_dict):
    """Arguments of the `Diffusart` whose checkpoint this is, or None if it is of another network.

    Attention heads and norm groups leave no trace in the shapes; they are the published ones.
    """
    widths = ["init_conv.weight", *(f"downs.{level}.0.block1.proj.weight" for level in range(4))]
    encoder_widths = [
        "encod_sketch.init_conv_encd.weight",
        *(f"encod_sketch.downs_encd.{level}.0.block1.proj.weight" for level in range(4)),
    ]
    time, gamma = "time_mlp.1.weight", "mid_cross_attn_1.fn.gamma"
    if any(key not in state_dict for key in (*widths, *encoder_widths, time, gamma)):
        return None

    channels = state_dict["init_conv.weight"].shape[1]
    if channels not in (4, 8):
        raise ValueError(
            f"It is a Diffusart file with {channels} input channels; the known layouts have 4 (as published) "
            "or 8 (DetFill retraining)."
        )
    return {
        "dim": state_dict[time].shape[1],
        "widths": tuple(state_dict[key].shape[0] for key in widths),
        "encoder_widths": tuple(state_dict[key].shape[0] for key in encoder_widths),
        "detfill": channels == 8,
    }

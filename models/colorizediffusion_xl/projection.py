"""What the UNet of ColorizeDiffusion XL reads of a reference: CLIP's and the tagger's tokens, joined and projected."""

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..colorizediffusion.network import Attention
from ..layers import Layers

HEAD = 128  # channels per head of the published files; shapes do not tell it


class ReferenceProjection(nn.Module):
    """CLIP's tokens (B, m, clip) and the tagger's (B, n, tagger) -> context (B, n, width).

    Token i meets token i, although the grids differ: of CLIP's, the first n count, CLS among them, once they have
    looked at all others. The module names are the files' keys, behind `proj.`.
    """

    def __init__(
        self,
        clip=1280,
        tagger=1024,
        width=2048,
        head=HEAD,
        dtype=None,
        device=None,
        operations=nn,
        attention=F.scaled_dot_product_attention,
    ):
        super().__init__()
        layers = Layers(operations, dtype, device)
        self.attn = Attention(layers, clip, attention, head)
        self.norm = layers.LayerNorm(clip)
        self.proj = nn.Sequential(
            layers.Linear(clip + tagger, width),
            nn.SiLU(),
            layers.Linear(width, width),
            layers.LayerNorm(width),
        )

    def forward(self, clip, tagger):
        clip = self.norm(self.attn(clip, clip)[:, : tagger.shape[1]])
        return self.proj(torch.cat([clip, tagger], -1))

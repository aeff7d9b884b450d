"""What the UNet of ColorizeDiffusion XL reads of a reference: CLIP's and the tagger's tokens, joined and projected."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from einops import rearrange

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
        self.attn = SelfAttention(layers, clip, head, attention)
        self.norm = layers.LayerNorm(clip)
        self.proj = nn.Sequential(
            layers.Linear(clip + tagger, width),
            nn.SiLU(),
            layers.Linear(width, width),
            layers.LayerNorm(width),
        )

    def forward(self, clip, tagger):
        clip = self.norm(self.attn(clip)[:, : tagger.shape[1]])
        return self.proj(torch.cat([clip, tagger], -1))


class SelfAttention(nn.Module):
    def __init__(self, layers, width, head, attention):
        super().__init__()
        self.heads = max(1, width // head)
        self.attend = attention
        self.to_q = layers.Linear(width, width, bias=False)
        self.to_k = layers.Linear(width, width, bias=False)
        self.to_v = layers.Linear(width, width, bias=False)
        self.to_out = nn.Sequential(layers.Linear(width, width))

    def forward(self, x):
        q, k, v = (
            rearrange(project(x), "b n (heads c) -> b heads n c", heads=self.heads)
            for project in (self.to_q, self.to_k, self.to_v)
        )
        return self.to_out(rearrange(self.attend(q, k, v), "b heads n c -> b n (heads c)"))

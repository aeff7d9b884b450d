"""SCFT: one-pass line-art colorization after a reference picture, by spatially corresponding feature transfer.

J. Lee, E. Kim, Y. Lee, D. Kim, J. Chang, J. Choo: "Reference-Based Sketch Image Colorization using Augmented-Self
Reference and Dense Semantic Correspondence", CVPR 2020, pp. 5801-5810. The authors released no code; module names are
the keys of the re-implementation that published its own.

Two encoders read drawing and reference. Attention between their maps finds for each place of the drawing what belongs
there; residual blocks and a decoder, which sees the drawing's maps again, paint it.
"""

import re

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..layers import Layers, pad_to_multiple

REDUCTION = 16  # four halvings
SLOPE = 0.2  # of every leaky ReLU


class Generator(nn.Module):
    """Reference (B, 3, H', W') and line art (B, 1, H, W), both -1..1, any size -> picture (B, 3, H, W) in -1..1.

    widths  channels of each resolution of the encoders, from the picture's own down
    places  tokens of the attention are places of the map, as the paper has it. The published layout has them scrambled
            instead, and such weights are of use at 256 x 256 only; see `Transfer`
    """

    dtypes = torch.float16, torch.bfloat16, torch.float32
    bytes_per_pixel = 1120  # in use at a time, fp32
    layout = torch.channels_last

    def __init__(self, widths=(16, 32, 64, 128, 256), places=False, dtype=None, device=None, operations=nn):
        super().__init__()
        self.dtype = dtype
        layers = Layers(operations, dtype, device)
        features = 2 * sum(widths)
        self.encoder_r = Encoder(layers, 3, widths)
        self.encoder_s = Encoder(layers, 1, widths)
        self.scft = Transfer(layers, features, places)
        self.resblocks = Chain(Residual(layers, features) for _ in range(4))
        self.decoder = Decoder(layers, features, widths)

    def forward(self, reference, line):
        height, width = line.shape[-2:]
        found = self.encode(reference, line)
        return self.decode(self.scft(*found[:2]), found[2])[..., :height, :width]

    def encode(self, reference, line):
        """The joint maps (B, C, h, w) of reference and drawing, at 1/16, and all maps of the drawing."""
        joint_r, _ = self.encoder_r(pad_to_multiple(reference, REDUCTION))
        joint_s, maps = self.encoder_s(pad_to_multiple(line, REDUCTION))
        return joint_r, joint_s, maps

    def decode(self, transferred, maps):
        """The picture, from what the transfer brought and the drawing's maps."""
        return self.decoder(torch.cat([transferred, self.resblocks(transferred)], dim=1), maps)


class Chain(nn.Module):
    """Modules one after the other, under the key `layers`."""

    def __init__(self, modules):
        super().__init__()
        self.layers = nn.Sequential(*modules)

    def forward(self, x):
        return self.layers(x)


def unit(layers, before, width, stride=1):
    return Chain(
        [layers.Conv2d(before, width, 3, stride=stride, padding=1, bias=False), nn.LeakyReLU(SLOPE, inplace=True)]
    )


class Encoder(nn.Module):
    """Two convolutions per resolution -> all their maps, pooled to 1/16 and joined, and the maps themselves."""

    def __init__(self, layers, before, widths):
        super().__init__()
        self.layers = nn.ModuleList()
        for level, width in enumerate(widths):
            self.layers.append(unit(layers, before, width, stride=2 if level else 1))
            self.layers.append(unit(layers, width, width))
            before = width

    def forward(self, x):
        maps = []
        for layer in self.layers:
            maps.append(x := layer(x))
        return torch.cat([F.adaptive_avg_pool2d(m, x.shape[-2:]) for m in maps], dim=1), maps


class Transfer(nn.Module):
    """Attention of the drawing's places to the reference's: their values, added to the drawing's own map.

    In the published layout a map (B, C, h, w) is taken for (B, h w, C) as it lies in memory. A token is then C numbers
    in a row, of several channels and of many places, and weights that were trained so need it so.
    """

    def __init__(self, layers, width, places):
        super().__init__()
        self.scale = width**-0.5
        self.W_v = layers.Linear(width, width, bias=False)
        self.W_k = layers.Linear(width, width, bias=False)
        self.W_q = layers.Linear(width, width, bias=False)
        self.places = places
        if places:
            self.register_buffer("places_mark", torch.ones((), device=layers.place["device"]))

    def tokens(self, x):
        """(B, C, h, w) -> (B, h w, C)."""
        return x.flatten(2).mT if self.places else x.reshape(len(x), -1, x.shape[1])

    def map(self, tokens, like):
        """The way back, to the shape of `like`."""
        return (tokens.mT if self.places else tokens).reshape(like.shape)

    def products(self, joint_r, joint_s):
        """How well each token of the drawing fits each of the reference, (B, drawing, reference)."""
        return self.scale * self.W_q(self.tokens(joint_s)) @ self.W_k(self.tokens(joint_r)).mT

    def wrong_products(self, joint_r, joint_s):
        """The same against the next picture's reference, for training: as published its values, not its keys."""
        return self.scale * self.W_q(self.tokens(joint_s)) @ self.W_v(self.tokens(joint_r.roll(-1, 0))).mT

    def forward(self, joint_r, joint_s):
        attention = self.products(joint_r, joint_s).softmax(dim=-1)
        return self.map(attention @ self.W_v(self.tokens(joint_r)), joint_s) + joint_s

    def origin(self, joint_r, joint_s, region):
        """How much each place of the reference (B, h', w') gives to a region (B, h, w) of the drawing.

        Once the attention stands, the transfer is linear in the reference's map. This is the root of its squared
        weights, summed over the region and over all channels; it holds for both layouts.
        """
        attention = self.products(joint_r, joint_s).float().softmax(dim=-1)
        wanted = self.tokens(region[:, None].expand(joint_s.shape).float())
        unit_vectors = torch.eye(joint_r.shape[1], dtype=joint_r.dtype, device=joint_r.device)
        weights = self.W_v(unit_vectors).float().mT  # of the layer, wherever the host keeps them
        given = attention.mT.square() @ wanted @ weights.square()
        return self.map(given, joint_r).sum(1).sqrt()


class Residual(nn.Module):
    def __init__(self, layers, width):
        super().__init__()
        self.layers = nn.Sequential(
            layers.Conv2d(width, width, 3, padding=1, bias=False),
            layers.BatchNorm2d(width),
            layers.Conv2d(width, width, 3, padding=1, bias=False),
            layers.BatchNorm2d(width),
            nn.ReLU(),
        )

    def forward(self, x):
        return x + self.layers(x)


class Decoder(nn.Module):
    """Joined maps (B, 2 C, h, w) and the drawing's maps -> picture; each resolution starts with the drawing's map."""

    def __init__(self, layers, features, widths):
        super().__init__()
        before = 2 * features
        self.layers = nn.ModuleList()
        for level, width in enumerate(reversed(widths)):
            self.layers.append(unit(layers, before + width if level else before, width))
            self.layers.append(unit(layers, width, width))
            before = width
        self.layers.append(unit(layers, before, 3))

    def forward(self, x, maps):
        *levels, last = self.layers
        for level in range(len(levels) // 2):
            if level:
                x = F.interpolate(x, scale_factor=2, mode="bicubic", align_corners=False)
                x = torch.cat([maps[-1 - 2 * level], x], dim=1)
            x = levels[2 * level + 1](levels[2 * level](x))
        return last(x).tanh()


class Discriminator(nn.Module):
    """Picture (B, 3, H, W) and drawing (B, 1, H, W), -1..1 -> how real each patch looks, 1 = real; for training."""

    def __init__(self, widths=(64, 128, 256, 512), dtype=None, device=None, operations=nn):
        super().__init__()
        layers = Layers(operations, dtype, device)
        *halving, last = widths
        strides = [2] * len(halving) + [1]
        blocks = [
            Chain(
                [
                    layers.Conv2d(before, width, 4, stride=stride, padding=1),
                    layers.BatchNorm2d(width),
                    nn.LeakyReLU(SLOPE),
                ]
            )
            for before, width, stride in zip([4, *halving], widths, strides, strict=True)
        ]
        self.layers = nn.Sequential(*blocks, layers.Conv2d(last, 1, 4, padding=1))

    def forward(self, picture, line):
        return self.layers(torch.cat([picture, line], dim=1))


def config(state_dict):
    """Arguments of the `Generator` whose checkpoint this is, or None if it is of another network."""
    query = state_dict.get("scft.W_q.weight")
    first = [state_dict.get(f"encoder_{one}.layers.0.layers.0.weight") for one in "rs"]
    if query is None or any(weight is None or weight.ndim != 4 for weight in first):
        return None
    if [weight.shape[1] for weight in first] != [3, 1]:
        return None
    return {
        "widths": _widths(state_dict, r"encoder_s\.layers\.(\d*[02468])\.layers\.0\.weight"),
        "places": "scft.places_mark" in state_dict,
    }


def discriminator_config(state_dict):
    """Arguments of the `Discriminator` whose checkpoint this is."""
    return {"widths": _widths(state_dict, r"layers\.(\d+)\.layers\.0\.weight")}


def _widths(state_dict, pattern):
    found = {int(match[1]): state_dict[key].shape[0] for key in state_dict if (match := re.fullmatch(pattern, key))}
    return tuple(found[index] for index in sorted(found))

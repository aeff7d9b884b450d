"""Colours as eyes compare them, CIELAB (CIE 15, white D65), and as files keep them, 8-bit sRGB. Torch only."""

import torch

TO_XYZ = (  # of linear sRGB (IEC 61966-2-1), rows divided by the white point
    (0.433953, 0.376219, 0.189828),
    (0.212656, 0.715158, 0.072186),
    (0.017758, 0.109477, 0.872765),
)
EPSILON, KAPPA = 216 / 24389, 24389 / 27
LIGHTNESS = 0.3  # what a step of lightness counts beside one of hue or chroma: shade is not another paint


def lab(rgb):
    """sRGB (..., 3) in 0..1 as L in 0..100, a and b."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)
    xyz = linear @ rgb.new_tensor(TO_XYZ).T
    f = torch.where(xyz > EPSILON, xyz.clamp(min=EPSILON) ** (1 / 3), (KAPPA * xyz + 16) / 116)
    x, y, z = f.unbind(-1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=-1)


def srgb(lab):
    """The inverse of `lab`; what no screen shows is clipped to 0..1."""
    lightness, a, b = lab.unbind(-1)
    y = (lightness + 16) / 116
    f = torch.stack([y + a / 500, y, y - b / 200], dim=-1)
    xyz = torch.where(f**3 > EPSILON, f**3, (116 * f - 16) / KAPPA)
    linear = xyz @ torch.linalg.inv(lab.new_tensor(TO_XYZ)).T
    rgb = torch.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)
    return rgb.clamp(0, 1)


def distance(a, b, lightness=1.0):
    """Difference of every colour in a (N, 3) to every one in b (M, 3), both sRGB 0..1: (N, M), CIE 1976.

    Below 2 hardly anybody sees one. `lightness` weighs the part that is only lighter or darker.
    """
    weights = a.new_tensor([lightness, 1.0, 1.0])
    return torch.cdist(lab(a) * weights, lab(b) * weights, compute_mode="donot_use_mm_for_euclid_dist")


def encode(rgb):
    """sRGB (..., 3) in 0..1 as whole numbers 0xRRGGBB (...)."""
    red, green, blue = (rgb * 255).round().long().unbind(-1)
    return red << 16 | green << 8 | blue


def decode(code):
    """0xRRGGBB (...) as sRGB (..., 3) in 0..1, the very floats that 8-bit files load as."""
    return torch.stack([code >> 16, code >> 8 & 255, code & 255], dim=-1).float() / 255


def commonest(rgb, distinct, most=None):
    """The commonest colours among rgb (..., 3), as codes (K,), the commonest first.

    distinct  CIE 1976 difference below which a colour counts for a commoner one
    most      number of colours at the most
    """
    codes, counts = encode(rgb.reshape(-1, 3)).unique(return_counts=True)
    owner = counted_for(codes, counts, distinct, most)
    totals = torch.zeros_like(counts).index_add(0, owner.clamp(min=0), torch.where(owner < 0, 0, counts))
    return codes[totals.argsort(descending=True, stable=True)[: owner.unique().numel() - int((owner < 0).any())]]


def counted_for(codes, weights, distinct, most=None):
    """For each of codes (N,) the index (N,) of the heaviest one nearer than `distinct`, which it counts for.

    The heaviest code stands for its surroundings, then the heaviest of the rest, `most` times; -1 is what is left.
    """
    owner = torch.full_like(codes, -1)
    colours = lab(decode(codes))
    open_ = weights.double().clone()
    while (owner < 0).any() and most != 0:
        first = int(open_.argmax())
        near = (owner < 0) & ((colours - colours[first]).norm(dim=1) < distinct)
        near[first] = True
        owner[near], open_[near] = first, -1
        most = most and most - 1
    return owner

"""Palettes: named paints, each with the tones of a colour book. Between nodes they travel as JSON."""

import json
import re
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from . import strokes
from .colour import commonest, decode, distance, encode, lab, srgb

TONES = ("normal", "shadow", "highlight")
HEX = re.compile(r"#?([0-9a-fA-F]{6})")


@dataclass(frozen=True)
class Paint:
    """One row of a colour book; colours are "#rrggbb"."""

    name: str
    normal: str
    shadow: str | None = None
    highlight: str | None = None


def as_hex(code):
    return f"#{int(code):06x}"


def as_code(colour):
    """0xRRGGBB of "#rrggbb"."""
    return int(colour[1:], 16)


def read_hex(text):
    """ "#rrggbb" in small letters, with or without the sign in `text`; None if it is no such colour."""
    found = HEX.fullmatch(text.strip())
    return f"#{found[1].lower()}" if found else None


def dump(palette):
    rows = [{key: value for key, value in asdict(paint).items() if value} for paint in palette]
    return "[" + ",\n ".join(json.dumps(row, ensure_ascii=False) for row in rows) + "]"


def parse(text):
    """The paints in JSON as `dump` writes it; an empty text is no paint."""
    if not text.strip():
        return []
    try:
        return [_paint(row) for row in json.loads(text)]
    except (ValueError, TypeError, AttributeError, KeyError):
        raise ValueError(
            'This is no palette: expected a list like [{"name": "hair", "normal": "#d0a060"}], as Line Art Palette '
            f"gives it, found '{text.strip()[:40]}'."
        ) from None


def _paint(row):
    tones = {tone: read_hex(row[tone]) for tone in TONES if row.get(tone)}
    if None in tones.values():
        raise ValueError
    return Paint(str(row["name"]), **tones)


def of_codes(codes):
    """Paints for colours nobody has named yet."""
    return [Paint(f"colour {number}", as_hex(code)) for number, code in enumerate(codes.tolist(), 1)]


def of_strokes(colours, mask):
    """The colours of strokes as flats get them, the commonest first: (B, H, W, 3) where mask (B, H, W) is above 0.5."""
    codes, counts = [], []
    for painted, where in zip(colours.cpu().numpy(), mask.cpu().numpy(), strict=True):
        index, _, found = strokes.read(painted, where)
        codes.append(found.astype(np.int64) @ (1 << 16, 1 << 8, 1))
        counts.append(np.bincount(index.ravel(), minlength=len(found) + 1)[1:])
    codes, number = np.unique(np.concatenate(codes), return_inverse=True)
    return of_codes(codes[np.argsort(-np.bincount(number, np.concatenate(counts)), kind="stable")])


def of_picture(picture, count, distinct=8.0):
    """The `count` commonest colours of a picture (B, H, W, 3), no two of them nearer than `distinct`."""
    return of_codes(commonest(picture, distinct, count))


def tones(palette):
    """Every colour of a palette as (name, code), shadows and highlights after all normal colours."""
    return [
        (paint.name if tone == "normal" else f"{paint.name} {tone}", as_code(colour))
        for tone in TONES
        for paint in palette
        if (colour := getattr(paint, tone))
    ]


def name_of(code, palette):
    """What the palette calls a colour, or the colour itself."""
    code = int(code)
    return next((name for name, known in tones(palette) if known == code), as_hex(code))


def nearest(rgb, palette, lightness):
    """For colours (N, 3) the codes (N,) of the tones nearest to them, and how far those are (N,)."""
    codes = torch.tensor([code for _, code in tones(palette)], device=rgb.device)
    gap, index = distance(rgb, decode(codes), lightness).min(dim=1)
    return codes[index], gap


def change(palette, changes):
    """Renames and replaces by lines "old = new".

    `old` is the name of a paint or one of its colours, `new` another name or, as #rrggbb, another colour: it takes
    the place of the colour named, or of the paint's normal one.
    """
    for line in filter(None, map(str.strip, changes.splitlines())):
        old, equals, new = (part.strip() for part in line.partition("="))
        if not (old and equals and new):
            raise ValueError(f"Cannot read the change '{line}': write old = new, as in hair = #d0a060.")
        colour, wanted = read_hex(old), read_hex(new)
        changed = [_changed(paint, old, colour, new, wanted) for paint in palette]
        if changed == palette and not any(old in (paint.name, paint.normal) for paint in palette):
            names = ", ".join(paint.name for paint in palette)
            raise ValueError(f"The palette has no '{old}' to change into '{new}'. It has: {names}.")
        palette = changed
    return palette


def _changed(paint, old, colour, new, wanted):
    if wanted is None:
        return replace(paint, name=new) if old == paint.name or (colour and colour == paint.normal) else paint
    if old == paint.name:
        return replace(paint, normal=wanted)
    return replace(paint, **{tone: wanted for tone in TONES if colour and getattr(paint, tone) == colour})


def shift(palette, hue=0.0, chroma=1.0, lightness=0.0, light="#ffffff"):
    """Another time of day: the same change to every tone.

    hue        degrees by which hues turn, in CIELAB
    chroma     factor; 0 is grey
    lightness  added to L, -100..100
    light      colour of the light, which every tone is multiplied by
    """
    colour = read_hex(light)
    if colour is None:
        raise ValueError(f"The light of the scene is a colour like #8090ff, found '{light[:40]}'.")
    light = decode(torch.tensor(as_code(colour)))
    angle = torch.tensor(hue).deg2rad()
    turn = torch.tensor([[angle.cos(), -angle.sin()], [angle.sin(), angle.cos()]]) * chroma

    def moved(colour):
        tone = lab(decode(torch.tensor(as_code(colour))))
        tone = torch.cat([(tone[:1] + lightness).clamp(0, 100), turn @ tone[1:]])
        return as_hex(encode(srgb(tone) * light))

    if (hue, chroma, lightness) == (0, 1, 0) and light.eq(1).all():
        return palette
    return [replace(p, **{tone: moved(getattr(p, tone)) for tone in TONES if getattr(p, tone)}) for p in palette]


def recolour(flats, before, after):
    """Flats (B, H, W, 3) in which every colour of one palette has become that of the other, row by row.

    Only exact colours change; the rest stays as it is.
    """
    pairs = {
        as_code(getattr(old, tone)): as_code(getattr(new, tone))
        for old, new in zip(before, after, strict=True)
        for tone in TONES
        if getattr(old, tone) and getattr(new, tone)
    }
    if not pairs:
        return flats
    known = torch.tensor(sorted(pairs), device=flats.device)
    wanted = torch.tensor([pairs[code] for code in sorted(pairs)], device=flats.device)
    codes = encode(flats)
    at = torch.searchsorted(known, codes).clamp(max=len(known) - 1)
    return torch.where((known[at] == codes)[..., None], decode(wanted[at]).to(flats), flats)


def swatches(palette, size=64):
    """A picture (1, H, W, 3) of the palette: a row a paint, its normal colour, shadow and highlight."""
    rows = [[getattr(paint, tone) or paint.normal for tone in TONES] for paint in palette] or [["#ffffff"] * 3]
    codes = torch.tensor([[as_code(colour) for colour in row] for row in rows])
    return decode(codes).repeat_interleave(size, 0).repeat_interleave(size, 1)[None]

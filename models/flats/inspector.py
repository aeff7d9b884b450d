"""What is wrong with a coloured drawing: places without paint, colour that ran over, specks that were forgotten.

On tensors of one frame, on the CPU. Specks are judged like GapFill's (CHI 2026): closed pieces of paper that are too
small to notice, here wherever they have not the colour of anything beside them.
"""

from typing import NamedTuple

import torch

from ..image import repeat_batch, resize, rgb
from . import frames
from .colour import decode, distance, encode, lab
from .palette import name_of
from .snap import dominant, paper

KINDS = ("unpainted", "leak", "gap")
MARK = ((0.9, 0.1, 0.1), (0.9, 0.0, 0.8), (0.0, 0.35, 1.0))  # of the three kinds, in the picture
INK = 0.5  # darkness from which a pixel is ink
CLEAR = 0.1  # darkness up to which one is nothing but paper: where colours may not change
ALIKE = 6.0  # CIE 1976 difference up to which two colours are one paint
REACH = 6  # px around a speck in which its neighbours are looked for
MOST = 2000  # places of a kind looked at one by one
FADED = 0.6  # part of white in the colours behind the marks


class Place(NamedTuple):
    """One finding: its kind, size and middle in pixels, and the colour that belongs there, a code or None."""

    kind: str
    pixels: int
    x: int
    y: int
    suggestion: int | None


class Findings(NamedTuple):
    masks: torch.Tensor  # (3, H, W) bool, one a kind
    counts: dict  # places by kind
    places: list  # of those the first `MOST` of a kind
    mended: torch.Tensor  # (H, W, 3) with every suggestion followed


def inspect(picture, painted, labels, ink, tiny):
    """Findings in a coloured drawing without or under its ink.

    picture  (H, W, 3); painted (H, W) bool, False where there is no paint
    labels   (H, W) regions from 1; ink (H, W) darkness of the drawing, 0..1
    tiny     px: closed pieces of paper up to this area are specks
    """
    own = encode(dominant(picture, labels, paper(ink) * (painted + 1e-6)))[labels.long() - 1]  # the region's colour
    strange = _differs(picture, decode(own)) & painted & (ink <= CLEAR)
    specks, pieces = _specks(ink < INK, tiny)
    room = torch.bincount(labels[ink < INK].long(), minlength=int(labels.max()) + 1)[labels.long()]
    settled = (encode(picture) == own) & (room > tiny)  # a speck in the colour of the larger region that it belongs to
    gaps = _forgotten(specks & ~(settled & painted), pieces, picture, painted, ink)
    unpainted = ~painted
    masks = torch.stack([unpainted & ~gaps, strange & ~specks, gaps])
    has_paint = torch.zeros(int(labels.max()) + 1, dtype=torch.bool)
    has_paint[labels[painted].long()] = True
    known, sound = has_paint[labels.long()], painted & (ink < INK) & ~masks.any(0)

    counts, places, mended = {}, [], picture.clone()
    for kind, mask in zip(KINDS, masks, strict=True):
        found, counts[kind] = _pieces(mask)
        for (y, x), window, piece in found:
            suggestion = int(own[y, x]) if kind != "gap" and known[y, x] else _beside(window, picture, sound)
            if suggestion is not None:
                mended[window] = torch.where(piece[..., None], decode(torch.tensor(suggestion)), mended[window])
            places.append(Place(kind, int(piece.sum()), x, y, suggestion))
    return Findings(masks, counts, places, mended)


def _differs(picture, other):
    """(H, W) bool: colours more than `ALIKE` apart; equal ones, nearly all of flats, are not measured."""
    differs = encode(picture) != encode(other)
    pairs, inverse = (encode(picture[differs]) << 24 | encode(other[differs])).unique(return_inverse=True)
    a, b = decode(pairs >> 24), decode(pairs & 0xFFFFFF)
    differs[differs.clone()] = ((lab(a) - lab(b)).norm(dim=1) > ALIKE)[inverse]
    return differs


def _label(mask):
    from scipy import ndimage

    found, count = ndimage.label(mask.numpy())
    return torch.from_numpy(found), count


def _specks(free, tiny):
    """Where paper `free` (H, W) comes in closed pieces of up to `tiny` px, and the number of each piece."""
    pieces, count = _label(free)
    areas = torch.bincount(pieces.flatten(), minlength=count + 1)
    return free & (areas[pieces] <= tiny), pieces


def _pieces(mask):
    """(a pixel near its middle, window, its pixels in the window) of each piece of a mask; and how many there are."""
    from scipy import ndimage

    numbers, count = _label(mask)
    found = []
    for number, window in enumerate(ndimage.find_objects(numbers.numpy(), MOST), 1):
        if window is None:
            break
        piece = numbers[window] == number
        rows, columns = piece.nonzero(as_tuple=True)
        middle = int(((rows - rows.float().mean()) ** 2 + (columns - columns.float().mean()) ** 2).argmin())
        place = int(rows[middle]) + window[0].start, int(columns[middle]) + window[1].start
        found.append((place, window, piece))
    return found, count


def _forgotten(specks, pieces, picture, painted, ink):
    """The specks without paint, or with a colour that nothing beside them has."""
    forgotten = torch.zeros_like(specks)
    for place, window, piece in _pieces(specks)[0]:
        if not painted[window][piece].all():
            forgotten[window] |= piece
            continue
        wide = _wider(window)
        beside = painted[wide] & (ink[wide] < INK) & (pieces[wide] != pieces[place])
        if beside.any():
            gaps = distance(picture[place][None], picture[wide][beside].unique(dim=0))
            if gaps.min() > ALIKE:
                forgotten[window] |= piece
    return forgotten


def _wider(window):
    return tuple(slice(max(0, side.start - REACH), side.stop + REACH) for side in window)


def _beside(window, picture, sound):
    """The commonest colour on sound paper around a window, as a code; None if there is none."""
    wide = _wider(window)
    if not sound[wide].any():
        return None
    codes, counts = encode(picture[wide][sound[wide]]).unique(return_counts=True)
    return int(codes[counts.argmax()])


def show(picture, line, findings):
    """The drawing (H, W, 3) with faded colours and every finding marked and ringed in the colour of its kind."""
    shown = (picture + (1 - picture) * FADED) * line
    for mask, colour in zip(findings.masks, MARK, strict=True):
        solid = mask[None, None].float()
        near, far = (torch.nn.functional.max_pool2d(solid, size, 1, size // 2)[0, 0] > 0 for size in (7, 13))
        shown = torch.where((mask | (far & ~near))[..., None], torch.tensor(colour), shown)
    return shown


def report(findings, name, most=20):
    """Findings as lines of text; `name` gives a colour's name by its code."""
    pixels = {kind: int(mask.sum()) for kind, mask in zip(KINDS, findings.masks, strict=True)}
    lines = [", ".join(f"{kind}: {findings.counts[kind]} places, {pixels[kind]} px" for kind in KINDS)]
    for place in sorted(findings.places, key=lambda place: -place.pixels)[:most]:
        colour = "no colour near it" if place.suggestion is None else f"should be {name(place.suggestion)}"
        lines.append(f"{place.kind} at {place.x}, {place.y}, {place.pixels} px: {colour}")
    if len(findings.places) > most:
        lines.append(f"and {sum(findings.counts.values()) - most} more")
    return "\n".join(lines)


def inspect_frames(image, line, regions, mask=None, tiny=30, palette=()):
    """Findings in pictures (B, H, W, 3..4) on drawings (B, H, W, 3) with these regions, and everything shown of them.

    mask  (B, H, W), 1 where there is no paint; all 0 is none, as LoadImage gives it for an opaque file
    Returns pictures with marks and mended ones (B, H, W, 3), where anything was found (B, H, W), the number of places
    without paint, of leaks and of specks, and a report.
    """
    batch = max(len(image), len(line))
    labels, ink = frames.fit(regions, line, batch)
    if image.shape[1:3] != line.shape[1:3]:
        (height, width), (rows, columns) = image.shape[1:3], line.shape[1:3]
        raise ValueError(
            f"The picture has {width} x {height} px, the drawing {columns} x {rows}: paint is checked pixel by pixel, "
            "so connect both at one size, or bring the picture there with LineartSnapToFlats."
        )
    blank = 1 - image[..., 3] if image.shape[-1] == 4 else torch.zeros(image.shape[:3])
    if mask is not None:
        blank = repeat_batch(blank, max(len(blank), len(mask)))
        blank = torch.maximum(blank, repeat_batch(resize(mask[..., None].cpu(), *line.shape[1:3])[..., 0], len(blank)))
    batch = max(batch, len(blank))
    painted = repeat_batch(blank, batch) <= 0.5
    labels, ink = repeat_batch(labels, batch), repeat_batch(ink, batch)
    pictures, line = repeat_batch(rgb(image[..., :3]), batch), repeat_batch(line, batch)
    found = [inspect(*part, tiny) for part in zip(pictures, painted, labels, ink, strict=True)]
    shown = torch.stack([show(*part) for part in zip(pictures, line, found, strict=True)])
    told = [f"frame {i}: {report(one, lambda code: name_of(code, palette))}" for i, one in enumerate(found, 1)]
    counts = [sum(one.counts[kind] for one in found) for kind in KINDS]
    masks = torch.stack([one.masks.any(0).float() for one in found])
    return shown, torch.stack([one.mended for one in found]), masks, *counts, "\n".join(told)

"""Colours from a character sheet: every region of a new drawing looks for the regions of the sheet that it could be.

A region is known by its shape, its size and place in the figure, and by its neighbours and the side they lie on.
Similarities start from the first three; then each region hears, again and again, how well the candidates of its
neighbours are neighbours of its own candidates: graph matching by iterated votes. An assignment of regions to
regions, one to one, has a vote as well. NumPy and SciPy, on the CPU. The network of `matcher` votes besides.
"""

from typing import NamedTuple

import numpy as np
import torch

from ..image import repeat_batch, resize, rgb
from . import frames, matcher, snap
from .palette import name_of
from .regions import regions as find_regions

WHITE = 0xFFFFFF
SIDES = ((1, 0), (0, 1), (-1, 0), (0, -1))  # right, below, left, above, as x and y
BACKGROUND = 5.0  # as log size: like nothing in the figure
WEIGHTS = np.array([3.0, 12.0, 2.0, 1.5, 1.0, 1.5, 1.5, 1.5, 1.5])  # of the columns of `Description.features`
NEIGHBOURS = 6.0  # weight of what they say
ROUNDS = 8
ASSIGNED = 0.5  # votes of the region that the assignment gives
ASSIGNABLE = 4_000_000  # pairs of regions, beyond which there is no assignment
MOST = 16_000_000  # pairs of regions, beyond which there is no matching
SHARE = 0.7  # of the votes that are the network's
SURE = 0.4  # share of the votes: on drawings by hand as many regions get a wrong colour as by classical votes at 0.5
SPREADS = (0.25, 0.75)  # quantiles of the distances from the middle of a region


class Description(NamedTuple):
    """The regions of one frame, label 1 first."""

    features: np.ndarray  # (n, 9) place x, y; log size; elongation, roughness, two spreads; along frame, background
    sides: list  # for each of SIDES (n, n) sparse: the share of a region's outline that it has with each neighbour
    background: int  # which of them it is, from 0


def describe(labels):
    """Description of labels (H, W) from 1. What lies along most of the frame is the background, the rest the figure."""
    height, width = labels.shape
    count, flat = int(labels.max()), labels.ravel() - 1
    y, x = (axis.ravel() + 0.5 for axis in np.mgrid[:height, :width])
    area = np.maximum(np.bincount(flat, minlength=count), 1).astype(float)
    middle = np.stack([np.bincount(flat, axis, count) / area for axis in (x, y)], axis=1)

    rim = np.bincount(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]) - 1, minlength=count)
    background = int(rim.argmax())
    contact = _contact(labels, count)
    outline = np.maximum(np.asarray(contact.sum(1)).ravel() + rim, 1.0)

    inside = flat != background if count > 1 else np.ones(len(flat), bool)
    low, high = (np.array([f(x[inside]), f(y[inside])]) for f in (np.min, np.max))
    tall = max(high[1] - low[1], 1.0)
    features = np.column_stack(
        [
            (middle - (low + high) / 2) / tall,
            np.log(area / inside.sum()),
            *_shape(flat, x, y, middle, area, outline),
            rim / outline,
            contact[:, [background]].toarray()[:, 0] / outline,
        ]
    )
    if count > 1:
        features[background, :3] = 0, 0, BACKGROUND
    return Description(features, _by_side(contact, outline, middle), background)


def _contact(labels, count):
    """(n, n) sparse: how many pixels of two regions lie side by side."""
    from scipy import sparse

    pairs = [(labels[:, 1:], labels[:, :-1]), (labels[1:], labels[:-1])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) - 1 for side in (0, 1))
    touch = a != b
    contact = sparse.coo_matrix((np.ones(touch.sum()), (a[touch], b[touch])), (count, count)).tocsr()
    return contact + contact.T


def _shape(flat, x, y, middle, area, outline):
    """Elongation, roughness and spreads of every region, none of which knows its size or direction."""
    count = len(area)
    dx, dy = x - middle[flat, 0], y - middle[flat, 1]
    xx, yy, xy = (
        np.bincount(flat, product, count) / area + noise
        for product, noise in ((dx * dx, 1 / 12), (dy * dy, 1 / 12), (dx * dy, 0))
    )
    root = np.sqrt((xx - yy) ** 2 / 4 + xy**2)
    longest, shortest = (xx + yy) / 2 + root, np.maximum((xx + yy) / 2 - root, 1 / 12)
    yield np.log(longest / shortest) / 2
    yield np.log(outline / np.sqrt(area))
    distance = np.hypot(dx, dy)
    order = np.lexsort((distance, flat))
    start = np.concatenate([[0], np.cumsum(np.bincount(flat, minlength=count))[:-1]])
    for spread in SPREADS:
        yield distance[order][np.minimum(start + (spread * area).astype(int), len(flat) - 1)] / np.sqrt(area) * 2


def _by_side(contact, outline, middle):
    """Contacts as shares of the outline, divided by the direction from middle to middle."""
    from scipy import sparse

    pairs = contact.tocoo()
    way = middle[pairs.col] - middle[pairs.row]
    way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)
    share = pairs.data / outline[pairs.row]
    return [
        sparse.csr_matrix((share * np.maximum(way @ side, 0) ** 2, (pairs.row, pairs.col)), contact.shape)
        for side in np.array(SIDES)
    ]


def similarity(new, known):
    """(n, m) probabilities: which region of `known` each region of `new` is, two Descriptions."""
    from scipy.optimize import linear_sum_assignment

    _check(len(new.features), len(known.features))
    unlike = sum(
        weight * np.abs(np.subtract.outer(new.features[:, i], known.features[:, i])) for i, weight in enumerate(WEIGHTS)
    )
    votes = _softmax(-unlike)
    for _ in range(ROUNDS):
        heard = sum(a @ (b @ votes.T).T for a, b in zip(new.sides, known.sides, strict=True))
        votes = _softmax(NEIGHBOURS * heard - unlike)
    if votes.size <= ASSIGNABLE:
        rows, columns = linear_sum_assignment(-np.log(votes + 1e-9))
        votes[rows, columns] += ASSIGNED
    return votes / votes.sum(1, keepdims=True)


def _check(new, known):
    if new * known > MOST:
        raise ValueError(
            f"The drawing has {new} regions and the sheet {known}, too many to compare each with each: most of them "
            "are specks, so raise `area` or `gap` of LineartRegions and connect it here."
        )


def _softmax(x):
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def classical(known):
    """match(labels) by `similarity` to the frames of a sheet, the labels (h, w) of each: votes (n, all m)."""
    described = [describe(labels) for labels in known]

    def match(labels):
        new = describe(labels)
        return np.concatenate([similarity(new, one) for one in described], axis=1) / len(described)

    return match


def learned(network, known):
    """The same by a `matcher.Matcher`, or what runs one. Votes of a region that the sheet lacks are few."""
    offered = _seen(known)

    def match(labels):
        _check(int(labels.max()), len(offered.features))
        with torch.no_grad():
            logits = network(_seen([labels]), offered)
        return logits.float().cpu().softmax(-1)[:, :-1].numpy()

    return match


def both(network, known):
    """The same by the votes of both: the network knows far poses, the classical matching next frames full of detail."""
    by_network, by_shape = learned(network, known), classical(known)
    return lambda labels: SHARE * by_network(labels) + (1 - SHARE) * by_shape(labels)


def _seen(frames):
    """What the network reads of the regions of all frames together, a `matcher.Drawing`."""
    from scipy import sparse

    described = [describe(labels) for labels in frames]
    views = [matcher.views(labels, one.background) for labels, one in zip(frames, described, strict=True)]
    sides = [sparse.block_diag(blocks, "coo") for blocks in zip(*(one.sides for one in described), strict=True)]
    return matcher.Drawing(
        torch.from_numpy(np.concatenate(views)),
        torch.from_numpy(np.concatenate([one.features for one in described])).float(),
        [
            torch.sparse_coo_tensor(
                np.stack([side.row, side.col]), side.data, side.shape, dtype=torch.float32, check_invariants=True
            )
            for side in sides
        ],
    )


def transfer(labels, sheets, matching=classical):
    """The colour of every region of a drawing, and how sure that is.

    labels    (H, W) int regions from 1
    sheets    [(labels, codes)] of the frames of a sheet: regions and the colour of each, (m,)
    matching  `classical`, or `learned` or `both` with the network
    Returns codes (n,), confidence (n,) 0..1: the share of all votes that the colour has.
    """
    match = matching([known for known, _ in sheets])
    return _elected(match(labels), np.concatenate([codes for _, codes in sheets]))


def _elected(votes, codes):
    """The code (n,) with the most of the votes (n, m) for regions with these codes (m,), and how many those are."""
    paints, which = np.unique(codes, return_inverse=True)
    shares = np.zeros((len(votes), len(paints)))
    np.add.at(shares.T, which, votes.T)
    return paints[shares.argmax(1)], shares.max(1)


def colour(line, regions, sheet, sheet_line, sheet_regions, palette=(), sure=SURE, matching=classical):
    """Drawings (B, H, W, 3) coloured after a sheet (F, h, w, C) and its drawings (F, h', w', 3).

    regions   of the drawings; None finds them
    palette   the sheet's colours become the nearest of it
    sure      confidence that a match needs; other regions stay white
    matching  see `transfer`
    Yields of every frame: flats (H, W, 3), where they stayed white (H, W), and a report.
    """
    known = _paints(sheet, sheet_line, sheet_regions, palette)
    match, paints = matching([part for part, _ in known]), np.concatenate([codes for _, codes in known])
    for number, part in enumerate(_frames(line, regions), 1):
        codes, confidence = (torch.from_numpy(found) for found in _elected(match(part.numpy()), paints))
        left = confidence < sure
        report = [f"frame {number}: {len(codes)} regions, {int(left.sum())} of them not sure"]
        report += frames.listed(
            part, left, lambda i, c=codes, s=confidence: f"{name_of(c[i], palette)}, {s[i]:.0%} sure"
        )
        flats = snap.paint(torch.where(left, WHITE, codes), part)
        yield flats, left[part.long() - 1].float(), "\n".join(report)


def _frames(line, regions):
    """Labels (H, W) of each drawing, those that are not given found one by one."""
    if regions is None:
        return (find_regions(drawing).labels[0] for drawing in line.split(1))
    return frames.fit(regions, line, len(line))[0]


def _paints(sheet, line, regions, palette):
    """[(labels, codes)] of every frame of a sheet; frames share their colours."""
    batch = max(len(sheet), len(line))
    labels, ink = frames.fit(regions, line, batch)
    pictures = repeat_batch(resize(rgb(sheet), *line.shape[1:3]), batch)
    found = [snap.dominant(*part) for part in zip(pictures, labels, snap.paper(ink), strict=True)]
    areas = torch.cat([part.flatten().bincount()[1:] for part in labels])
    codes, _ = snap.exact(torch.cat(found), areas, palette, reject=torch.inf)
    codes = codes.split([len(part) for part in found])
    return [(part.numpy(), code.numpy()) for part, code in zip(labels, codes, strict=True)]

"""ComfyUI's CONDITIONING, a list of [tokens, dict], with the drawing and its guidance in the dict."""

import torch

from . import keys
from .image import repeat_batch


def blank():
    """A conditioning made from nothing; a MODEL that reads tokens widens its zeros."""
    return [[torch.zeros(1, 1, 1), {keys.EMPTY: True}]]


def with_values(conditioning, values):
    """A copy in which every entry holds these values too."""
    return [[tokens, {**entry, **values}] for tokens, entry in conditioning]


def with_options(conditioning, **numbers):
    """A copy in which every entry's options hold these numbers too."""
    return [
        [tokens, {**entry, keys.OPTIONS: {**entry.get(keys.OPTIONS, {}), **numbers}}] for tokens, entry in conditioning
    ]


def with_tokens(conditioning, tokens, whole, append=False):
    """A copy with the tokens (B, n, C) of m references, whose whole pictures' are (B, m, C), in place of others.

    append  keep tokens of references that are there already, behind the new ones
    The words of a prompt go to ControlNets, which understand no tokens of pictures.
    """
    guided = []
    for old, entry in conditioning:
        values = {**entry, keys.TOKENS: tokens, keys.WHOLE: whole}
        if keys.TOKENS not in entry and not values.pop(keys.EMPTY, False):
            values.setdefault("cross_attn_controlnet", old)
        elif keys.TOKENS in entry and append:
            values |= {key: prepend(entry[key], values[key]) for key in (keys.TOKENS, keys.WHOLE)}
        guided.append([values[keys.TOKENS], values])
    return guided


def prepend(tokens, more):
    batch = max(len(tokens), len(more))
    return torch.cat([repeat_batch(more, batch), repeat_batch(tokens, batch)], dim=1)


def with_moved_tokens(conditioning, move):
    """A copy whose references' tokens went through `move`, on either side.

    move takes and gives (B, m, n, C) of m references and (B, m, 1, C) of the whole pictures.
    """
    moved = []
    for tokens, entry in conditioning:
        if keys.TOKENS in entry:
            whole = entry[keys.WHOLE]
            changed, whole = move(entry[keys.TOKENS].unflatten(1, (whole.shape[1], -1)), whole[:, :, None])
            entry = {**entry, keys.TOKENS: changed.flatten(1, 2), keys.WHOLE: whole[:, :, 0]}
            tokens = entry[keys.TOKENS] if tokens.any() else tokens
        moved.append([tokens, entry])
    return moved


def reference_of(conditioning):
    """The reference (B, H, W, 3) that a conditioning shows and its tokens (B, n, C); ValueError if there are none."""
    for _, entry in conditioning:
        if keys.TOKENS in entry:
            tokens = entry[keys.TOKENS].unflatten(1, (entry[keys.WHOLE].shape[1], -1))[:, 0]
            return repeat_batch(entry[keys.REFERENCE], len(tokens)), tokens
    raise ValueError(
        "There are no tokens of a reference in the conditioning: connect CLIPVisionLoader to clip_vision of "
        "ReferenceTokens, and its output positive here."
    )


def without_guidance(conditioning):
    """The opposite of a guided conditioning: same drawing, same keys, no strokes, no tokens, no reference that counts.

    The pictures of the reference stay: what is read of them beside the tokens is the same on both sides.
    """
    nothing = {keys.SCRIBBLE: 0, keys.SCRIBBLE_MASK: 0, keys.REFERENCE_MASK: 0}
    return [
        [
            torch.zeros_like(tokens),
            {**entry, **{key: torch.full_like(entry[key], value) for key, value in nothing.items() if key in entry}},
        ]
        for tokens, entry in conditioning
    ]


def without_line(conditioning):
    """The same with nothing drawn."""
    return [
        [tokens, {**entry, keys.LINE: torch.ones_like(entry[keys.LINE])} if keys.LINE in entry else entry]
        for tokens, entry in conditioning
    ]


def line_of(*conditionings):
    """The drawing that travels in a conditioning, or None."""
    entries = (entry for conditioning in conditionings for _, entry in conditioning or [])
    return next((entry[keys.LINE] for entry in entries if keys.LINE in entry), None)

"""ComfyUI's CONDITIONING, a list of [tokens, dict], with the drawing and its guidance in the dict."""

import torch

from . import keys


def blank():
    """A conditioning made from nothing; a MODEL that reads tokens widens its zeros."""
    return [[torch.zeros(1, 1, 1), {keys.EMPTY: True}]]


def with_values(conditioning, values):
    """A copy in which every entry holds these values too."""
    return [[tokens, {**entry, **values}] for tokens, entry in conditioning]


def without_guidance(conditioning):
    """The opposite of a guided conditioning: same drawing, same keys, no strokes, a white reference, no tokens."""
    nothing = {keys.SCRIBBLE: 0, keys.SCRIBBLE_MASK: 0, keys.REFERENCE: 1, keys.REFERENCE_MASK: 0}
    return [
        [
            torch.zeros_like(tokens),
            {**entry, **{key: torch.full_like(entry[key], value) for key, value in nothing.items() if key in entry}},
        ]
        for tokens, entry in conditioning
    ]


def line_of(*conditionings):
    """The drawing that travels in a conditioning, or None."""
    entries = (entry for conditioning in conditionings for _, entry in conditioning or [])
    return next((entry[keys.LINE] for entry in entries if keys.LINE in entry), None)

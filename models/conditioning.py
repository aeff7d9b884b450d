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
    """The opposite of a guided conditioning: same drawing, same keys, no strokes, no tokens."""
    hidden = (keys.SCRIBBLE, keys.SCRIBBLE_MASK)
    return [
        [
            torch.zeros_like(tokens),
            {**entry, **{key: torch.zeros_like(entry[key]) for key in hidden if key in entry}},
        ]
        for tokens, entry in conditioning
    ]


def line_of(*conditionings):
    """The drawing that travels in a conditioning, or None."""
    entries = (entry for conditioning in conditionings for _, entry in conditioning or [])
    return next((entry[keys.LINE] for entry in entries if keys.LINE in entry), None)

"""Several references as one set of tokens."""

import math

EACH, CONCATENATED, AVERAGED = SEVERAL = ("one for each drawing", "concatenated", "averaged")


def combine(tokens, weights, several=EACH):
    """Tokens (B, n, C) of B references, by their weights (B,), as a conditioning carries them.

    one for each drawing  (B, n, C)
    concatenated          (1, m n, C), the drawing looks at all m whose weight is not 0
    averaged              (1, n, C), place by place
    """
    weights = tokens.new_tensor(weights)
    weighted = tokens * weights[:, None, None]
    if several == CONCATENATED:
        return weighted[weights > 0].flatten(0, 1)[None]
    if several == AVERAGED:
        return weighted.sum(0, keepdim=True) / weights.sum()
    return weighted


def read_weights(text, count):
    """Weights such as "1, 0.5" of so many references; none given are all 1. ValueError tells what is wrong."""
    try:
        weights = [float(word) for word in text.replace(",", " ").split()] or [1.0] * count
    except ValueError:
        raise ValueError(f"Weights are numbers with commas between them, such as 1, 0.5, but found '{text}'.") from None
    if len(weights) != count:
        raise ValueError(f"There are {count} references but {len(weights)} weights ({text}): give one for each.")
    if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
        raise ValueError(f"Weights must be 0 or more, and at least one of them above 0, but found '{text}'.")
    return weights

"""Reference tokens moved by words: text manipulation of ColorizeDiffusion (arXiv 2401.01456). Torch only.

Texts are rows (1, C) of length 1, image tokens are as long as they come; their similarity is the plain product.
"""

import torch

THRESHOLDS = (0.5, 0.55, 0.65, 0.95)


def move_part(tokens, whole, target, anchor, control, scale, enhance=False, thresholds=THRESHOLDS):
    """Local manipulation: tokens (..., n, C) drawn to the target, each as its place has to do with `control`.

    whole       (..., 1, C), the token of the whole picture, which tells how much of the target there is already
    anchor      what the target takes the place of, or None
    scale       how much of the target there shall be
    enhance     measure and remove what there is of the anchor; of no effect without one
    thresholds  see `weights`

    Local CLIP tokens are the less similar to a text, the more they have to do with it: hence their weights.
    """
    enhance = enhance and anchor is not None
    change = scale - whole @ (anchor if enhance else target).mT
    amount = weights(spread(tokens @ control.mT, dim=-2), change, thresholds)
    if anchor is None:
        return tokens + amount * target
    if enhance:
        amount = amount + tokens @ anchor.mT
    return tokens + amount * (target - anchor)


def move_all(tokens, target, anchor, scale, enhance=False):
    """Global manipulation: every token (..., n, C) alike; arguments as in `move_part`.

    Published for models that read the token of the whole picture, which is one of the n then.
    """
    if anchor is None:
        return tokens + (scale if enhance else scale - tokens @ target.mT) * target
    if enhance:
        return tokens - tokens @ anchor.mT * anchor + scale * target
    return tokens + scale * (target - anchor)


def weights(similarity, change, thresholds=THRESHOLDS):
    """How far a token moves, for its similarity to the control text in 0..1.

    Four thresholds part five bands: -2, -1 to 0, 0 to 1/2, 1/2 to 1 and 1 times the change. Shapes (..., n, 1).
    """
    bounds = similarity.new_tensor(thresholds)
    low, high = bounds[:-1], bounds[1:]
    passed = ((similarity[..., None] - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)  # (..., 3), of each band
    rising = passed @ passed.new_tensor([1.0, 0.5, 0.5]) - 1
    return change * torch.where(similarity <= bounds[0], -2, rising)


def spread(values, dim):
    """Values brought to 0..1 along dimensions; 0 where all are alike."""
    low, high = values.amin(dim, keepdim=True), values.amax(dim, keepdim=True)
    return (values - low) / (high - low).clamp(min=1e-12)


def check_thresholds(thresholds):
    """ValueError in a sentence unless they rise."""
    if list(thresholds) != sorted(thresholds):
        found = ", ".join(f"{threshold:g}" for threshold in thresholds)
        raise ValueError(f"The four thresholds must rise, such as 0.5, 0.55, 0.65, 0.95, but they are {found}.")

"""Guidance by reference and by sketch, each with a scale of its own."""


def dual_scales(reference, sketch):
    """(cfg_conds, cfg_cond2_negative) of the host's DualCFGGuider, style regular.

    Published is the mean of both guidances. With cond1 = full, cond2 = without tokens and negative = with a blank
    sketch it is what that guider computes.
    """
    return (reference + sketch) / 2, (1 + sketch) / 2

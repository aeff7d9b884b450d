"""Guidance by reference and by sketch, each with a scale of its own."""

import comfy.samplers

from ..conditioning import without_guidance, without_line


def guider(model, positive, negative=None, reference=1.0, sketch=1.0, interval=(0.0, 1.0)):
    """GUIDER for these guidance scales, each of which is off up to 1.

    negative  what reference guidance steers away from, made from `positive` if None
    interval  of the progress 0..1 in which there is guidance; outside it the positive stands alone, in half the time
    """
    from comfy_extras.nodes_custom_sampler import Guider_DualCFG  # has nodes of its own, which the host loads later

    negative = negative or without_guidance(positive)
    if reference > 1 and sketch > 1:
        guide = in_interval(Guider_DualCFG)(model)
        guide.set_conds(positive, negative, without_line(positive))
        guide.set_cfg(*dual_scales(reference, sketch))
    else:
        guide = in_interval(comfy.samplers.CFGGuider)(model)
        guide.set_conds(positive, without_line(positive) if sketch > 1 else negative)
        guide.set_cfg(sketch if sketch > 1 else reference)
    sigma = model.get_model_object("model_sampling").percent_to_sigma
    guide.interval = [sigma(at) for at in interval]
    return guide


def in_interval(kind):
    """A kind of guider that guides only where sigma is in its `interval`."""

    class Guider(kind):
        def predict_noise(self, x, timestep, model_options={}, seed=None):  # noqa: B006 - as the host's
            first, last = self.interval
            if last <= float(timestep[0]) <= first:
                return super().predict_noise(x, timestep, model_options, seed)
            return comfy.samplers.sampling_function(
                self.inner_model, x, timestep, None, self.conds["positive"], 1.0, model_options=model_options, seed=seed
            )

    return Guider


def dual_scales(reference, sketch):
    """(cfg_conds, cfg_cond2_negative) of the host's DualCFGGuider, style regular.

    Published is the mean of both guidances. With cond1 = full, cond2 = without tokens and negative = with a blank
    sketch it is what that guider computes.
    """
    return (reference + sketch) / 2, (1 + sketch) / 2

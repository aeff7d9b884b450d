"""AnimeDiffusion as a ComfyUI MODEL, and the sampling it is shipped with as a SAMPLER."""

import comfy.conds
import comfy.k_diffusion.sampling
import comfy.samplers
import torch

from .. import keys
from ..host.colorizer import HostedNetwork, PixelColorizer, PixelConfig, host_attention
from ..host.conds import fit_reference, need_reference
from ..host.loading import clamp_picture
from .diffusion import ddim_step, schedule, timesteps
from .network import AnimeDiffusion


class HostedAnimeDiffusion(HostedNetwork, AnimeDiffusion):
    def __init__(self, **config):
        super().__init__(**config, attention=host_attention)


class AnimeDiffusionModel(PixelColorizer):
    network = HostedAnimeDiffusion

    def guidance(self, noise, entry):
        need_reference("AnimeDiffusion", entry)
        return fit_reference(noise, entry[keys.LINE], entry[keys.REFERENCE], entry.get(keys.REFERENCE_MASK))

    def network_conds(self, line, reference):
        return {
            "line": comfy.conds.CONDNoiseShape(2 * line - 1),
            "reference": comfy.conds.CONDNoiseShape(2 * reference - 1),
        }

    def predict(self, prediction):
        sigmas = self.model_sampling.sigmas
        super().predict(prediction)
        self.model_sampling.set_sigmas(sigmas)


class Config(PixelConfig):
    """Noise prediction on the schedule that the file holds."""

    model = AnimeDiffusionModel
    predictions = ("eps", "v", "x0")
    memory_usage_factor = 0.1  # at the published widths
    layout = torch.channels_last
    colorize_defaults = {
        "size": 256,
        "steps": 10,
        "cfg": 1.0,
        "sampler": "euler_ancestral",  # DDIM at eta 1, as published, but for the clamp
        "scheduler": "ddim_uniform",
    }

    def get_model(self, state_dict, prefix="", device=None):
        gammas = file_schedule(state_dict["gammas"])
        self.sampling_settings = {"beta_schedule": "sqrt_linear", **even_betas(gammas)}
        model = super().get_model(state_dict, prefix, device)
        model.model_sampling.set_sigmas(((1 - gammas) / gammas).sqrt())
        return model


def file_schedule(gammas):
    """A file's gammas; half precision does not hold them, then the published ones of their number."""
    return gammas.float() if gammas.dtype.itemsize >= 4 else schedule(len(gammas))["gammas"]


def even_betas(gammas):
    """The nearest evenly spaced betas: all that ModelSamplingDiscrete and its like can rebuild a schedule from."""
    gammas = gammas.double().cpu()
    betas = 1 - gammas / torch.cat([gammas.new_ones(1), gammas[:-1]])
    t = torch.arange(len(betas)).double()
    slope = ((t - t.mean()) * betas).sum() / (t - t.mean()).square().sum()
    start, end = (float(betas.mean() + slope * (at - t.mean())) for at in (t[0], t[-1]))
    return {"timesteps": len(betas), "linear_start": max(start, 0.0), "linear_end": end}


def ddim_sampler(eta):
    """SAMPLER: AnimeDiffusion's DDIM over whatever SIGMAS it is given."""
    return comfy.samplers.KSAMPLER(sample_ddim, {"eta": eta})


def ddim_sigmas(model, steps):
    """SIGMAS of the published indices 901, 801, ..., 1 and then 0, for any number of steps."""
    if not isinstance(model.model, PixelColorizer):
        raise ValueError("This sampler keeps pixels within black and white: it needs a colorizer that works on pixels.")
    sigmas = model.get_model_object("model_sampling").sigmas
    at, _ = timesteps(steps, len(sigmas))
    return sigmas[[*reversed(at), 0]].cpu()


def sample_ddim(model, x, sigmas, extra_args=None, callback=None, disable=None, eta=1.0, noise_sampler=None):
    """The published chain in the host's terms, where x is divided by sqrt(gamma).

    It starts from noise of variance 1, which the host's scaling by sigma is not below the last noise level; one draw
    follows each call of the network, used or not. The clamp is this sampler's own, so that eps stays the network's.
    """
    extra_args = without_clamp(extra_args or {})
    noise_sampler = noise_sampler or comfy.k_diffusion.sampling.default_noise_sampler(x, extra_args.get("seed"))
    gammas = [1 / (1 + float(sigma) ** 2) for sigma in sigmas]
    if not model.latent_image.any():
        x = model.noise / gammas[0] ** 0.5
    for i in comfy.k_diffusion.sampling.trange(len(sigmas) - 1, disable=disable):
        denoised = model(x, sigmas[i] * x.new_ones(len(x)), **extra_args)
        eps, picture = (x - denoised) / sigmas[i], denoised.clamp(-1, 1)
        if callback is not None:
            callback({"x": x, "i": i, "sigma": sigmas[i], "sigma_hat": sigmas[i], "denoised": picture})
        noise = noise_sampler(sigmas[i], sigmas[i + 1])
        x = ddim_step(picture, eps, gammas[i], gammas[i + 1], eta, noise) / gammas[i + 1] ** 0.5
    return x


def without_clamp(extra_args):
    options = extra_args.get("model_options", {})
    functions = [f for f in options.get("sampler_post_cfg_function", []) if f is not clamp_picture]
    return {**extra_args, "model_options": {**options, "sampler_post_cfg_function": functions}}

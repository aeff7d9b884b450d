"""What every pixel-space colorizer is to ComfyUI; a system adds its network and numbers in native.py."""

from typing import ClassVar

import comfy.latent_formats
import comfy.model_base
import comfy.model_sampling
import comfy.patcher_extension
import comfy.supported_models_base
import torch
from comfy.ldm.modules.attention import optimized_attention

from .. import keys
from ..edm import SIGMA_DATA, SIGMA_MAX, SIGMA_MIN
from .conds import fit_guidance

PREDICTIONS = {  # what a network of a discrete schedule returns
    "eps": comfy.model_sampling.EPS,
    "v": comfy.model_sampling.V_PREDICTION,
    "x0": comfy.model_sampling.X0,
}


class PixelFormat(comfy.latent_formats.LatentFormat):
    """The picture itself, RGB in -1..1."""

    latent_channels = 3
    spacial_downscale_ratio = 1
    latent_rgb_factors = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


class PixelConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a system.

    model              its `PixelColorizer`
    kind               how its network is parameterised
    prediction         the one of PREDICTIONS that it was published with
    predictions        those that the loader may put in its place
    multiple           of which the sides of the picture are
    colorize_defaults  what "auto" means in ColorizeSampler; size is the longer side in px
    layout             of the weights on a CPU, in memory
    """

    unet_extra_config = ()
    latent_format = PixelFormat
    model = None
    kind = comfy.model_base.ModelType.EPS
    prediction = "eps"
    predictions = ()
    multiple = 1
    layout = torch.contiguous_format
    colorize_defaults: ClassVar = {
        "size": 256,
        "steps": 20,
        "cfg": 1.0,
        "sampler": "dpmpp_2m",
        "scheduler": "sgm_uniform",
    }

    def model_type(self, state_dict, prefix=""):
        return self.kind

    def get_model(self, state_dict, prefix="", device=None):
        return self.model(self, self.kind, device)


class EDMConfig(PixelConfig):
    """Of the colorizers that ship: EDM on the noise levels of training, one step."""

    kind = comfy.model_base.ModelType.EDM
    sampling_settings: ClassVar = {"sigma_min": SIGMA_MIN, "sigma_max": SIGMA_MAX, "sigma_data": SIGMA_DATA}
    memory_usage_factor = 0.05
    colorize_defaults: ClassVar = {"size": 384, "steps": 1, "cfg": 1.0, "sampler": "euler", "scheduler": "karras"}


class PixelColorizer(comfy.model_base.BaseModel):
    """Colours line art by the guidance in CONDITIONING. A system gives `network` and `network_conds`."""

    network = None  # a HostedNetwork

    def __init__(self, config, kind, device=None):
        super().__init__(config, kind, device=device, unet_model=self.network)

    def guidance(self, noise, entry):
        """What the system reads of a conditioning's dict: pictures (B, C, H, W), 0..1, at the noise's size.

        By default line, with white = 1, scribble and mask. Without strokes the mask is 0: same keys and shapes, so
        that positive and negative run as one batch.
        """
        return fit_guidance(noise, entry[keys.LINE], entry.get(keys.SCRIBBLE), entry.get(keys.SCRIBBLE_MASK))

    def network_conds(self, *pictures):
        """The network's conditions, cond objects by keyword, from what `guidance` found, as the network takes it.

        Made once per sampling run; the network is on its device by then.
        """
        raise NotImplementedError

    def extra_conds(self, **kwargs):
        if kwargs.get(keys.LINE) is None:
            raise ValueError(
                "There is no line art in the conditioning: connect the drawing to the line input of "
                "ScribbleEncoder or ReferenceTokens, and both its outputs to the sampler."
            )
        pictures = self.guidance(kwargs["noise"], kwargs)
        place = {"device": kwargs["device"], "dtype": self.get_dtype_inference()}
        return self.network_conds(*(picture.to(**place) for picture in pictures))

    def predict(self, prediction):
        """Read the network's output as one of PREDICTIONS, on the schedule it has."""

        class ModelSampling(comfy.model_sampling.ModelSamplingDiscrete, PREDICTIONS[prediction]):
            pass

        self.model_sampling = ModelSampling(self.model_config)


class HostedNetwork:
    """Mixed into a network, lets the host call it: x, t and the conditions reach the network by keyword.

    Wrappers that other nodes put around diffusion models run; text tokens and ControlNets have no way in.
    """

    def forward(self, x, timesteps, context=None, control=None, transformer_options=None, **conds):
        wrappers = comfy.patcher_extension.get_all_wrappers(
            comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL, transformer_options or {}
        )
        run = comfy.patcher_extension.WrapperExecutor.new_class_executor(self.run_network, self, wrappers)
        return run.execute(x, timesteps, context, control, transformer_options, **conds)

    def run_network(self, x, timesteps, context=None, control=None, transformer_options=None, **conds):
        return super().forward(x, timesteps, **conds)


def host_attention(q, k, v):
    """The attention the user chose for ComfyUI, (B, heads, tokens, width) in and out."""
    return optimized_attention(q, k, v, heads=q.shape[1], skip_reshape=True, skip_output_reshape=True)

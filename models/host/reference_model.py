"""What every latent colorizer that reads reference tokens is to ComfyUI; a system adds its UNet in native.py."""

import weakref
from functools import cached_property
from typing import ClassVar

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management as mm
import comfy.model_patcher
import comfy.model_sampling
import comfy.ops
import comfy.supported_models_base
import torch

from .. import keys
from ..image import resize, rgb
from ..line.preparation import fit, inside, prepare, resize_8bit
from ..reading import Options, latent_mask
from .colorizer import PREDICTIONS
from .conds import CONDReduced, CONDRows

RATIO = 8  # of the picture's sides to the latent's


def file_layout(unet, encoders, config):
    """The tensors of a file with these arguments, by our names, on the meta device."""
    place = {"device": "meta", "operations": comfy.ops.disable_weight_init}
    tensors = dict(unet(**config, **place).state_dict())
    for name, network in encoders(config, **place).items():
        tensors |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
    return tensors


class ReferenceConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a system; `colorize_defaults` is what "auto" means in ColorizeSampler."""

    unet_extra_config = ()
    latent_format = comfy.latent_formats.SD15
    sampling_settings: ClassVar = {"beta_schedule": "linear", "linear_start": 0.00085, "linear_end": 0.012}
    memory_usage_factor = 1.0
    model = None  # a `ReferenceModel`
    prediction = "eps"
    predictions = ("eps", "v")
    multiple = 64  # of the picture's sides
    layout = torch.contiguous_format
    colorize_defaults: ClassVar = {
        "size": 512,
        "steps": 20,
        "cfg": 4.0,
        "sampler": "dpmpp_2m",
        "scheduler": "sgm_uniform",
    }

    def get_model(self, state_dict, prefix="", device=None):
        return self.model(self, device=device)

    def encoders(self, **place):
        """Networks of the file beside the UNet, by the beginning of their tensors' names."""
        return {}


class ReferenceModel(comfy.model_base.BaseModel):
    """Colours a sketch after reference tokens.

    A system gives its `unet`, `hint_ratios`, `vision` (whose tokens it reads), `strength_levels` and, where it reads
    more than tokens and sketch, `halves` and `features`.
    """

    unet = None  # a `ReferenceUNet` with a `control_encoder`
    hint_ratios = ()
    tokens = 256  # of a picture
    vision = "CLIP ViT-H"
    mask_mode = "bicubic"  # in which masks reach the size of the latent
    strength_levels: ClassVar = {}

    def __init__(self, config, device=None):
        super().__init__(config, device=device, unet_model=self.unet)
        self.predict(config.prediction)
        self.encoders = {}
        self.made = weakref.WeakSet()  # of `Once`

    def predict(self, prediction):
        """Read the network's output as "eps" or "v"."""
        kinds = {"eps": comfy.model_base.ModelType.EPS, "v": comfy.model_base.ModelType.V_PREDICTION}
        self.model_type, self.model_sampling = kinds[prediction], schedule(prediction, self.model_config)

    def load_model_weights(self, sd, unet_prefix="", assign=False):
        """Encoders become models of their own, which the host loads for as long as they work."""
        place = {"dtype": self.get_dtype(), "device": mm.unet_offload_device()}
        operations = comfy.ops.pick_operations(place["dtype"], self.manual_cast_dtype)
        for name, network in self.model_config.encoders(**place, operations=operations).items():
            weights = {key: sd.pop(f"{name}.{key}") for key in network.state_dict()}
            patcher = comfy.model_patcher.CoreModelPatcher(network, mm.get_torch_device(), mm.unet_offload_device())
            network.load_state_dict(weights, assign=patcher.is_dynamic())
            self.encoders[name] = patcher
            network.eval().requires_grad_(False)
        return super().load_model_weights(sd, unet_prefix, assign)

    def state_dict_for_saving(self, unet_state_dict, *others, **named):
        for name, patcher in self.encoders.items():
            unet_state_dict |= {f"{name}.{key}": tensor for key, tensor in patcher.model.state_dict().items()}
        return super().state_dict_for_saving(unet_state_dict, *others, **named)

    def run_beside(self, patcher, *inputs):
        """A network beside the UNet, whose place on the device is given back to those that were at work."""
        loaded = mm.loaded_models(only_currently_used=True)
        mm.load_models_gpu([patcher], memory_required=self.memory_required(inputs[0].shape))
        found = patcher.model(*(part.to(**self.place) for part in inputs))
        mm.load_models_gpu(loaded)
        return found

    def halves(self, tokens, entry, options):
        """Tokens as the network reads them, (B, m n, C), and their `Split` or None."""
        return tokens, None

    def features(self, entry, options, split, size):
        """Further conditions, cond objects by keyword; size: (height, width) of the picture."""
        return {}

    def extra_conds(self, **kwargs):
        if kwargs.get(keys.LINE) is None:
            raise ValueError(
                "There is no line art in the conditioning: connect the drawing to the line input of ReferenceTokens, "
                "and both its outputs to the sampler."
            )
        options = Options(**(kwargs.get(keys.OPTIONS) or {}))
        self.place = {"device": kwargs["device"], "dtype": self.get_dtype_inference()}
        size = tuple(RATIO * side for side in kwargs["noise"].shape[-2:])
        tokens = self.read_tokens(kwargs).to(**self.place)
        guided = bool(tokens.any())
        context, split = self.halves(tokens, kwargs, options)
        context = context if guided else torch.zeros_like(context)

        conds = super().extra_conds(**{**kwargs, "cross_attn": context})
        scales = options.block_scales(self.diffusion_model.transformer_blocks, self.strength_levels)
        conds["guided"] = CONDRows((guided,))
        conds["reading"] = comfy.conds.CONDConstant(options.read(scales, split, kwargs.get("seed") or 0))
        conds |= self.hints("hint", kwargs[keys.LINE], size, options)
        if split is not None:
            mask = place_mask(kwargs[keys.FOREGROUND], kwargs[keys.LINE].shape[1:3], *size)
            conds["mask"] = comfy.conds.CONDNoiseShape(latent_mask(mask.to(**self.place), mode=self.mask_mode))
        if options.injection != "off":
            conds |= self.injected(kwargs, options, size)
        return conds | self.features(kwargs, options, split, size)

    def read_tokens(self, entry):
        """Tokens of a conditioning, (B, n, C); zeros of as many where nothing guides."""
        tokens, width = entry["cross_attn"], self.token_width()
        if entry.get(keys.EMPTY):
            if entry.get(keys.REFERENCE_MASK) is not None and entry[keys.REFERENCE_MASK].any():
                raise ValueError(
                    "This model reads its reference as tokens, and there are none: connect a CLIP vision model to "
                    f"clip_vision of ReferenceTokens (CLIPVisionLoader, file in models/clip_vision): {self.vision}."
                )
            return torch.zeros(1, self.tokens, width)
        if tokens.shape[-1] != width:
            raise ValueError(
                f"The conditioning holds tokens {tokens.shape[-1]} numbers wide, and this model reads {width}: make "
                f"them with ReferenceTokens and {self.vision}, not with another network or a text prompt."
            )
        return tokens

    def background_tokens(self, entry, options):
        """What the ground of a drawing with figures reads, or None if nobody asks for it."""
        tokens = entry.get(keys.BACKGROUND_TOKENS)
        if tokens is None and options.split in ("background", "both"):
            raise ValueError(
                "The drawing has figures, but nothing tells what its ground shall look like: connect "
                "reference_foreground or background to ReferenceTokens, or set split of LineartReferenceOptions to "
                "foreground or off."
            )
        return tokens

    def token_width(self):
        return self.diffusion_model.context_dim

    def read_sketch(self, planes, options):
        """The hints of planes (B, 3, H, W), 1 = ink, -1 = paper."""
        return self.diffusion_model.control_encoder(planes.to(**self.place))

    def hints(self, name, line, size, options):
        """A condition for each hint block, from the drawing (B, H, W, C), black on white."""
        hints = self.once(
            lambda: self.read_sketch(prepare(rgb(line), *size)[0], options), name, size, line, options.true_rotation
        )
        return self.hint_conds(name, hints, options.hint_scales(len(self.hint_ratios)))

    def hint_conds(self, name, hints, scales):
        return {
            f"{name}_{i}": CONDReduced(lambda i=i, scale=scale: scale * hints.value[i], ratio)
            for i, (scale, ratio) in enumerate(zip(scales, self.hint_ratios, strict=True))
        }

    def injected(self, entry, options, size):
        """The reference as a latent, and as the sketch that goes with it."""
        reference = entry.get(keys.REFERENCE)
        if reference is None:
            raise ValueError("Attention injection needs a reference: connect a picture to ReferenceTokens.")
        picture = self.once(lambda: resize_8bit(rgb(reference).movedim(-1, 1), *size), "stretched", size, reference)
        latent = self.once(lambda: self.encode(entry, picture.value), "injected", size, reference)
        conds = {"injected": CONDReduced(lambda: latent.value, 1)}
        if options.injection_sketch:
            about = "injected hints", size, reference, options.true_rotation
            hints = self.once(lambda: self.read_sketch(1 - 2 * picture.value, options), *about)
            conds |= self.hint_conds("injected_hint", hints, [options.injection_sketch] * len(self.hint_ratios))
        return conds

    def encode(self, entry, planes):
        """Planes (B, 3, H, W), 0..1, as a latent of the UNet's, by the VAE in the conditioning."""
        vae = entry.get(keys.VAE)
        if vae is None:
            raise ValueError(
                "Style, injection and the ground of v2 and xlv2 read a picture as a latent: connect the VAE of "
                "ColorizeModelLoader to vae of ReferenceTokens."
            )
        loaded = mm.loaded_models(only_currently_used=True)
        latent = vae.encode(planes.movedim(1, -1))
        mm.load_models_gpu(loaded)
        return self.process_latent_in(latent).to(**self.place)

    def once(self, make, *about):
        """What `make` gives, made when first needed, for all conditions of a run that ask `about` the same."""
        made = next((made for made in self.made if made.is_about(about)), None)
        if made is None:
            made = Once(make, about)
            self.made.add(made)
        return made


class Once:
    """A value that is made when first asked for. Lives as long as the conditions that hold it."""

    def __init__(self, make, about):
        self.make = make
        self.about = about

    def is_about(self, about):
        return len(about) == len(self.about) and all(map(same, about, self.about))

    @cached_property
    def value(self):
        return self.make()


def same(one, other):
    if torch.is_tensor(one) and torch.is_tensor(other):
        return one is other or (one.shape == other.shape and torch.equal(one, other))
    return type(one) is type(other) and one == other


def place_mask(mask, drawn, height, width):
    """A mask (B, H, W) of a drawing of the size `drawn`, laid out as `prepare` lays out the drawing: (B, 1, h, w)."""
    box = fit(*drawn, height, width)
    planes = mask.new_zeros(len(mask), 1, height, width)
    inside(planes, box)[:] = resize(mask[..., None], box.height, box.width).movedim(-1, 1)
    return planes


class FractionalTime:
    """Timesteps between the schedule's: the network is told the noise level as it is."""

    def timestep(self, sigma):
        log_sigma, levels = sigma.log().to(self.log_sigmas), self.log_sigmas
        low = (torch.searchsorted(levels, log_sigma.contiguous(), right=True) - 1).clamp(0, len(levels) - 2)
        share = ((log_sigma - levels[low]) / (levels[low + 1] - levels[low])).clamp(0, 1)
        return (low + share).to(sigma.device)


def schedule(prediction, config=None):
    """The host's noise schedule for a network that predicts "eps" or "v"; its default is that of Stable Diffusion."""

    class ModelSampling(FractionalTime, comfy.model_sampling.ModelSamplingDiscrete, PREDICTIONS[prediction]):
        pass

    return ModelSampling(config)

"""A MODEL held by flats, and the latent of the flats to start from."""

import torch

from ..flats.anchor import Anchor
from ..image import fit_inside, repeat_batch, resize, rgb
from .sampling import fit_latent

CELL = 8  # px: sides of what a VAE encodes
ASKEW = 0.02  # by which the proportions of regions and flats may differ, for the sake of rounded sizes


def anchored(model, flats, labels, vae=None, line=None, strength=1.0, resolution=0):
    """A clone of the MODEL that keeps the regions' chroma, and a LATENT of the flats.

    flats       IMAGE, one colour a region
    labels      (B, H, W) regions of the same drawing, at any size
    line        the drawing, laid over the flats that sampling starts from
    resolution  longer side to sample at; 0 is what a colorizer was trained at, for other models the flats' own
    """
    latent_format = model.get_model_object("latent_format")
    if latent_format.latent_rgb_factors is None:
        raise ValueError(
            "What the latents of this MODEL look like is not known, so nothing can hold their colours: use Stable "
            "Diffusion, SDXL or a colorizer."
        )
    flats = rgb(flats)
    (height, width), (rows, columns) = labels.shape[1:], flats.shape[1:3]
    if abs(height * columns - width * rows) > ASKEW * height * columns:
        raise ValueError(
            f"The regions are of a drawing of {width} x {height} px, but the flats have {columns} x {rows}: connect "
            "LineartRegions to the drawing that the flats are of."
        )
    size = _size(model, flats, resolution, latent_format.spacial_downscale_ratio)
    factors = torch.tensor(latent_format.latent_rgb_factors)
    held = Anchor(labels, latent_format.process_in(_encode(model, vae, resize(flats, *size))), factors, strength)
    if line is not None:
        batch = max(len(flats), len(line))
        flats = repeat_batch(flats, batch) * resize(repeat_batch(rgb(line), batch).to(flats), *flats.shape[1:3])
    model = model.clone()
    model.set_model_sampler_post_cfg_function(held)
    return model, {"samples": _encode(model, vae, resize(flats, *size))}


def _size(model, flats, resolution, ratio):
    defaults = getattr(type(model.model.model_config), "colorize_defaults", {"size": 0})
    longer = resolution or defaults["size"] or max(flats.shape[1:3])
    return fit_inside(*flats.shape[1:3], longer, 1 if ratio == 1 else CELL)


def _encode(model, vae, image):
    if model.get_model_object("latent_format").spacial_downscale_ratio == 1:
        return image.movedim(-1, 1) * 2 - 1
    if vae is None:
        raise ValueError("This MODEL does not work on pixels: connect the VAE that belongs to it to `vae`.")
    return fit_latent(model, {"samples": vae.encode(image)})

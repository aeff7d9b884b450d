from comfy_api.latest import io

from ..models.host.anchoring import anchored
from .common import LINE, REGIONS, ROOT, LineartRegions


class LineartAnchor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartAnchor",
            display_name="Line Art Anchor",
            category=f"{ROOT}/sampling",
            description=(
                "Lets a model shade flats without drifting: sampling starts from the flats, and at every step the mean "
                "hue and saturation of each region are set back to theirs. For colorizers, Stable Diffusion and SDXL."
            ),
            search_aliases=["color lock", "keep colors", "flats to shading", "region color", "img2img flats"],
            inputs=[
                io.Model.Input("model", tooltip="A colorizer, or a Stable Diffusion or SDXL model."),
                io.Image.Input("flats", tooltip="The colours without ink, as the nodes of flats give them."),
                LineartRegions.Input("regions", tooltip=REGIONS),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="1 = the regions' colours stay, 0 = the model is free.",
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=8192,
                    step=8,
                    tooltip="Longer side in pixels to sample at. 0: as a colorizer was trained, else the flats' size.",
                ),
                io.Vae.Input("vae", optional=True, tooltip="The model's VAE. Models that work on pixels do without."),
                io.Image.Input("line", optional=True, tooltip=f"{LINE} Sampling then starts from flats under its ink."),
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The model, held; for any sampler."),
                io.Latent.Output(
                    display_name="LATENT", tooltip="The flats to start from: set denoise of the sampler to about 0.6."
                ),
            ],
        )

    @classmethod
    def execute(cls, model, flats, regions, strength=1.0, resolution=0, vae=None, line=None):
        return io.NodeOutput(*anchored(model, flats, regions.labels, vae, line, strength, resolution))

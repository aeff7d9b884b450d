from comfy_api.latest import io

from ..models.host import folders, loading
from .common import ROOT


class ColorizeModelLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ColorizeModelLoader",
            display_name="Load Colorize Model",
            category=f"{ROOT}/loaders",
            description=(
                "Loads a line art colorizer. What kind it is, and its size, are read from the file itself. "
                "The MODEL works with every stock sampler."
            ),
            search_aliases=["line art colorizer", "diffusart", "colorization checkpoint", "load colorizer"],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folders.list_files(),
                    tooltip=(
                        "The colorizer file: first those in models/lineart_colorize and this pack's own, "
                        "then models/diffusion_models and models/checkpoints."
                    ),
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(loading.STORAGE),
                    default="auto",
                    tooltip=(
                        "How the weights are kept in memory. auto: as ComfyUI prefers on this device. "
                        "fp8 is smallest and least exact."
                    ),
                    advanced=True,
                ),
                io.Combo.Input(
                    "prediction",
                    options=list(loading.PREDICTIONS),
                    default="auto",
                    tooltip=(
                        "What the network predicts. auto: as its system was published. Change it only for a "
                        "retraining that predicts something else."
                    ),
                    advanced=True,
                ),
                io.Boolean.Input(
                    "clamp",
                    default=True,
                    tooltip=(
                        "Keeps the predicted picture within black and white at every step. Needed for few "
                        "steps; switch it off to sample as the authors' own code does, over all 1000."
                    ),
                    advanced=True,
                ),
            ],
            outputs=[
                io.Model.Output(display_name="MODEL", tooltip="The colorizer, for ColorizeSampler or any sampler."),
                io.Vae.Output(display_name="VAE", tooltip="Turns pictures into this model's latents and back."),
            ],
        )

    @classmethod
    def execute(cls, file, dtype="auto", prediction="auto", clamp=True):
        return io.NodeOutput(*loading.load_colorizer(folders.locate(file), dtype, prediction, clamp))

from comfy_api.latest import io

from ..models.host import sampling
from .common import LINE, ROOT


class ColorizeSampler(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ColorizeSampler",
            display_name="Colorize Sampler",
            category=f"{ROOT}/sampling",
            description=(
                "Colours a drawing: samples at the size the model was trained at, then brings the colours up "
                "to the drawing's own size under its own ink. What is left at 0 or auto, the model decides."
            ),
            search_aliases=["colorize line art", "colour drawing", "colorization sampler"],
            inputs=[
                io.Model.Input("model", tooltip="A colorizer from ColorizeModelLoader."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="The noise to start from: another seed, other colours where no stroke decides.",
                ),
                io.Int.Input(
                    "steps",
                    default=0,
                    min=0,
                    max=10000,
                    tooltip="Sampling steps. 0 = the model's own number.",
                ),
                io.Float.Input(
                    "cfg",
                    default=0.0,
                    min=0.0,
                    max=100.0,
                    step=0.1,
                    tooltip=(
                        "How much further than the model's own opinion strokes or reference are followed; 1 = off. "
                        "0 = the model's own number."
                    ),
                ),
                io.Combo.Input("sampler", options=sampling.SAMPLERS, default="auto", tooltip="The sampling algorithm."),
                io.Combo.Input(
                    "scheduler",
                    options=sampling.SCHEDULERS,
                    default="auto",
                    tooltip="How noise levels are spread over the steps.",
                ),
                io.Float.Input(
                    "denoise",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Below 1, colours start from the picture in latent and change only so much.",
                ),
                io.Int.Input(
                    "resolution",
                    default=0,
                    min=0,
                    max=4096,
                    step=8,
                    tooltip=(
                        "Longer side, in pixels, at which the colours are found. 0 = the size the model was "
                        "trained at. The picture comes out at the drawing's own size in any case."
                    ),
                ),
                io.Image.Input("line", optional=True, tooltip=f"{LINE} It wins over the one in the conditioning."),
                io.Conditioning.Input("positive", optional=True, tooltip="From ScribbleEncoder or ReferenceTokens."),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="What cfg steers away from; made from positive if nothing is connected.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="The VAE of ColorizeModelLoader. Models that work on pixels do without.",
                ),
                io.Latent.Input(
                    "latent",
                    optional=True,
                    tooltip=(
                        "A picture to start from, or to repaint where its noise mask says so. Its size is "
                        "worked at, in place of resolution."
                    ),
                ),
                io.Float.Input(
                    "sketch_cfg",
                    default=1.0,
                    min=1.0,
                    max=5.0,
                    step=0.1,
                    optional=True,
                    tooltip=(
                        "How much further than the model's own opinion the lines are followed; 1 = off. Beside cfg it "
                        "costs half as much time again."
                    ),
                    advanced=True,
                ),
            ],
            outputs=[
                io.Latent.Output(display_name="LATENT", tooltip="The colours at the size they were found at."),
                io.Image.Output(display_name="IMAGE", tooltip="The coloured drawing at its own size."),
            ],
        )

    @classmethod
    def execute(cls, model, **inputs):
        return io.NodeOutput(*sampling.colorize(model, **inputs))

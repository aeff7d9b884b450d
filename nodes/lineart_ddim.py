from comfy_api.latest import io

from ..models.animediffusion import native
from .common import ROOT


class LineartDDIM(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartDDIM",
            display_name="Line Art DDIM",
            category=f"{ROOT}/sampling",
            description=(
                "AnimeDiffusion's own sampling, exactly as its authors ship it, for SamplerCustom and "
                "SamplerCustomAdvanced: the sampler and its noise levels. Works with every colorizer of pixels."
            ),
            search_aliases=["animediffusion sampler", "ddim", "stochastic ddim"],
            inputs=[
                io.Model.Input("model", tooltip="A colorizer from ColorizeModelLoader; its schedule gives the levels."),
                io.Int.Input(
                    "steps",
                    default=10,
                    min=1,
                    max=999,
                    tooltip="Sampling steps. AnimeDiffusion is fine-tuned for 10.",
                ),
                io.Float.Input(
                    "eta",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Fresh noise in every step: 1 = as shipped, 0 = none, only the first noise decides.",
                ),
            ],
            outputs=[
                io.Sampler.Output(display_name="SAMPLER", tooltip="For SamplerCustom; takes other SIGMAS as well."),
                io.Sigmas.Output(display_name="SIGMAS", tooltip="The noise levels of the original, down to its last."),
            ],
        )

    @classmethod
    def execute(cls, model, steps=10, eta=1.0):
        return io.NodeOutput(native.ddim_sampler(eta), native.ddim_sigmas(model, steps))

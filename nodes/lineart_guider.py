from comfy_api.latest import io

from ..models.host import guiding
from .common import ROOT, expect_window


class LineartGuider(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartGuider",
            display_name="Line Art Guider",
            category=f"{ROOT}/sampling",
            description=(
                "Guidance by the reference and by the lines, each with a scale of its own, for SamplerCustomAdvanced."
            ),
            search_aliases=["dual guidance", "sketch guidance", "reference guidance", "cfg"],
            inputs=[
                io.Model.Input("model", tooltip="A colorizer from ColorizeModelLoader."),
                io.Conditioning.Input("positive", tooltip="Positive of ReferenceTokens."),
                io.Float.Input(
                    "reference_guidance",
                    default=4.0,
                    min=1.0,
                    max=15.0,
                    step=0.1,
                    tooltip="How much further than the model's own opinion the reference is followed; 1 = off.",
                ),
                io.Float.Input(
                    "sketch_guidance",
                    default=1.0,
                    min=1.0,
                    max=5.0,
                    step=0.1,
                    tooltip="The same for the lines; 1 = off. Both together cost a third call in every step.",
                ),
                io.Float.Input(
                    "start",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Progress of sampling from which there is guidance; steps without it take half the time.",
                    advanced=True,
                ),
                io.Float.Input(
                    "end",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Progress of sampling up to which there is guidance.",
                    advanced=True,
                ),
                io.Conditioning.Input(
                    "negative",
                    optional=True,
                    tooltip="What reference guidance steers away from; made from positive if nothing is connected.",
                ),
            ],
            outputs=[io.Guider.Output(display_name="GUIDER", tooltip="For SamplerCustomAdvanced.")],
        )

    @classmethod
    def execute(cls, model, positive, reference_guidance=4.0, sketch_guidance=1.0, start=0.0, end=1.0, negative=None):
        expect_window(start, end)
        return io.NodeOutput(
            guiding.guider(model, positive, negative, reference_guidance, sketch_guidance, (start, end))
        )

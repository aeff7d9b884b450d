from comfy_api.latest import io

from ..models.finish import finish
from ..models.host.device import on_device
from ..models.scft import native
from .common import LINE, ROOT, LineartNetwork


def position(id, along):
    return io.Float.Input(
        id,
        default=0.5,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip=f"Place of the drawing to ask about, from {along}. Not read where a mask is connected.",
    )


class LineartCorrespondence(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartCorrespondence",
            display_name="Line Art Correspondence",
            category=f"{ROOT}/sampling",
            description=(
                "Colours a drawing after a reference in one pass, by SCFT, and shows where in the reference the "
                "colours of a part of the drawing come from."
            ),
            search_aliases=["scft", "semantic correspondence", "attention map", "heat map", "reference colorization"],
            inputs=[
                LineartNetwork.Input("network", tooltip="SCFT from LineartNetworkLoader."),
                io.Image.Input("line", tooltip=LINE),
                io.Image.Input("reference", tooltip="Picture to take the colours from, any size."),
                position("x", "left to right"),
                position("y", "top to bottom"),
                io.Int.Input(
                    "resolution",
                    default=256,
                    min=32,
                    max=2048,
                    step=16,
                    tooltip="Size, in pixels, at which the colours are found. Published weights know 256 only.",
                    advanced=True,
                ),
                io.Mask.Input("mask", optional=True, tooltip="Part of the drawing to ask about, in place of x and y."),
            ],
            outputs=[
                io.Image.Output(display_name="IMAGE", tooltip="The coloured drawing at its own size."),
                io.Image.Output(display_name="heat map", tooltip="The reference, bright where the colours come from."),
                io.Mask.Output(display_name="heat", tooltip="The same as numbers: 1 = gives most, 0 = nothing."),
            ],
        )

    @classmethod
    def execute(cls, network, line, reference, x=0.5, y=0.5, resolution=256, mask=None):
        colours, picture, heat = native.correspond(network, line, reference, mask, x, y, resolution)
        return io.NodeOutput(on_device(finish, colours, line), picture, heat)

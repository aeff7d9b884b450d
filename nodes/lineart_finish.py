from comfy_api.latest import io

from ..models.finish import finish
from ..models.host.device import on_device
from .common import LINE, ROOT


class LineartFinish(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartFinish",
            display_name="Line Art Finish",
            category=f"{ROOT}/image",
            description=(
                "Brings colours that were found at a small size up to the drawing's own size, along its "
                "lines, and lays its own ink over them. ColorizeSampler does it by itself."
            ),
            search_aliases=["upscale colors", "guided upsampling", "colours under ink"],
            inputs=[
                io.Image.Input("image", tooltip="The coloured picture, any size, of the same framing."),
                io.Image.Input("line", tooltip=LINE),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The coloured drawing at its own size.")],
        )

    @classmethod
    def execute(cls, image, line):
        return io.NodeOutput(on_device(finish, image, line))

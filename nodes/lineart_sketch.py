from functools import partial

from comfy_api.latest import io

from ..models.host import device, networks
from ..models.image import rgb
from ..models.line import anime2sketch, manga, preparation, realistic, sketchkeras
from ..models.line.memory import fresh
from .common import ROOT, LineartNetwork

DRAWERS = {
    "sketchkeras": partial(sketchkeras.extract, upsampling="bicubic"),
    "anime2sketch": anime2sketch.extract,
    "manga": manga.extract,
    "realistic": realistic.extract,
}


class LineartSketch(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartSketch",
            display_name="Line Art Sketch",
            category=f"{ROOT}/lines",
            description="Prepares a sketch exactly as the ColorizeDiffusion applications do: none, invert, "
            "invert-webui or extract, fitted into the size and padded.",
            search_aliases=["colorizediffusion", "invert", "sketch preprocess", "white on black"],
            inputs=[
                io.Image.Input("image", tooltip="Pictures of any size, each worked on by itself."),
                io.Combo.Input(
                    "option",
                    options=list(preparation.OPTIONS),
                    default="invert",
                    tooltip="none: is white on black. invert: is black on white. invert-webui: standard line art of "
                    "it. extract: drawn by the connected network, in a square as the applications do.",
                ),
                io.Combo.Input(
                    "application",
                    options=list(preparation.SQUARE),
                    tooltip="sd: ColorizeDiffusion 1 to 2. xl: its XL version, which fits 8-bit pictures.",
                ),
                io.Int.Input("width", default=512, min=16, max=16384, step=8, tooltip="Of the sketch, in pixels."),
                io.Int.Input("height", default=512, min=16, max=16384, step=8, tooltip="Of the sketch, in pixels."),
                LineartNetwork.Input(
                    "network",
                    optional=True,
                    tooltip="From LineartNetworkLoader, for extract: a network that draws lines.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="sketch", tooltip="White on black, as those models see it."),
                io.Image.Output(display_name="lines", tooltip="Black on white, for the nodes of this pack."),
            ],
        )

    @classmethod
    def execute(cls, image, option="invert", application="sd", width=512, height=512, network=None):
        extract = drawer(network) if option == "extract" else None
        like = image.new_empty(0, device=device.intermediate_device()).float()
        sketch, bar = fresh((len(image), height, width, 3), like), device.progress_bar(len(image))
        for index, picture in enumerate(image.split(1)):
            picture = rgb(picture.to(device.compute_device()).float())
            one, _ = preparation.prepare(picture, height, width, option, application, extract)
            sketch[index] = one[0].movedim(0, -1)
            bar.update(1)
        sketch.add_(1).div_(2).clamp_(0, 1)
        return io.NodeOutput(sketch, 1 - sketch)


def drawer(network):
    system = network and network.model.system
    networks.expect(network, system if system in DRAWERS else " or ".join(DRAWERS), "The option extract")
    return partial(DRAWERS[system], networks.loaded(network))

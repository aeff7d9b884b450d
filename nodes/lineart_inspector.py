from comfy_api.latest import io

from ..models.flats import inspector
from ..models.flats import palette as palettes
from ..models.flats.regions import regions as find_regions
from ..models.host.device import handed_on
from ..models.image import rgb
from .common import LINE, PALETTE, REGIONS_IF_ANY, ROOT


class LineartInspector(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartInspector",
            display_name="Line Art Inspector",
            category=f"{ROOT}/flats",
            description=(
                "Looks for what is wrong in flats: places without paint, colour that ran over inside a region, and "
                "specks that were forgotten. Counts and shows them, names the colour that belongs there and mends them."
            ),
            search_aliases=["unpainted", "color leak", "check flats", "gap finder", "fix flats"],
            inputs=[
                io.Image.Input("image", tooltip="The flats, with or without ink, at the drawing's size."),
                io.Image.Input("line", tooltip=LINE),
                REGIONS_IF_ANY,
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="1 where there is no paint: the MASK of LoadImage. All black is none.",
                ),
                io.String.Input("palette", force_input=True, optional=True, tooltip=f"{PALETTE} It names the colours."),
                io.Int.Input(
                    "tiny",
                    default=30,
                    min=0,
                    max=100000,
                    tooltip="Closed pieces of paper of up to so many pixels count as specks.",
                ),
            ],
            outputs=[
                io.Image.Output(
                    display_name="IMAGE", tooltip="Red: no paint. Magenta: ran over. Blue: forgotten specks."
                ),
                io.Image.Output(display_name="mended", tooltip="The image with every suggested colour filled in."),
                io.Mask.Output(display_name="mask", tooltip="1 where anything was found."),
                io.Int.Output(display_name="unpainted", tooltip="Number of places without paint."),
                io.Int.Output(display_name="leaks", tooltip="Number of places where colour ran over."),
                io.Int.Output(display_name="gaps", tooltip="Number of forgotten specks."),
                io.String.Output(display_name="report", tooltip="Each place, its size and the colour it should have."),
            ],
        )

    @classmethod
    def execute(cls, image, line, regions=None, mask=None, palette="", tiny=30):
        line = rgb(line).cpu()
        found = inspector.inspect_frames(
            image.cpu(), line, regions or find_regions(line), mask, tiny, palettes.parse(palette)
        )
        return io.NodeOutput(*handed_on(*found))

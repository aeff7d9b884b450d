from comfy_api.latest import io

from ..models.flats import view
from ..models.flats.regions import AREA, GAP, regions
from ..models.host.device import intermediate_device, progress
from .common import LINE, ROOT, LineartRegions


class LineartRegionsNode(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartRegions",
            display_name="Line Art Regions",
            category=f"{ROOT}/flats",
            description=(
                "Parts line art into the regions that its lines enclose. Gaps in the lines count as closed up to "
                "a width that you choose, and the ink belongs to the regions beside it."
            ),
            search_aliases=["segment line art", "trapped ball", "flatting", "gap closing", "region map"],
            inputs=[
                io.Image.Input("line", tooltip=LINE),
                io.Float.Input(
                    "gap",
                    default=GAP,
                    min=0.0,
                    max=256.0,
                    step=0.5,
                    tooltip="Openings in the lines up to this many pixels count as closed. 0 = only closed lines.",
                ),
                io.Int.Input(
                    "area",
                    default=AREA,
                    min=1,
                    max=1000000,
                    tooltip="A region of fewer pixels than this becomes part of its neighbour.",
                ),
                io.Int.Input(
                    "masks",
                    default=1,
                    min=1,
                    max=64,
                    tooltip="How many of the largest regions come out as masks.",
                    advanced=True,
                ),
            ],
            outputs=[
                LineartRegions.Output(display_name="regions", tooltip="For the other nodes of flat colour."),
                io.Image.Output(display_name="labels", tooltip="Every region in a colour of its own, to look at."),
                io.Mask.Output(display_name="masks", tooltip="The largest regions of each frame, largest first."),
            ],
        )

    @classmethod
    def execute(cls, line, gap=GAP, area=AREA, masks=1):
        found = regions(line, gap, area, progress(len(line)))
        pictures = (picture.to(intermediate_device()) for picture in (view.tinted(found), view.masks(found, masks)))
        return io.NodeOutput(found, *pictures)

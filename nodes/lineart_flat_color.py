from comfy_api.latest import io

from ..models.flats.flat import flat_colours, under_ink
from ..models.flats.regions import regions as find_regions
from ..models.host.device import intermediate_device, progress
from ..models.image import repeat_batch, rgb
from ..models.scribble import read_strokes
from .common import LINE, MASK_IS, ROOT, STROKES_AT, LineartRegions


class LineartFlatColor(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartFlatColor",
            display_name="Line Art Flat Color",
            category=f"{ROOT}/flats",
            description=(
                "Fills a drawing with exactly the colours of a few strokes. Every pixel gets one of them, colours stay "
                "inside the lines though the lines have gaps, and the ink is not changed."
            ),
            search_aliases=["lazybrush", "flats", "flatting", "bucket fill", "scribble fill", "colorize mask"],
            inputs=[
                io.Image.Input("line", tooltip=LINE),
                io.Image.Input(
                    "scribble",
                    tooltip="Picture with the colour strokes, any size; it is laid over the whole drawing.",
                ),
                io.Combo.Input(
                    "strokes",
                    options=["soft", "hard"],
                    default="soft",
                    tooltip=(
                        "soft: where a stroke slips into a region that another colour has, that part does not count. "
                        "hard: every painted pixel keeps its colour."
                    ),
                ),
                MASK_IS,
                STROKES_AT,
                LineartRegions.Input(
                    "regions",
                    optional=True,
                    tooltip="From Line Art Regions, to choose the gap, and to be found once for many strokes.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="IMAGE", tooltip="The drawing over the flats, its ink as it was."),
                io.Image.Output(display_name="flats", tooltip="The colours alone, without ink."),
            ],
        )

    @classmethod
    def execute(cls, line, scribble, strokes="soft", mask_is="auto", mask=None, regions=None):
        found = regions or find_regions(line, done=progress(len(line)))
        if found.labels.shape[1:] != line.shape[1:3]:
            raise ValueError(
                f"Expected regions of this drawing, {line.shape[2]} x {line.shape[1]}, found regions of "
                f"{found.labels.shape[2]} x {found.labels.shape[1]}: connect the same drawing to both nodes."
            )
        colours, stroke = read_strokes(scribble, mask, mask_is, line)
        done = progress(max(len(found.labels), len(colours)))
        flats = flat_colours(found, colours, stroke, strokes == "soft", done).to(intermediate_device())
        return io.NodeOutput(under_ink(flats, repeat_batch(rgb(line), len(flats)).to(flats)), flats)

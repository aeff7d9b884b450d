from comfy_api.latest import io

from ..models.flats import palette as palettes
from ..models.flats import snap
from ..models.flats.colour import commonest
from ..models.flats.flat import under_ink
from ..models.flats.regions import regions as find_regions
from ..models.host.device import handed_on
from ..models.image import repeat_batch, rgb
from .common import LINE, PALETTE, REGIONS_IF_ANY, ROOT


class LineartSnapToFlats(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartSnapToFlats",
            display_name="Line Art Snap to Flats",
            category=f"{ROOT}/flats",
            description=(
                "Makes any coloured picture exact: one colour for each region of the drawing, out of the palette if "
                "there is one, under the drawing's own ink. A picture that an image model moved, zoomed or gave back "
                "at another size is laid on the drawing first."
            ),
            search_aliases=["clean up colors", "flatten colors", "quantize", "exact colours", "align to line art"],
            inputs=[
                io.Image.Input("image", tooltip="The coloured picture, of any size: by any model, or painted."),
                io.Image.Input("line", tooltip=LINE),
                REGIONS_IF_ANY,
                io.String.Input("palette", force_input=True, optional=True, tooltip=PALETTE),
                io.Boolean.Input(
                    "register",
                    default=True,
                    tooltip="Find out where the picture lies on the drawing. Off: it is laid over the whole of it.",
                ),
                io.Float.Input(
                    "reject",
                    default=25.0,
                    min=0.0,
                    max=500.0,
                    step=0.5,
                    tooltip="With a palette: a colour further from all of it, in CIELAB, stays as it is and is listed.",
                ),
                io.Float.Input(
                    "merge",
                    default=4.0,
                    min=0.0,
                    max=100.0,
                    step=0.5,
                    tooltip="Without a palette: regions whose colours are nearer than this share one.",
                ),
                io.DynamicCombo.Input(
                    "shading",
                    options=[
                        io.DynamicCombo.Option("none", []),
                        io.DynamicCombo.Option(
                            "keep",
                            [
                                io.Int.Input(
                                    "softness",
                                    default=4,
                                    min=0,
                                    max=256,
                                    tooltip="Pixels over which the light is averaged inside a region.",
                                )
                            ],
                        ),
                    ],
                    tooltip="keep: the picture's light and shadow over the exact colours.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="IMAGE", tooltip="The coloured drawing under its own ink."),
                io.Image.Output(display_name="flats", tooltip="The exact colours without ink and light."),
                io.Image.Output(display_name="shaded", tooltip="The colours without ink, with light if it is kept."),
                io.Mask.Output(
                    display_name="unsure",
                    tooltip="1 where no colour of the palette came near, or where the picture has several in a region.",
                ),
                io.String.Output(display_name="palette", tooltip="The palette, or the colours found."),
                io.String.Output(display_name="report", tooltip="How the picture lay, and the unsure regions."),
            ],
        )

    @classmethod
    def execute(cls, image, line, regions=None, palette="", register=True, reject=25.0, merge=4.0, shading=None):
        line = rgb(line).cpu()
        known = palettes.parse(palette)
        softness = (shading or {}).get("softness")
        regions = regions or find_regions(line)
        done = snap.snap(image.cpu(), line, regions, known, register, softness, reject=reject, merge=merge)
        text = palette if known else palettes.dump(palettes.of_codes(commonest(done.flats, 0.0)))
        picture = under_ink(done.shaded, repeat_batch(line, len(done.shaded)))
        return io.NodeOutput(*handed_on(picture, done.flats, done.shaded, done.unsure, text, done.report))

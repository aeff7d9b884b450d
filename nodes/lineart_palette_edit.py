from comfy_api.latest import io

from ..models.flats import palette as palettes
from ..models.host.device import handed_on
from ..models.image import rgb
from .common import PALETTE, ROOT


class LineartPaletteEdit(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartPaletteEdit",
            display_name="Line Art Palette Edit",
            category=f"{ROOT}/flats",
            description=(
                "Renames and replaces colours of a palette, or shifts all of them at once to another time of day, and "
                "recolours finished flats the same way, exactly."
            ),
            search_aliases=["replace color", "recolor", "scene palette", "night colors", "shift palette"],
            inputs=[
                io.String.Input("palette", force_input=True, tooltip=PALETTE),
                io.String.Input(
                    "changes",
                    multiline=True,
                    default="",
                    tooltip="One a line, old = new: hair = #203040 gives hair another colour, #d0a060 = #203040 "
                    "replaces a colour wherever it stands, hair = fringe is another name.",
                ),
                io.Float.Input(
                    "hue",
                    default=0.0,
                    min=-180.0,
                    max=180.0,
                    step=1.0,
                    tooltip="Turns every hue by so many degrees.",
                ),
                io.Float.Input(
                    "chroma", default=1.0, min=0.0, max=4.0, step=0.05, tooltip="1 = as it is, 0 = grey, 2 = vivid."
                ),
                io.Float.Input(
                    "lightness",
                    default=0.0,
                    min=-100.0,
                    max=100.0,
                    step=1.0,
                    tooltip="Makes every colour lighter, or below 0 darker; 100 is from black to white.",
                ),
                io.String.Input(
                    "light",
                    default="#ffffff",
                    tooltip="The colour of the light, as #rrggbb: #8090ff is moonlight, #ffc890 a sunset.",
                ),
                io.Image.Input(
                    "flats",
                    optional=True,
                    tooltip="Flats in the colours of the palette; they get the new ones, pixel by pixel.",
                ),
            ],
            outputs=[
                io.String.Output(display_name="palette", tooltip="The changed palette."),
                io.Image.Output(display_name="swatches", tooltip="A row a paint: its colour, shadow and highlight."),
                io.Image.Output(display_name="flats", tooltip="The flats in the new colours, or the swatches."),
            ],
        )

    @classmethod
    def execute(cls, palette, changes="", hue=0.0, chroma=1.0, lightness=0.0, light="#ffffff", flats=None):
        return io.NodeOutput(*handed_on(*edit(palette, changes, (hue, chroma, lightness, light), flats)))


def edit(text, changes, scene, flats):
    before = palettes.parse(text)
    after = palettes.shift(palettes.change(before, changes), *scene)
    shown = palettes.swatches(after)
    return palettes.dump(after), shown, shown if flats is None else palettes.recolour(rgb(flats), before, after)

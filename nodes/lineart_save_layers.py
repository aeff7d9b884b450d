from comfy_api.latest import io, ui

from ..models.flats import layers, palette
from ..models.host import folders
from ..models.image import rgb
from .common import LINE, PALETTE, ROOT


class LineartSaveLayers(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartSaveLayers",
            display_name="Save Line Art Layers",
            category=f"{ROOT}/flats",
            description=(
                "Saves a coloured drawing for paint programs: a layer for each colour, one for shadow, highlight and "
                "ink, as Photoshop's PSD or as OpenRaster (Krita, GIMP, MyPaint)."
            ),
            search_aliases=["psd", "openraster", "ora", "save layers", "export photoshop", "krita"],
            is_output_node=True,
            inputs=[
                io.Image.Input("flats", tooltip="The colours without ink, as the nodes of flats give them."),
                io.Image.Input("line", tooltip=LINE),
                io.String.Input(
                    "filename_prefix",
                    default="layers",
                    tooltip="Name of the files in ComfyUI's output folder, before their number; folders too.",
                ),
                io.Combo.Input("format", options=["psd", "ora", "both"], tooltip="psd: Photoshop. ora: OpenRaster."),
                io.Image.Input(
                    "shaded",
                    optional=True,
                    tooltip="The same colours with light, without ink: its shadows and highlights become layers.",
                ),
                io.String.Input("palette", force_input=True, optional=True, tooltip=f"{PALETTE} It names the layers."),
            ],
            outputs=[
                io.String.Output(display_name="files", tooltip="The files written, a line each."),
            ],
        )

    @classmethod
    def execute(cls, flats, line, filename_prefix="layers", format="psd", shaded=None, palette=""):
        names = save(flats, line, filename_prefix, format, shaded, palette)
        return io.NodeOutput("\n".join(names), ui=ui.PreviewText("\n".join(names)))


def save(flats, line, prefix, kind, shaded, text):
    pictures = [picture if picture is None else rgb(picture).cpu() for picture in (flats, line, shaded)]
    names = []
    for picture, stack in layers.stacks(*pictures, palette.parse(text)):
        stem = folders.output_stem(prefix, *picture.shape[:2])
        for ending in layers.WRITERS if kind == "both" else [kind]:
            names.append(f"{stem}.{ending}")
            with open(names[-1], "wb") as file:
                layers.WRITERS[ending](file, picture, stack)
    return names

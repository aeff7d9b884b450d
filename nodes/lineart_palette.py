from comfy_api.latest import io

from ..models.flats import palette, palette_files
from ..models.host import folders
from ..models.host.device import handed_on
from ..models.image import rgb
from ..models.scribble import read_strokes
from .common import ROOT

TEXT = "hair, #d0a060, #8a5a30, #f6e0b0\nskin, #ffe0c8"


class LineartPalette(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartPalette",
            display_name="Line Art Palette",
            category=f"{ROOT}/flats",
            description=(
                "Named colours for flats, with their shadows and highlights as in a colour book: typed in, out of a "
                "palette file, or found in colour strokes or in a picture."
            ),
            search_aliases=["color palette", "swatches", "gpl", "ase", "aco", "colour book", "color chart"],
            inputs=[
                io.DynamicCombo.Input(
                    "source",
                    options=[
                        io.DynamicCombo.Option(
                            "text",
                            [
                                io.String.Input(
                                    "colours",
                                    multiline=True,
                                    default=TEXT,
                                    tooltip="A paint a line: its name and its colour as #rrggbb or three numbers, then "
                                    "shadow and highlight if it has them. Or the JSON that this node gives.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "file",
                            [
                                io.Combo.Input(
                                    "file",
                                    options=folders.list_palettes(),
                                    tooltip=(
                                        "A palette of GIMP or Krita (.gpl), Adobe (.ase, .aco) or a table (.csv) in "
                                        "ComfyUI's input folder."
                                    ),
                                )
                            ],
                        ),
                        io.DynamicCombo.Option("strokes", []),
                        io.DynamicCombo.Option(
                            "picture",
                            [
                                io.Int.Input(
                                    "count", default=12, min=1, max=1000, tooltip="How many of the commonest colours."
                                ),
                                io.Float.Input(
                                    "distinct",
                                    default=8.0,
                                    min=0.0,
                                    max=100.0,
                                    step=0.5,
                                    tooltip="How far apart, in CIELAB, two of them are at least; 2 is hardly seen.",
                                ),
                            ],
                        ),
                    ],
                    tooltip="Where the colours come from. strokes and picture read the connected image.",
                ),
                io.Image.Input("image", optional=True, tooltip="The strokes, or the picture to take colours from."),
                io.Mask.Input(
                    "mask", optional=True, tooltip="Where the strokes are, as for ScribbleEncoder; only for strokes."
                ),
            ],
            outputs=[
                io.String.Output(display_name="palette", tooltip="The paints as JSON, for the other nodes of flats."),
                io.Image.Output(display_name="swatches", tooltip="A row a paint: its colour, shadow and highlight."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, source, **inputs):
        return folders.locate_palette(source["file"]).stat().st_mtime_ns if source["source"] == "file" else 0

    @classmethod
    def execute(cls, source, image=None, mask=None):
        kind = source["source"]
        if kind in ("strokes", "picture") and image is None:
            raise ValueError(f"A palette from {kind} needs an image: connect it, or set source to text or file.")
        if kind == "text":
            found = palette_files.typed(source["colours"])
        elif kind == "file":
            found = palette_files.read(folders.locate_palette(source["file"]))
        elif kind == "strokes":
            found = palette.of_strokes(*read_strokes(image, mask))
            if not found:
                raise ValueError(
                    "Expected strokes of colour in the image, found none: paint some, on a transparent ground, or "
                    "connect the mask that says where they are."
                )
        else:
            found = palette.of_picture(rgb(image), source["count"], source["distinct"])
        return io.NodeOutput(*handed_on(palette.dump(found), palette.swatches(found)))

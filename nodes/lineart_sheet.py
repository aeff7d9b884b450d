import torch
from comfy_api.latest import io

from ..models.flats import palette as palettes
from ..models.flats import sheet as sheets
from ..models.flats.flat import under_ink
from ..models.flats.native import matching
from ..models.flats.regions import regions as find_regions
from ..models.host.device import handed_on, progress_bar
from ..models.image import rgb
from .common import LINE, PALETTE, REGIONS_IF_ANY, ROOT, LineartRegions


class LineartSheet(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartSheet",
            display_name="Line Art Sheet",
            category=f"{ROOT}/flats",
            description=(
                "Colours a new drawing after a character sheet: each region takes the colour of the region of the "
                "sheet that it matches, by a small network, shape, place and neighbours. Regions that are not sure "
                "stay white."
            ),
            search_aliases=["character sheet", "colour keyframe", "next frame", "paint bucket", "color transfer"],
            inputs=[
                io.Image.Input("line", tooltip=LINE),
                io.Image.Input(
                    "sheet", tooltip="The coloured character, one frame or several of the same size; flats are best."
                ),
                io.Image.Input("sheet_line", tooltip="The drawings of the sheet, frame by frame, black ink on white."),
                REGIONS_IF_ANY,
                LineartRegions.Input(
                    "sheet_regions", optional=True, tooltip="LineartRegions of sheet_line. Found anew if not connected."
                ),
                io.String.Input(
                    "palette",
                    force_input=True,
                    optional=True,
                    tooltip=f"{PALETTE} The sheet's colours become the nearest of it.",
                ),
                io.Float.Input(
                    "sure",
                    default=sheets.SURE,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How sure a match has to be. 0 paints every region, 1 next to none.",
                ),
            ],
            outputs=[
                io.Image.Output(display_name="IMAGE", tooltip="The coloured drawing under its own ink."),
                io.Image.Output(display_name="flats", tooltip="The colours without ink, white where unsure."),
                io.Mask.Output(display_name="unsure", tooltip="1 on regions that were left white."),
                io.String.Output(display_name="report", tooltip="The regions left white, and what they could be."),
            ],
        )

    @classmethod
    def execute(cls, line, sheet, sheet_line, regions=None, sheet_regions=None, palette="", sure=sheets.SURE):
        line, sheet_line = rgb(line).cpu(), rgb(sheet_line).cpu()
        coloured = sheets.colour(
            line,
            regions,
            sheet.cpu(),
            sheet_line,
            sheet_regions or find_regions(sheet_line),
            palettes.parse(palette),
            sure,
            matching(),
        )
        bar, results = progress_bar(len(line)), []
        for frame in coloured:
            results.append(frame)
            bar.update(1)
        flats, unsure, report = zip(*results, strict=True)
        flats, unsure = torch.stack(flats), torch.stack(unsure)
        return io.NodeOutput(*handed_on(under_ink(flats, line), flats, unsure, "\n".join(report)))

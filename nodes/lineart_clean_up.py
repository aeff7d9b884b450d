import torch
from comfy_api.latest import io

from ..models.host import device
from ..models.image import luma, rgb
from ..models.line import cleanup, scan
from ..models.line.gaps import close_gaps
from ..models.line.memory import fresh
from .common import LENGTHS_FOR, ROOT


class LineartCleanUp(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartCleanUp",
            display_name="Line Art Clean-Up",
            category=f"{ROOT}/lines",
            description=(
                "Cleans line art, scans and photographs of drawings: paper and shade, coloured pencil, "
                "screentones, faint strokes, specks, line width, gaps. Only what is switched on is done, in this order."
            ),
            search_aliases=[
                "despeckle",
                "clean scan",
                "thin lines",
                "thicken lines",
                "remove screentone",
                "blue pencil",
                "close gaps",
                "line width",
            ],
            inputs=[
                io.Image.Input("image", tooltip="Drawings, dark lines on light paper, of any size."),
                io.Boolean.Input(
                    "even_paper", default=False, tooltip="For scans and photographs: makes paper and shades white."
                ),
                io.Boolean.Input(
                    "split_pencils",
                    default=False,
                    tooltip="Takes blue and red pencil out of the lines; they come out as masks.",
                ),
                io.Int.Input(
                    "screentone",
                    default=0,
                    min=0,
                    max=1000,
                    tooltip="Removes screentones whose dots have up to this many pixels. 0 = off.",
                ),
                io.Float.Input(
                    "sure",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="Strokes stay that are this dark somewhere (1 = black); all else is paper. 0 = off.",
                ),
                io.Float.Input(
                    "faint",
                    default=0.2,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    tooltip="How dark the rest of such a stroke has to be. Only read where sure is above 0.",
                ),
                io.Int.Input(
                    "despeckle",
                    default=8,
                    min=0,
                    max=10000,
                    tooltip="Removes pieces of ink of fewer pixels than this. 0 = off.",
                ),
                io.Int.Input(
                    "width",
                    default=0,
                    min=-32,
                    max=32,
                    tooltip="Pixels by which lines grow on each side, or below 0 get thinner, but never break.",
                ),
                io.Float.Input(
                    "line_width",
                    default=0.0,
                    min=0.0,
                    max=64.0,
                    step=0.1,
                    optional=True,
                    tooltip="Makes all lines this many pixels wide; solid black shrinks to lines too. 0 = off.",
                ),
                io.Int.Input(
                    "gaps",
                    default=0,
                    min=0,
                    max=128,
                    optional=True,
                    tooltip="Joins line ends that point at each other over gaps of up to so many pixels. 0 = off.",
                ),
                LENGTHS_FOR,
            ],
            outputs=[
                io.Image.Output(display_name="lines", tooltip="Dark lines on white, at the picture's own size."),
                io.Mask.Output(display_name="ink", tooltip="1 where there is ink."),
                io.Mask.Output(display_name="blue", tooltip="Blue pencil, where split_pencils is on."),
                io.Mask.Output(display_name="red", tooltip="Red pencil, where split_pencils is on."),
            ],
        )

    @classmethod
    def execute(cls, image, lengths_for=0, **options):
        scale = max(image.shape[1:3]) / lengths_for if lengths_for else 1.0
        like = image.new_empty(0, device=device.intermediate_device()).float()
        lines, blue, red = found = [fresh(image.shape[:3], like) for _ in range(3)]
        bar = device.progress_bar(len(image))
        for index, picture in enumerate(image.split(1)):
            parts = clean(rgb(picture.to(device.compute_device()).float()), scale, **options)
            for whole, part in zip(found, parts, strict=True):
                whole[index] = part[0]
            bar.update(1)
        return io.NodeOutput(lines[..., None].repeat(1, 1, 1, 3), 1 - lines, blue, red)


def clean(image, scale, even_paper, split_pencils, screentone, sure, faint, despeckle, width, line_width=0.0, gaps=0):
    """RGB (B, H, W, 3) -> lines, blue, red, each (B, H, W). Lengths are multiplied by scale, areas by its square."""
    if even_paper:
        image = scan.even_paper(image)
    lines = luma(image)
    blue = red = torch.zeros_like(lines)
    if split_pencils:
        lines, blue, red = scan.split_pencils(image)
    if screentone:
        lines = cleanup.remove_screentone(lines, screentone * scale**2)
    if sure:
        lines = cleanup.hysteresis(lines, faint, sure)
    if despeckle:
        lines = cleanup.despeckle(lines, despeckle * scale**2)
    wider = round(width * scale)
    lines = cleanup.thicken(lines, wider) if wider > 0 else cleanup.thin(lines, -wider)
    if line_width:
        lines = cleanup.of_width(lines, line_width * scale)
    if gaps:
        lines = close_gaps(lines, gaps * scale)
    return lines, blue, red

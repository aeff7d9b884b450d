"""LineExtract: pictures to line art."""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from comfy_api.latest import io

from ..models.host import device, networks
from ..models.line import anime2sketch, fdog, manga, realistic, sketchkeras, threshold, xdog
from ..models.line.memory import fresh
from ..models.line.polarity import black_on_white
from .common import LENGTHS_FOR, ROOT, LineartNetwork

PIXELS = 1 << 24  # that travel to the compute device at a time
LENGTHS = ("sigma", "flow", "along")  # parameters in pixels


def number(id, default, low, high, step, tooltip):
    return io.Float.Input(id, default=default, min=low, max=high, step=step, round=False, tooltip=tooltip)


WIDTH = number("sigma", 0.8, 0.1, 50.0, 0.05, "Line width in pixels: raise it for larger pictures.")
RATIO = number("k", 1.6, 1.01, 200.0, 0.1, "How much wider the surroundings of a line are than the line.")
MULTIPLY = io.Boolean.Input(
    "multiply", default=False, tooltip="Multiply by the picture before the threshold: dark areas turn black."
)
S_FORM = [
    WIDTH,
    RATIO,
    number("p", 60.0, 0.0, 1000.0, 1.0, "Sharpening: higher finds fainter lines, and paper grain."),
    number("eps", 0.2, -10.0, 10.0, 0.01, "Ink below this tone; flat areas darker than it are filled."),
    number("phi", 10.0, 0.01, 1e9, 0.1, "Hardness: 2 looks like pencil, 100 and more is pure black and white."),
    MULTIPLY,
]
D_FORM = [
    WIDTH,
    RATIO,
    number("tau", 0.984, 0.0, 1.0, 0.001, "Weight of the surroundings: nearer to 1 finds fainter lines."),
    number("eps", 0.003, -1.0, 1.0, 0.001, "Ink below this difference."),
    number("phi", 600.0, 0.01, 1e9, 1.0, "Hardness: 100 looks like pencil, 10000 is pure black and white."),
    MULTIPLY,
]
ANIMEDIFFUSION = [
    number("sigma", 0.4, 0.1, 5.0, 0.1, "Line width in pixels; the model was trained on 0.3, 0.4 and 0.5.")
]
CONTROLNET_AUX = [
    number("threshold", 32.0, 1.0, 64.0, 1.0, "Lower finds fainter lines."),
    io.Boolean.Input(
        "overflow",
        default=False,
        tooltip="As the original, whose 8-bit overflow drops lines that are 127 to 144 grey levels deep.",
    ),
]
XDOG_PYTHON = [
    number("eps", 0.01, -1.0, 1.0, 0.01, "Higher gives more black."),
    io.Boolean.Input(
        "truncate",
        default=False,
        tooltip="As the original, which rounds its blurs down to 8 bits. Slow on large pictures.",
    ),
]
STANDARD = [
    number("sigma", 6.0, 0.1, 50.0, 0.5, "Size in pixels of the surroundings that a line is compared with."),
    number("threshold", 8.0, 0.0, 255.0, 1.0, "Contrast is set by what is deeper than this (grey levels)."),
]
GREY_LEVEL = [
    io.Int.Input(
        "level",
        default=0,
        min=0,
        max=255,
        tooltip="Ink up to this grey level; 0 finds the level of each picture by itself (Otsu).",
    )
]
CHANNEL_LEVEL = [
    io.Int.Input(
        "level",
        default=127,
        min=1,
        max=255,
        tooltip="Ink where any colour channel is below this level: coloured lines stay.",
    )
]


FDOG = [
    *S_FORM[:-1],
    number("flow", 3.0, 0.5, 50.0, 0.5, "How far directions are averaged, in pixels: more makes smoother lines."),
    number("along", 3.0, 0.0, 50.0, 0.5, "Smoothing along the lines, in pixels: closes gaps of about that width."),
]
SKETCHKERAS = [
    io.Combo.Input(
        "output",
        options=list(sketchkeras.OUTPUTS),
        default="enhanced",
        tooltip="plain: all ink. enhanced, pured: faint ink turns to paper, below 10 or 18 percent. "
        "colored: each colour channel by itself.",
    ),
    io.Combo.Input(
        "upsampling",
        options=["nearest", "bicubic"],
        tooltip="Inside the network. nearest: as it was trained. bicubic: as ColorizeDiffusion runs it.",
    ),
]


class Method(NamedTuple):
    extract: Callable  # ([network,] RGB, **inputs by id) -> lines (B, H, W) or (B, H, W, 3), 0 = ink
    inputs: list
    network: str | None = None  # the kind that must be connected


METHODS = {
    "xdog": Method(xdog.xdog, S_FORM),
    "xdog (D form)": Method(xdog.xdog, D_FORM),
    "xdog (AnimeDiffusion)": Method(xdog.animediffusion, ANIMEDIFFUSION),
    "xdog (controlnet_aux)": Method(xdog.controlnet_aux, CONTROLNET_AUX),
    "xdog (XDoG-Python)": Method(xdog.xdog_python, XDOG_PYTHON),
    "standard": Method(xdog.standard, STANDARD),
    "threshold": Method(threshold.binary, GREY_LEVEL),
    "threshold (any channel)": Method(threshold.darkest, CHANNEL_LEVEL),
    "none": Method(xdog.luminance, []),
    "fdog": Method(fdog.fdog, FDOG),
    "sketchkeras": Method(sketchkeras.extract, SKETCHKERAS, "sketchkeras"),
    "anime2sketch": Method(anime2sketch.extract, [], "anime2sketch"),
    "manga": Method(manga.extract, [], "manga"),
    "realistic": Method(realistic.extract, [], "realistic"),
}


class LineExtract(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineExtract",
            display_name="Line Extract",
            category=f"{ROOT}/lines",
            description="Line art from pictures: black ink on white paper at the picture's own size, "
            "and a mask of the ink. Transparent pictures are laid on white.",
            search_aliases=["xdog", "lineart", "line art", "sketch", "edges", "preprocessor", "ink"],
            inputs=[
                io.Image.Input("image", tooltip="Pictures of any size, each worked on by itself."),
                io.DynamicCombo.Input(
                    "method",
                    options=[io.DynamicCombo.Option(key, method.inputs) for key, method in METHODS.items()],
                    tooltip="xdog: for any picture, or as AnimeDiffusion, controlnet_aux and XDoG-Python do. "
                    "fdog: the same along the flow of the lines, smoother. "
                    "standard: soft pencil lines. threshold: cleans a scan. none: is line art already. "
                    "The last four draw with the connected network.",
                ),
                io.Combo.Input(
                    "invert",
                    options=["auto", "yes", "no"],
                    tooltip="For light lines on a dark ground. auto: where more than half of a picture is "
                    "one flat dark tone.",
                ),
                LineartNetwork.Input(
                    "network",
                    optional=True,
                    tooltip="From LineartNetworkLoader, for the methods named after a network.",
                ),
                LENGTHS_FOR,
            ],
            outputs=[
                io.Image.Output(display_name="lines", tooltip="Black ink on white, at the picture's own size."),
                io.Mask.Output(display_name="ink", tooltip="1 where there is ink."),
            ],
        )

    @classmethod
    def execute(cls, image, method, invert="auto", network=None, lengths_for=0):
        parameters = dict(method)
        name = parameters.pop("method")
        batch, height, width, channels = image.shape
        if not 1 <= channels <= 4:
            raise ValueError(f"Line Extract reads pictures of 1 to 4 channels, but this one has {channels}.")
        if lengths_for:
            scale = max(height, width) / lengths_for
            parameters |= {id: parameters[id] * scale for id in LENGTHS if id in parameters}
        extract, step = extractor(name, parameters, network, height * width)
        picture = fresh((batch, height, width, 3), image.new_empty(0, device=device.intermediate_device()).float())
        bar = device.progress_bar(batch)
        for first in range(0, batch, step):
            pictures = image[first : first + step].to(device.compute_device()).float()
            lines = extract(black_on_white(pictures, invert))
            picture[first : first + step] = lines if lines.ndim == 4 else lines[..., None]
            bar.update(len(pictures))
        return io.NodeOutput(picture, xdog.ink(picture.amin(-1)))


def extractor(name, parameters, network, pixels):
    """A method with its parameters, as a function of RGB, and how many pictures of that many pixels it gets."""
    method = METHODS[name]
    if method.network is None:
        return partial(method.extract, **parameters), max(1, PIXELS // pixels)
    networks.expect(network, method.network, f"The method {name}")
    run = networks.loaded(network)
    return partial(method.extract, run, **parameters), max(1, run.pixels // pixels)

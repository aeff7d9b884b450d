"""What several nodes share."""

from comfy_api.latest import io

ROOT = "lineart colorize"

LINE = "The drawing, black ink on white, any size; LineExtract makes one from a picture."
POSITIVE = "Conditioning to add to, e.g. with an area or a mask; a blank one is made if nothing is connected."
NEGATIVE = "The same for the negative side. It gets the drawing without guidance. Only read where cfg is above 1."
TOKENS = "Positive of ReferenceTokens with a CLIP_VISION connected."
TEXT_CLIP = "CLIP ViT-H from CLIPLoader, the one whose CLIP_VISION saw the reference."

REGIONS = "Regions of the same drawing, from LineartRegions."
PALETTE = "Paints, from LineartPalette."

LineartNetwork = io.Custom("LINEART_NETWORK")  # a ModelPatcher of a one-pass network
LineartRegions = io.Custom("LINEART_REGIONS")  # models.flats.regions.Regions

REGIONS_IF_ANY = LineartRegions.Input("regions", optional=True, tooltip=f"{REGIONS} Found anew if not connected.")

STROKES_AT = io.Mask.Input(
    "mask",
    optional=True,
    tooltip="Where the strokes are: the MASK of LoadImage (a picture with transparency) or of "
    "Painter. Without it, everything that is not of the commonest colour is a stroke.",
)
MASK_IS = io.Combo.Input(
    "mask_is",
    options=["auto", "strokes", "transparency"],
    default="auto",
    tooltip="strokes: white on the strokes, as Painter gives it. transparency: white beside "
    "them, as LoadImage gives it. auto: strokes are the smaller part.",
    advanced=True,
)

LENGTHS_FOR = io.Int.Input(
    "lengths_for",
    default=0,
    min=0,
    max=16384,
    optional=True,
    tooltip="The longer side of the picture that lengths are meant for: on one twice as large they double. "
    "0: they are pixels of the picture as it is.",
)


def threshold(number, default):
    """One of the four that part the bands of LineartTextManipulation and LineartTextHeatMap."""
    return io.Float.Input(
        f"threshold_{number}",
        default=default,
        min=0.0,
        max=1.0,
        step=0.01,
        tooltip=f"Where band {number} of the heat map ends and the next begins. The four must rise.",
        advanced=True,
    )


def expect_window(start, end):
    """Checks that a part of the sampling begins before it ends."""
    if start > end:
        raise ValueError(f"Expected start below end, found {start:g} and {end:g}: there would be no step between them.")

"""What several nodes share."""

from comfy_api.latest import io

ROOT = "lineart colorize"

LINE = "The drawing, black ink on white, any size; LineExtract makes one from a picture."
POSITIVE = "Conditioning to add to, e.g. with an area or a mask; a blank one is made if nothing is connected."
NEGATIVE = "The same for the negative side. It gets the drawing without guidance. Only read where cfg is above 1."
TOKENS = "Positive of ReferenceTokens with a CLIP_VISION connected."
TEXT_CLIP = "CLIP ViT-H from CLIPLoader, the one whose CLIP_VISION saw the reference."

LineartNetwork = io.Custom("LINEART_NETWORK")  # a ModelPatcher of a one-pass network


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

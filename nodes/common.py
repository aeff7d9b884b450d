"""What several nodes share."""

from comfy_api.latest import io

ROOT = "lineart colorize"

LINE = "The drawing, black ink on white, any size; LineExtract makes one from a picture."
POSITIVE = "Conditioning to add to, e.g. with an area or a mask; a blank one is made if nothing is connected."
NEGATIVE = "The same for the negative side. It gets the drawing without guidance. Only read where cfg is above 1."

LineartNetwork = io.Custom("LINEART_NETWORK")  # a ModelPatcher of a one-pass network

LENGTHS_FOR = io.Int.Input(
    "lengths_for",
    default=0,
    min=0,
    max=16384,
    optional=True,
    tooltip="The longer side of the picture that lengths are meant for: on one twice as large they double. "
    "0: they are pixels of the picture as it is.",
)

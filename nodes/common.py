"""What several nodes share."""

from comfy_api.latest import io

ROOT = "lineart colorize"

LINE = "The drawing, black ink on white, any size; LineExtract makes one from a picture."
POSITIVE = "Conditioning to add to, e.g. with an area or a mask; a blank one is made if nothing is connected."
NEGATIVE = "The same for the negative side. It gets the drawing without guidance. Only read where cfg is above 1."

REGIONS = "Regions of the same drawing, from LineartRegions."
PALETTE = "Paints, from LineartPalette."

LineartNetwork = io.Custom("LINEART_NETWORK")  # a ModelPatcher of a one-pass network
LineartRegions = io.Custom("LINEART_REGIONS")  # models.flats.regions.Regions

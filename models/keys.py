"""Names under which guidance travels in CONDITIONING dicts; every value is unencoded, float, 0..1.

The dict is shared with every other node pack, hence the prefix.
"""

LINE = "lineart_line"  # BHWC, black ink on white
SCRIBBLE = "lineart_scribble"  # BHWC, colours of the strokes, meaningful where the mask is 1
SCRIBBLE_MASK = "lineart_scribble_mask"  # BHW, 1 = a stroke is here
REFERENCE = "lineart_reference"  # BHWC
REFERENCE_MASK = "lineart_reference_mask"  # BHW
BACKGROUND = "lineart_background"  # BHWC
OPTIONS = "lineart_options"  # dict of numbers
EMPTY = "lineart_empty"  # True on a conditioning made from nothing: the MODEL widens its tokens

"""Names under which guidance travels in CONDITIONING dicts; every value is unencoded, float, 0..1.

The dict is shared with every other node pack, hence the prefix.
"""

LINE = "lineart_line"  # BHWC, black ink on white
SCRIBBLE = "lineart_scribble"  # BHWC, colours of the strokes, meaningful where the mask is 1
SCRIBBLE_MASK = "lineart_scribble_mask"  # BHW, 1 = a stroke is here
REFERENCE = "lineart_reference"  # BHWC
REFERENCE_MASK = "lineart_reference_mask"  # BHW
REFERENCE_WHOLE = "lineart_reference_whole"  # (B, m, C), CLIP's token of each whole one of the m references in cond[0]
BACKGROUND = "lineart_background"  # BHWC
OPTIONS = "lineart_options"  # dict of numbers
STRENGTH = "reference_strength"  # in the options: 0..1, of all that the model reads of the reference's tokens
EMPTY = "lineart_empty"  # True on a conditioning made from nothing: the MODEL widens its tokens

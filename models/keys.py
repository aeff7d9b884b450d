"""Names under which guidance travels in CONDITIONING dicts; every value is unencoded, float, 0..1.

The dict is shared with every other node pack, hence the prefix.
"""

LINE = "lineart_line"  # BHWC, black ink on white
FOREGROUND = "lineart_foreground"  # BHW, figures of the drawing
SCRIBBLE = "lineart_scribble"  # BHWC, colours of the strokes, meaningful where the mask is 1
SCRIBBLE_MASK = "lineart_scribble_mask"  # BHW, 1 = a stroke is here
REFERENCE = "lineart_reference"  # BHWC
REFERENCE_MASK = "lineart_reference_mask"  # BHW, how far the reference counts
REFERENCE_FOREGROUND = "lineart_reference_foreground"  # BHW, figures of the reference
BACKGROUND = "lineart_background"  # BHWC, a background of its own
TOKENS = "lineart_tokens"  # (B, n, C) of the reference, on both sides; the guided side has them as its tokens too
WHOLE = "lineart_whole"  # (B, m, C), CLIP's token of each of the m references as a whole, whose others are the n
BACKGROUND_TOKENS = "lineart_background_tokens"  # (B, n, C) of the background, or of the reference without its figures
BACKGROUND_WHOLE = "lineart_background_whole"  # (B, m, C), of its m pictures as wholes
VAE = "lineart_vae"  # VAE, for latents that need the size of the noise
OPTIONS = "lineart_options"  # dict of numbers, see reading.Options
EMPTY = "lineart_empty"  # True on a conditioning made from nothing: the MODEL widens its tokens

from comfy_api.latest import io

from ..models import keys
from ..models.colorizediffusion.tokens import CONCATENATED, EACH, SEVERAL, combine, read_weights
from ..models.conditioning import blank, with_options, with_tokens, with_values, without_guidance
from ..models.host import clip
from ..models.image import repeat_batch, resize, rgb
from ..models.reference import ground_of, on_white, read_reference, widen
from .common import LINE, NEGATIVE, POSITIVE, ROOT, LineartNetwork


class ReferenceTokens(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ReferenceTokens",
            display_name="Reference Tokens",
            category=f"{ROOT}/conditioning",
            description="A reference picture and line art to conditioning: the drawing takes the reference's colours.",
            search_aliases=["reference colorization", "colour reference", "reference image", "style image"],
            inputs=[
                io.Image.Input(
                    "reference",
                    tooltip=(
                        "Picture to take the colours from, any size. One picture serves every frame, a batch goes "
                        "frame by frame."
                    ),
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How firmly the reference counts. 1 = as it is, 0 = white paper.",
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="The part of the reference that counts, e.g. one of its figures. All black counts as none.",
                ),
                io.Image.Input("line", optional=True, tooltip=LINE),
                io.Conditioning.Input("positive", optional=True, tooltip=POSITIVE),
                io.Conditioning.Input("negative", optional=True, tooltip=NEGATIVE),
                io.ClipVision.Input(
                    "clip_vision",
                    optional=True,
                    tooltip=(
                        "CLIP from CLIPVisionLoader: ColorizeDiffusion sees the reference through it. ViT-H, for XL "
                        "ViT-bigG."
                    ),
                ),
                io.Float.Input(
                    "padding",
                    default=1.0,
                    min=1.0,
                    max=2.0,
                    step=0.05,
                    optional=True,
                    tooltip="Width of the reference with white margins left and right, in its own widths.",
                    advanced=True,
                ),
                io.Combo.Input(
                    "several",
                    options=list(SEVERAL),
                    default=EACH,
                    optional=True,
                    tooltip=(
                        "What a batch of references is to CLIP: one for each drawing, or all for the same drawing, "
                        "which looks at every one (concatenated) or at their mixture (averaged)."
                    ),
                    advanced=True,
                ),
                io.String.Input(
                    "weights",
                    default="",
                    optional=True,
                    tooltip="How much each of several references counts to CLIP, such as 1, 0.5. Empty: all the same.",
                    advanced=True,
                ),
                io.Mask.Input(
                    "foreground",
                    optional=True,
                    tooltip="Figures of the drawing: they and their ground are coloured after parts of their own.",
                ),
                io.Mask.Input(
                    "reference_foreground",
                    optional=True,
                    tooltip="Figures of the reference. The ground of the drawing is coloured after the rest.",
                ),
                io.Image.Input(
                    "background",
                    optional=True,
                    tooltip="Another picture for the ground of the drawing to take its colours from.",
                ),
                io.Vae.Input(
                    "vae",
                    optional=True,
                    tooltip="VAE of ColorizeModelLoader: needed by ColorizeDiffusion v2, and for attention injection.",
                ),
                io.Float.Input(
                    "reference_threshold",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.01,
                    optional=True,
                    tooltip="From which value on reference_foreground is a figure.",
                    advanced=True,
                ),
                LineartNetwork.Input(
                    "tagger",
                    optional=True,
                    tooltip="wd-v1-4-swinv2-tagger-v2 from LineartNetworkLoader: ColorizeDiffusion XL reads it too.",
                ),
                io.Mask.Input(
                    "background_foreground",
                    optional=True,
                    tooltip="Figures of the background picture. They are left out of it, as those of the reference.",
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Drawing and reference."),
                io.Conditioning.Output(display_name="negative", tooltip="The drawing with white paper as reference."),
            ],
        )

    @classmethod
    def execute(
        cls,
        reference,
        strength=1.0,
        mask=None,
        line=None,
        positive=None,
        negative=None,
        clip_vision=None,
        padding=1.0,
        several=EACH,
        weights="",
        foreground=None,
        reference_foreground=None,
        background=None,
        vae=None,
        reference_threshold=0.5,
        tagger=None,
        background_foreground=None,
    ):
        picture, counts = read_reference(reference, mask)
        foreground, figures, hidden = map(given, (foreground, reference_foreground, background_foreground))
        figures = figures if figures is None else with_margins(figures, picture, padding)
        picture, counts = widen(picture, padding), widen(counts[..., None], padding)
        if background is not None:
            background = rgb(background)
            if hidden is not None:
                figures = with_margins(hidden, background, padding)
                background = ground_of(background, hidden, reference_threshold)
            background = widen(background, padding)

        shown = slice(None) if several == EACH else slice(1)
        values = {
            keys.REFERENCE: picture[shown],
            keys.REFERENCE_MASK: counts[shown, ..., 0] * strength,
            keys.LINE: line,
            keys.FOREGROUND: foreground,
            keys.REFERENCE_FOREGROUND: figures if figures is None else figures[shown],
            keys.BACKGROUND: background,
            keys.VAE: vae,
        }
        if clip_vision is not None:
            shares = read_weights(weights, len(picture))
            sight = clip_vision, tagger
            whole, tokens = see(*sight, on_white(picture, counts), shares, several)
            ground = None
            if background is not None:
                ground = see(*sight, background, [1.0] * len(background), EACH)
            elif figures is not None:
                ground = see(
                    *sight, ground_of(on_white(picture, counts), figures, reference_threshold), shares, several
                )
            if ground is not None:
                values[keys.BACKGROUND_WHOLE], values[keys.BACKGROUND_TOKENS] = ground

        values = {key: value for key, value in values.items() if value is not None}
        sides = [side and with_values(side, values) for side in (positive or blank(), negative)]
        if clip_vision is not None:
            sides = [side and with_tokens(side, tokens, whole, several == CONCATENATED) for side in sides]
            numbers = {} if figures is None else {"reference_threshold": reference_threshold}
            sides = [side and with_options(side, strength=strength, **numbers) for side in sides]
        positive, negative = sides
        return io.NodeOutput(positive, without_guidance(negative or positive))


def see(clip_vision, tagger, pictures, shares, several):
    """Tokens of the pictures as wholes and of their parts."""
    tokens = clip.reference_tokens(clip_vision, tagger, pictures)
    return [combine(part, shares, several) for part in (tokens[:, :1], tokens[:, 1:])]


def with_margins(figures, picture, padding):
    """A mask at the size of a picture (B, H, W, C) that gets margins, in which there are no figures: (B, H, W)."""
    figures = resize(repeat_batch(figures, len(picture))[..., None].to(picture), *picture.shape[1:3])
    return 1 - widen(1 - figures, padding)[..., 0]


def given(mask):
    """A mask, or None for one that is all 0: LoadImage gives that for a picture without transparency."""
    mask = mask if mask is None else mask.nan_to_num(0).clamp(0, 1)
    return mask if mask is not None and mask.any() else None

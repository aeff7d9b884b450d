from comfy_api.latest import io

from ..models import keys
from ..models.colorizediffusion.tokens import CONCATENATED, EACH, SEVERAL, combine, read_weights
from ..models.conditioning import blank, with_options, with_tokens, with_values, without_guidance
from ..models.host import clip
from ..models.reference import on_white, read_reference, widen
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
                LineartNetwork.Input(
                    "tagger",
                    optional=True,
                    tooltip="wd-v1-4-swinv2-tagger-v2 from LineartNetworkLoader: ColorizeDiffusion XL reads it too.",
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
        tagger=None,
    ):
        picture, counts = read_reference(reference, mask)
        picture, counts = widen(picture, padding), widen(counts[..., None], padding)
        shown = slice(None) if several == EACH else slice(1)
        values = {keys.REFERENCE: picture[shown], keys.REFERENCE_MASK: counts[shown, ..., 0] * strength}
        if line is not None:
            values[keys.LINE] = line
        sides = [side and with_values(side, values) for side in (positive or blank(), negative)]
        if clip_vision is not None:
            shares = read_weights(weights, len(picture))
            tokens = clip.reference_tokens(clip_vision, tagger, on_white(picture, counts))
            whole, tokens = (combine(part, shares, several) for part in (tokens[:, :1], tokens[:, 1:]))
            sides = [side and with_tokens(side, tokens, whole, several == CONCATENATED) for side in sides]
            sides = [side and with_options(side, strength=strength) for side in sides]
        positive, negative = sides
        return io.NodeOutput(positive, without_guidance(negative or positive))

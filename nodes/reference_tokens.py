from comfy_api.latest import io

from ..models import keys
from ..models.conditioning import blank, with_values, without_guidance
from ..models.reference import read_reference
from .common import LINE, NEGATIVE, POSITIVE, ROOT


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
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Drawing and reference."),
                io.Conditioning.Output(display_name="negative", tooltip="The drawing with white paper as reference."),
            ],
        )

    @classmethod
    def execute(cls, reference, strength=1.0, mask=None, line=None, positive=None, negative=None):
        picture, counts = read_reference(reference, mask)
        values = {keys.REFERENCE: picture, keys.REFERENCE_MASK: counts * strength}
        if line is not None:
            values[keys.LINE] = line
        positive = with_values(positive or blank(), values)
        negative = without_guidance(with_values(negative, values) if negative else positive)
        return io.NodeOutput(positive, negative)

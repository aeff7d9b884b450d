from comfy_api.latest import io

from ..models import keys
from ..models.conditioning import blank, with_values, without_guidance
from ..models.scribble import read_strokes
from .common import LINE, MASK_IS, NEGATIVE, POSITIVE, ROOT, STROKES_AT


class ScribbleEncoder(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="ScribbleEncoder",
            display_name="Scribble Encoder",
            category=f"{ROOT}/conditioning",
            description=(
                "Colour strokes and line art to conditioning. Without a scribble the model chooses its own colours."
            ),
            search_aliases=["color hints", "colour strokes", "scribble colorization", "stroke conditioning"],
            inputs=[
                io.Image.Input(
                    "scribble",
                    optional=True,
                    tooltip=(
                        "Picture with the colour strokes, any size; it is laid over the whole drawing. "
                        "One picture serves every frame, a batch goes frame by frame."
                    ),
                ),
                STROKES_AT,
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How firmly the strokes count. 1 = as drawn, 0 = not at all.",
                ),
                MASK_IS,
                io.Image.Input("line", optional=True, tooltip=LINE),
                io.Conditioning.Input("positive", optional=True, tooltip=POSITIVE),
                io.Conditioning.Input("negative", optional=True, tooltip=NEGATIVE),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="Drawing and strokes."),
                io.Conditioning.Output(display_name="negative", tooltip="The drawing without strokes."),
            ],
        )

    @classmethod
    def execute(cls, scribble=None, mask=None, strength=1.0, mask_is="auto", line=None, positive=None, negative=None):
        values = {}
        if line is not None:
            values[keys.LINE] = line
        if scribble is not None:
            colours, stroke = read_strokes(scribble, mask, mask_is, line)
            values |= {keys.SCRIBBLE: colours, keys.SCRIBBLE_MASK: stroke * strength}
        positive = with_values(positive or blank(), values)
        negative = without_guidance(with_values(negative, values) if negative else positive)
        return io.NodeOutput(positive, negative)

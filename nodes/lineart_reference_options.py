from comfy_api.latest import io

from ..models.conditioning import with_options, without_guidance
from ..models.reading import INJECTIONS, SPLITS, read_strengths
from .common import ROOT, TOKENS, expect_window


def number(name, default, tooltip, most=1.0, least=0.0, advanced=True):
    return io.Float.Input(name, default=default, min=least, max=most, step=0.05, tooltip=tooltip, advanced=advanced)


class LineartReferenceOptions(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartReferenceOptions",
            display_name="Line Art Reference Options",
            category=f"{ROOT}/conditioning",
            description=(
                "How ColorizeDiffusion reads its reference: how strongly where, figures and ground apart, when, "
                "style, and injected features. What is left as it is changes nothing."
            ),
            search_aliases=[
                "colorizediffusion options",
                "attention injection",
                "reference strength",
                "fg bg enhance",
                "style enhance",
            ],
            inputs=[
                io.Conditioning.Input("positive", tooltip=TOKENS),
                number("sketch_strength", 1.0, "How firmly the lines count.", 3.0, advanced=False),
                io.Combo.Input(
                    "split",
                    options=list(SPLITS),
                    default="background",
                    tooltip=(
                        "With a foreground mask on ReferenceTokens, who is coloured after a part of their own: the "
                        "ground (background), the figures by layers made for them (foreground), both, or nobody (off)."
                    ),
                ),
                io.Boolean.Input(
                    "style",
                    default=False,
                    tooltip="ColorizeDiffusion v2: the reference also sets tone and light of the whole. Needs a VAE.",
                ),
                io.Combo.Input(
                    "injection",
                    options=list(INJECTIONS),
                    default="off",
                    tooltip=(
                        "Attention injection: also looks at the reference itself in every step, for closer likeness. "
                        "exact doubles the time, fast takes half as much more. Needs a VAE."
                    ),
                ),
                number("encoder_strength", 1.0, "Strength of the reference at the finest level of the encoder."),
                number("color_strength", 1.0, "Strength of the reference at the middle level: colours."),
                number("semantics_strength", 1.0, "Strength of the reference at the low level: what is what."),
                io.String.Input(
                    "block_strengths",
                    default="",
                    tooltip=(
                        "One strength for each transformer block, with commas between them, in place of the three "
                        "levels: 16 for v1 to v2, 70 for XL. Empty: by levels."
                    ),
                    advanced=True,
                ),
                number("sketch_threshold", 0.05, "From which value on the foreground mask is a figure."),
                number("merge", 0.0, "How much of the ground's colours the figures take."),
                number("foreground_strength", 1.0, "Strength of the reference in the figures."),
                number("background_strength", 1.0, "Strength of the reference in the ground."),
                number("background_factor", 1.0, "ColorizeDiffusion v2: weight of the background's features.", 2.0),
                number("start", 0.0, "Progress of sampling from which the reference is read."),
                number("end", 1.0, "Progress of sampling up to which the reference is read."),
                number("pause_start", -0.05, "Start of a pause in reading the reference; below 0: none.", least=-0.05),
                number("pause_end", -0.05, "End of that pause.", least=-0.05),
                number("injection_start", 0.0, "Progress of sampling from which injected features are read."),
                number(
                    "injection_fidelity",
                    0.5,
                    "How little the side without reference reads of the injected features: more, more alike.",
                ),
                number("injection_sketch", 0.0, "How much the reference's own lines count for its features.", 2.0),
                io.Conditioning.Input("negative", optional=True, tooltip="Negative of ReferenceTokens."),
                io.String.Input(
                    "sketch_levels",
                    default="",
                    optional=True,
                    tooltip=(
                        "Strengths of the lines from fine to coarse, with commas between them, times sketch_strength: "
                        "4 for XL, 5 for the others. Those not given are 1."
                    ),
                    advanced=True,
                ),
                io.Boolean.Input(
                    "true_rotation",
                    default=False,
                    optional=True,
                    tooltip=(
                        "XL: reads the lines as the network was trained to. Off: as the authors' application does, "
                        "which loses a part of it."
                    ),
                    advanced=True,
                ),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The same with these options."),
                io.Conditioning.Output(display_name="negative", tooltip="The same, so that both sides run together."),
            ],
        )

    @classmethod
    def execute(cls, positive, negative=None, block_strengths="", sketch_levels="", start=0.0, end=1.0, **numbers):
        expect_window(start, end)
        strengths = {"block_strengths": read_strengths(block_strengths), "sketch_levels": read_strengths(sketch_levels)}
        numbers |= {"start": start, "end": end, **strengths}
        sides = [with_options(side, **numbers) for side in (positive, negative or without_guidance(positive))]
        return io.NodeOutput(*sides)

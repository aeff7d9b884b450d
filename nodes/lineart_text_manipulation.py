from comfy_api.latest import io

from ..models.colorizediffusion.manipulation import THRESHOLDS, check_thresholds, move_all, move_part
from ..models.conditioning import reference_of, with_moved_tokens, without_guidance
from ..models.host import clip as text
from .common import ROOT, TEXT_CLIP, TOKENS, threshold


class LineartTextManipulation(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartTextManipulation",
            display_name="Line Art Text Manipulation",
            category=f"{ROOT}/conditioning",
            description=(
                "Changes what the reference says by words, such as the colour of the hair. "
                "Several such nodes make a chain."
            ),
            search_aliases=["text manipulation", "edit reference", "prompt", "colorizediffusion text"],
            inputs=[
                io.Conditioning.Input("positive", tooltip=TOKENS),
                io.Clip.Input("clip", tooltip=TEXT_CLIP),
                io.String.Input("target", default="", tooltip="What there shall be, such as: blue hair."),
                io.String.Input(
                    "anchor",
                    default="",
                    tooltip="What it takes the place of, such as: red hair. Empty or none: nothing, it is added.",
                ),
                io.String.Input(
                    "control",
                    default="",
                    tooltip="The part of the reference that changes, such as: hair. Only read where reach is local.",
                ),
                io.Float.Input(
                    "scale",
                    default=6.0,
                    min=0.0,
                    max=15.0,
                    step=0.25,
                    tooltip="How strongly the target shall be there. 0: nothing changes.",
                ),
                io.Combo.Input(
                    "reach",
                    options=["local", "global"],
                    tooltip="local: places change by their band of the heat map of control. global: all places alike.",
                ),
                io.Boolean.Input(
                    "enhance",
                    default=False,
                    tooltip="Also takes away what there is of the anchor; for a global change without one, adds more.",
                    advanced=True,
                ),
                *(threshold(number, default) for number, default in enumerate(THRESHOLDS, start=1)),
                io.Conditioning.Input("negative", optional=True, tooltip="Negative of ReferenceTokens."),
            ],
            outputs=[
                io.Conditioning.Output(display_name="positive", tooltip="The same with the reference changed."),
                io.Conditioning.Output(
                    display_name="negative", tooltip="The same: models may read the reference there."
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        positive,
        clip,
        target,
        anchor="",
        control="",
        scale=6.0,
        reach="local",
        enhance=False,
        threshold_1=THRESHOLDS[0],
        threshold_2=THRESHOLDS[1],
        threshold_3=THRESHOLDS[2],
        threshold_4=THRESHOLDS[3],
        negative=None,
    ):
        negative = negative or without_guidance(positive)
        if not scale:
            return io.NodeOutput(positive, negative)
        thresholds = (threshold_1, threshold_2, threshold_3, threshold_4)
        target, anchor, control = (words.strip() for words in (target, anchor, control))
        check_prompts(target, control, reach)
        check_thresholds(thresholds)
        width = reference_of(positive)[1].shape[-1]

        def feature(words):
            return text.text_feature(clip, words, width)

        wanted = feature(target)
        replaced = None if anchor in ("", "none") else feature(anchor)
        part = feature(control) if reach == "local" else None

        def move(tokens, whole):
            if reach == "global":
                return [move_all(each, wanted, replaced, scale, enhance) for each in (tokens, whole)]
            return move_part(tokens, whole, wanted, replaced, part, scale, enhance, thresholds), whole

        return io.NodeOutput(with_moved_tokens(positive, move), with_moved_tokens(negative, move))


def check_prompts(target, control, reach):
    if not target:
        raise ValueError("A text manipulation needs words for the target, such as: blue hair.")
    if not control and reach == "local":
        raise ValueError(
            "A local text manipulation needs words for control, the part that changes, such as: hair. "
            "To change the whole picture set reach to global."
        )

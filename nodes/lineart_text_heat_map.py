from comfy_api.latest import io, ui

from ..models.colorizediffusion.heatmap import heat_map
from ..models.colorizediffusion.manipulation import THRESHOLDS, check_thresholds
from ..models.conditioning import reference_of
from ..models.host import clip as text
from .common import ROOT, TEXT_CLIP, TOKENS, threshold


class LineartTextHeatMap(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartTextHeatMap",
            display_name="Line Art Text Heat Map",
            category=f"{ROOT}/conditioning",
            description="Shows where in the reference a text is, in the five bands of LineartTextManipulation.",
            search_aliases=["heat map", "token similarity", "text correlation", "threshold preview"],
            inputs=[
                io.Conditioning.Input("positive", tooltip=TOKENS),
                io.Clip.Input("clip", tooltip=TEXT_CLIP),
                io.String.Input("prompt", default="", tooltip="What to look for, such as: hair."),
                *(threshold(number, default) for number, default in enumerate(THRESHOLDS, start=1)),
            ],
            outputs=[
                io.Image.Output(display_name="heat map", tooltip="The reference under five colours, blue to brown."),
                io.Mask.Output(display_name="similarity", tooltip="The numbers that the thresholds part, 0..1."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(
        cls,
        positive,
        clip,
        prompt,
        threshold_1=THRESHOLDS[0],
        threshold_2=THRESHOLDS[1],
        threshold_3=THRESHOLDS[2],
        threshold_4=THRESHOLDS[3],
    ):
        thresholds = (threshold_1, threshold_2, threshold_3, threshold_4)
        check_thresholds(thresholds)
        if not prompt.strip():
            raise ValueError("The heat map needs words to look for, such as: hair.")
        reference, tokens = reference_of(positive)
        feature = text.text_feature(clip, prompt.strip(), tokens.shape[-1])
        picture, similarity = heat_map(reference, tokens, feature, thresholds)
        return io.NodeOutput(picture, similarity, ui=ui.PreviewImage(picture, cls=cls))

from comfy_api.latest import io

from ..models import tps
from ..models.host import device
from .common import ROOT

POINTS = {"grid (SCFT)": tps.moved_grid, "diagonal (AnimeDiffusion)": tps.moved_diagonal}


class LineartAugmentedReference(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartAugmentedReference",
            display_name="Line Art Augmented Reference",
            category=f"{ROOT}/image",
            description=(
                "Bends a picture and shifts its colours, as reference colorizers do in training: a test reference "
                "for the picture's own line art, with the picture itself as the right answer."
            ),
            search_aliases=["thin plate spline", "tps warp", "self reference", "color jitter", "distort"],
            inputs=[
                io.Image.Input("image", tooltip="Pictures of any size; each is bent its own way."),
                io.Int.Input(
                    "seed",
                    default=0,
                    min=0,
                    max=0xFFFFFFFFFFFFFFFF,
                    control_after_generate=True,
                    tooltip="Another seed, another warp.",
                ),
                io.Float.Input(
                    "strength",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far points move: 1 = up to a quarter of the picture, as in training; 0 = no warp.",
                ),
                io.Float.Input(
                    "jitter",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="How far each colour channel is shifted: 1 = up to 50 of 255, as SCFT is trained; 0 = not.",
                ),
                io.Combo.Input(
                    "points",
                    options=list(POINTS),
                    tooltip=(
                        "grid: nine points move every way, corners too. diagonal: corners stay, two points slide "
                        "along a diagonal."
                    ),
                ),
            ],
            outputs=[io.Image.Output(display_name="IMAGE", tooltip="The reference, at the picture's own size.")],
        )

    @classmethod
    def execute(cls, image, seed, strength=1.0, jitter=0.0, points="grid (SCFT)"):
        picture = image.to(device.compute_device())
        augmented = tps.augment(picture, seed, strength, jitter, POINTS[points])
        return io.NodeOutput(augmented.to(device.intermediate_device()))

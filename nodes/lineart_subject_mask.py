from comfy_api.latest import io

from ..models.host import device, networks
from ..models.image import rgb
from ..models.line import isnet
from ..models.line.memory import fresh
from .common import ROOT, LineartNetwork

FINDERS = {"picture": isnet.subject, "line drawing": isnet.figures}


class LineartSubjectMask(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartSubjectMask",
            display_name="Line Art Subject Mask",
            category=f"{ROOT}/lines",
            description="Where the subject of a picture is, or the inside of the figures of a line drawing, by ISNet.",
            search_aliases=["isnet", "segment", "remove background", "foreground mask", "anime segmentation"],
            inputs=[
                io.Image.Input("image", tooltip="Pictures of any size, each worked on by itself."),
                LineartNetwork.Input("network", tooltip="ISNet from LineartNetworkLoader."),
                io.Combo.Input(
                    "image_is",
                    options=list(FINDERS),
                    tooltip="picture: for isnetis. line drawing, black on white: for sketch-segment.",
                ),
                io.Int.Input(
                    "grow",
                    default=0,
                    min=0,
                    max=256,
                    tooltip="Pixels by which the mask grows in all directions. ColorizeDiffusion uses 5, its XL 10.",
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask", tooltip="1 where the subject is.")],
        )

    @classmethod
    def execute(cls, image, network, image_is="picture", grow=0):
        networks.expect(network, "isnet", "Line Art Subject Mask")
        run, bar = networks.loaded_whole(network), device.progress_bar(len(image))
        mask = fresh(image.shape[:3], image.new_empty(0, device=device.intermediate_device()).float())
        for index, picture in enumerate(image.split(1)):
            picture = rgb(picture.to(device.compute_device()).float())
            mask[index] = FINDERS[image_is](run, picture, reach=grow)[0]
            bar.update(1)
        return io.NodeOutput(mask)

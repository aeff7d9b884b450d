from comfy_api.latest import io

from ..models.host import folders, networks
from .common import ROOT, LineartNetwork


class LineartNetworkLoader(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="LineartNetworkLoader",
            display_name="Load Line Art Network",
            category=f"{ROOT}/loaders",
            description=(
                "Loads a network that works in one pass: it draws lines (sketchKeras, Anime2Sketch, "
                "MangaLineExtraction, realistic line art), finds the subject (ISNet), colours after a reference "
                "(SCFT) or reads one for ColorizeDiffusion XL (tagger). Which one it is, is read from the file."
            ),
            search_aliases=[
                "sketchkeras",
                "anime2sketch",
                "manga line",
                "lineart model",
                "isnet",
                "scft",
                "load line network",
            ],
            inputs=[
                io.Combo.Input(
                    "file",
                    options=folders.list_files(),
                    tooltip=(
                        "The network's file: first those in models/lineart_colorize, then "
                        "models/diffusion_models and models/checkpoints."
                    ),
                ),
                io.Combo.Input(
                    "dtype",
                    options=list(networks.DTYPES),
                    default="auto",
                    tooltip="How the weights are kept in memory. auto: as ComfyUI prefers on this device.",
                    advanced=True,
                ),
            ],
            outputs=[
                LineartNetwork.Output(
                    display_name="network",
                    tooltip=(
                        "For LineExtract; an ISNet for LineartSubjectMask, an SCFT for LineartCorrespondence, a tagger "
                        "for ReferenceTokens."
                    ),
                )
            ],
        )

    @classmethod
    def execute(cls, file, dtype="auto"):
        return io.NodeOutput(networks.load_network(folders.locate(file), dtype))

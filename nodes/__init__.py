from comfy_api.latest import ComfyExtension

from ..models.host import folders
from .colorize_model_loader import ColorizeModelLoader
from .colorize_sampler import ColorizeSampler
from .line_extract import LineExtract
from .lineart_anchor import LineartAnchor
from .lineart_augmented_reference import LineartAugmentedReference
from .lineart_clean_up import LineartCleanUp
from .lineart_correspondence import LineartCorrespondence
from .lineart_ddim import LineartDDIM
from .lineart_finish import LineartFinish
from .lineart_flat_color import LineartFlatColor
from .lineart_guider import LineartGuider
from .lineart_inspector import LineartInspector
from .lineart_network_loader import LineartNetworkLoader
from .lineart_palette import LineartPalette
from .lineart_palette_edit import LineartPaletteEdit
from .lineart_reference_options import LineartReferenceOptions
from .lineart_regions import LineartRegionsNode
from .lineart_save_layers import LineartSaveLayers
from .lineart_sheet import LineartSheet
from .lineart_sketch import LineartSketch
from .lineart_snap_to_flats import LineartSnapToFlats
from .lineart_subject_mask import LineartSubjectMask
from .lineart_text_heat_map import LineartTextHeatMap
from .lineart_text_manipulation import LineartTextManipulation
from .reference_tokens import ReferenceTokens
from .scribble_encoder import ScribbleEncoder

NODES = [
    ColorizeModelLoader,
    LineartNetworkLoader,
    LineExtract,
    LineartCleanUp,
    LineartSubjectMask,
    LineartSketch,
    ScribbleEncoder,
    ReferenceTokens,
    LineartTextManipulation,
    LineartTextHeatMap,
    ColorizeSampler,
    LineartReferenceOptions,
    LineartGuider,
    LineartDDIM,
    LineartCorrespondence,
    LineartFinish,
    LineartAugmentedReference,
    LineartSnapToFlats,
    LineartPalette,
    LineartPaletteEdit,
    LineartSheet,
    LineartAnchor,
    LineartInspector,
    LineartSaveLayers,
    LineartRegionsNode,
    LineartFlatColor,
]


class LineArtColorize(ComfyExtension):
    async def on_load(self):
        folders.register()

    async def get_node_list(self):
        return NODES

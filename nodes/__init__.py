from comfy_api.latest import ComfyExtension

from ..models.host import folders
from .colorize_model_loader import ColorizeModelLoader
from .colorize_sampler import ColorizeSampler
from .line_extract import LineExtract
from .lineart_augmented_reference import LineartAugmentedReference
from .lineart_clean_up import LineartCleanUp
from .lineart_correspondence import LineartCorrespondence
from .lineart_ddim import LineartDDIM
from .lineart_finish import LineartFinish
from .lineart_guider import LineartGuider
from .lineart_network_loader import LineartNetworkLoader
from .lineart_reference_options import LineartReferenceOptions
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
]


class LineArtColorize(ComfyExtension):
    async def on_load(self):
        folders.register()

    async def get_node_list(self):
        return NODES

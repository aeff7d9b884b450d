"""Where colorizer files live."""

import os
from pathlib import Path

import folder_paths

from ..flats.palette_files import ENDINGS

OURS = "lineart_colorize"
FOLDERS = (OURS, "diffusion_models", "checkpoints")
SHIPPED = Path(__file__).resolve().parents[2] / "weights"


def register():
    """Adds models/lineart_colorize, and the weights that ship with the pack, to the host's model folders."""
    folder_paths.add_model_folder_path(OURS, os.path.join(folder_paths.models_dir, OURS), is_default=True)
    folder_paths.add_model_folder_path(OURS, str(SHIPPED))
    folder_paths.folder_names_and_paths[OURS][1].update(folder_paths.supported_pt_extensions)


def list_files():
    """Every file that may be a colorizer, as "folder/name", those of our own folder first."""
    return [f"{folder}/{name}" for folder in FOLDERS for name in folder_paths.get_filename_list(folder)]


def locate(file):
    """Path of a file as `list_files` names it."""
    folder, _, name = file.partition("/")
    path = folder_paths.get_full_path(folder, name) if folder in FOLDERS else None
    if path is None:
        places = ", ".join(f"models/{folder}" for folder in FOLDERS)
        raise ValueError(f"The colorizer file {file} is not there. Files belong in one of {places}.")
    return path


def list_palettes():
    """The palette files in the host's input folder."""
    folder = Path(folder_paths.get_input_directory())
    return sorted(file.name for file in folder.glob("*") if file.suffix.lower() in ENDINGS)


def locate_palette(file):
    """Path of a palette as `list_palettes` names it."""
    path = Path(folder_paths.get_annotated_filepath(file))
    if not path.is_file():
        raise ValueError(
            f"The palette {file} is not there. Palettes ({', '.join(ENDINGS)}) belong in ComfyUI's input folder."
        )
    return path


def output_stem(prefix, height, width):
    """Where to write the next numbered file of that name in the host's output folder, without its ending."""
    output = folder_paths.get_output_directory()
    folder, name, number, _, _ = folder_paths.get_save_image_path(prefix, output, width, height)
    return Path(folder) / f"{name}_{number:05}_"

"""A coloured drawing as layers for paint programs, in PSD (psd-tools) and OpenRaster files.

OpenRaster is a ZIP of PNG files and a list of them, by the specification at openraster.org; no maintained library
writes it.
"""

import io
import zipfile
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import torch

from ..image import repeat_batch
from .colour import decode, encode
from .light import light, lit
from .palette import name_of

MOST = 1000  # colours: beyond, the picture is not flat


class Layer(NamedTuple):
    name: str
    pixels: np.ndarray  # (h, w, 4) uint8, not premultiplied
    left: int
    top: int
    multiply: bool = False  # with what lies below, instead of covering it


def stacks(flats, line, shaded=None, palette=()):
    """Yields for each drawing what all its layers show, (H, W, 3) uint8, and the layers; see `split`.

    flats, line  (B, H, W, 3) of one size, a single one serving the whole batch of the other
    shaded       the flats under a light (B, H, W, 3), of which only the brightness is read
    """
    sizes = {f"{picture.shape[2]} x {picture.shape[1]}" for picture in (flats, line, shaded) if picture is not None}
    if len(sizes) > 1:
        raise ValueError(
            f"Layers lie over each other, but these pictures have several sizes: {', '.join(sorted(sizes))}."
        )
    batch = max(len(flats), len(line))
    flats, line = repeat_batch(flats, batch), repeat_batch(line, batch)
    lights = [None] * batch if shaded is None else light(repeat_batch(shaded, batch), flats)
    for flat, drawing, shade in zip(flats, line, lights, strict=True):
        picture = (flat if shade is None else lit(flat[None], shade[None])[0]) * drawing
        yield (picture * 255).round().byte().numpy(), split(flat, drawing, shade, palette)


def split(flats, line, shade=None, palette=()):
    """The layers of one drawing, the lowest first: a colour each, the largest first, shadow, highlight and ink.

    flats (H, W, 3), line (H, W, 3), shade (H, W) as `light` gives it, palette for the names.
    Laid over each other they are `lit(flats, shade) * line`, to the rounding of 8 bits.
    """
    codes = encode(flats)
    found, counts = codes.unique(return_counts=True)
    if len(found) > MOST:
        raise ValueError(
            f"The picture has {len(found)} colours and gets a layer for each, up to {MOST}: connect flats, as "
            "LineartFlatColor or LineartSnapToFlats give them."
        )
    layers = [
        _solid(name_of(code, palette), decode(code), (codes == code).to(flats))
        for code in found[counts.argsort(descending=True, stable=True)]
    ]
    if shade is not None:
        layers.append(_solid("shadow", flats.new_zeros(3), -shade.clamp(max=0), multiply=True))
        layers.append(_solid("highlight", flats.new_ones(3), shade.clamp(min=0)))
    opacity = 1 - line.amin(dim=-1)
    ink = (line - 1) / opacity.clamp(min=1 / 255)[..., None] + 1  # multiplied at this opacity it is the line itself
    layers.append(_solid("ink", ink.clamp(0, 1), opacity, multiply=True))
    return layers


def _solid(name, colour, opacity, multiply=False):
    pixels = torch.cat([colour.to(opacity).expand(*opacity.shape, 3), opacity[..., None]], dim=-1)
    pixels = (pixels * 255).round().byte().cpu().numpy()
    rows, columns = (np.flatnonzero(pixels[..., 3].any(axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = [0], [0]
    top, left = int(rows[0]), int(columns[0])
    return Layer(name, pixels[top : rows[-1] + 1, left : columns[-1] + 1], left, top, multiply)


def write_psd(file, picture, layers):
    """A Photoshop file; picture (H, W, 3) uint8 is what all layers show together, and gives the size."""
    from PIL import Image
    from psd_tools import PSDImage
    from psd_tools.constants import BlendMode

    document = PSDImage.new("RGBA", picture.shape[1::-1])
    for layer in layers:
        mode = BlendMode.MULTIPLY if layer.multiply else BlendMode.NORMAL
        image = Image.fromarray(layer.pixels)
        document.create_pixel_layer(image, layer.name, top=layer.top, left=layer.left, blend_mode=mode)
    document.save(file)


def write_ora(file, picture, layers):
    """An OpenRaster file; picture as in `write_psd`, kept in it for programs that only show it."""
    from PIL import Image

    height, width = picture.shape[:2]
    document = ElementTree.Element("image", version="0.0.3", w=str(width), h=str(height))
    stack = ElementTree.SubElement(document, "stack")
    merged = Image.fromarray(picture)
    thumbnail = merged.copy()
    thumbnail.thumbnail((256, 256))
    images = {"mergedimage.png": merged, "Thumbnails/thumbnail.png": thumbnail}
    for number, layer in enumerate(reversed(layers)):  # the topmost stands first
        source = f"data/layer{number}.png"
        images[source] = Image.fromarray(layer.pixels)
        mode = "svg:multiply" if layer.multiply else "svg:src-over"
        place = {"x": str(layer.left), "y": str(layer.top), "composite-op": mode}
        ElementTree.SubElement(stack, "layer", name=layer.name, src=source, **place)

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mimetype", "image/openraster")  # first and not compressed, as readers look for it
        archive.writestr("stack.xml", ElementTree.tostring(document, "utf-8", xml_declaration=True))
        for name, image in images.items():
            data = io.BytesIO()
            image.save(data, "png")
            archive.writestr(name, data.getvalue())


WRITERS = {"psd": write_psd, "ora": write_ora}

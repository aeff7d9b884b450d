"""A coloured drawing as layers for paint programs, in PSD (psd-tools) and OpenRaster files.

OpenRaster is a ZIP of PNG files and a list of them, by the specification at openraster.org; no maintained library
writes it.
"""

import io
import zipfile
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from ..image import repeat_batch
from .colour import decode, encode
from .light import light, lit
from .palette import as_hex, name_of

MOST = 1000  # colours: beyond, the picture is not flat
LONGEST = 255  # letters of a layer's name in a PSD


class Layer(NamedTuple):
    name: str
    colour: np.ndarray  # (h, w, 3) uint8, or (3,) for all of it
    opacity: np.ndarray  # (h, w) uint8
    left: int
    top: int
    multiply: bool = False  # with what lies below, instead of covering it

    @property
    def pixels(self):
        """(h, w, 4) uint8, not premultiplied."""
        pixels = np.empty((*self.opacity.shape, 4), np.uint8)
        pixels[..., :3], pixels[..., 3] = self.colour, self.opacity
        return pixels


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
        yield _bytes(picture), split(flat, drawing, shade, palette)


def split(flats, line, shade=None, palette=()):
    """The layers of one drawing, the lowest first: a colour each, the largest first, shadow, highlight and ink.

    flats (H, W, 3), line (H, W, 3), shade (H, W) as `light` gives it, palette for the names.
    Laid over each other they are `lit(flats, shade) * line`, to the rounding of 8 bits.
    """
    from scipy import ndimage

    codes, number, counts = encode(flats).unique(return_inverse=True, return_counts=True)
    if len(codes) > MOST:
        raise ValueError(
            f"The picture has {len(codes)} colours and gets a layer for each, up to {MOST}: connect flats, as "
            "LineartFlatColor or LineartSnapToFlats give them."
        )
    number, colours = number.numpy(), _bytes(decode(codes))
    windows = ndimage.find_objects(number + 1)
    layers = []
    for index in counts.argsort(descending=True, stable=True).tolist():
        rows, columns = windows[index]
        opacity = np.where(number[rows, columns] == index, np.uint8(255), np.uint8(0))
        layers.append(Layer(_name(codes[index], palette), colours[index], opacity, columns.start, rows.start))
    if shade is not None:
        layers.append(_over_all("shadow", flats.new_zeros(3), -shade.clamp(max=0)))
        layers.append(_over_all("highlight", flats.new_ones(3), shade.clamp(min=0), multiply=False))
    opacity = 1 - line.amin(dim=-1)
    ink = (line - 1) / opacity.clamp(min=1 / 255)[..., None] + 1  # multiplied at this opacity it is the line itself
    layers.append(_over_all("ink", ink.clamp(0, 1), opacity))
    return layers


def _name(code, palette):
    """What the palette calls a colour, without what no file can hold."""
    return "".join(filter(str.isprintable, name_of(code, palette))) or as_hex(code)


def _bytes(values):
    return (values * 255).round().byte().numpy()


def _over_all(name, colour, opacity, multiply=True):
    """A layer of colour (H, W, 3) or (3,) at an opacity (H, W), cut down to where there is any."""
    colour, opacity = _bytes(colour), _bytes(opacity)
    rows, columns = (np.flatnonzero(opacity.any(axis)) for axis in (1, 0))
    rows, columns = (slice(side[0], side[-1] + 1) if len(side) else slice(0, 1) for side in (rows, columns))
    if colour.ndim == 3:
        colour = colour[rows, columns]
    return Layer(name, colour, opacity[rows, columns], int(columns.start), int(rows.start), multiply)


def write_psd(file, picture, layers):
    """A Photoshop file, into one opened for writing; picture (H, W, 3) uint8 is what all layers show together."""
    from PIL import Image
    from psd_tools import PSDImage
    from psd_tools.constants import BlendMode

    document = PSDImage.frompil(Image.fromarray(picture).convert("RGBA"))
    for layer in layers:
        mode = BlendMode.MULTIPLY if layer.multiply else BlendMode.NORMAL
        image = Image.fromarray(layer.pixels)
        added = document.create_pixel_layer(image, top=layer.top, left=layer.left, blend_mode=mode)
        added.name = layer.name[:LONGEST]  # given to the layer at its making, it could only be Latin letters
    contents = document._record  # `save` would put its own slower rendering in the place of the picture
    contents.layer_and_mask_information.layer_info.layer_count *= -1  # says that the fourth channel is no mask of ours
    contents.write(file)


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

"""Palette files: GIMP's .gpl, Adobe's .ase and .aco, and tables (.csv) with one paint a row, as colour books are.

The Adobe formats are read from their published layout: big-endian, .aco as Photoshop's file formats specification
has it (a second block repeats the colours with names), .ase as blocks of name, model and numbers.
"""

import csv
import struct
from pathlib import Path

import torch

from .colour import decode, encode, lab, srgb
from .palette import TONES, Paint, as_code, as_hex, parse, read_hex

ENDINGS = (".gpl", ".ase", ".aco", ".csv")
SHADOWS = dict.fromkeys(("shadow 1", "shadow1", "shade"), "shadow")
NAMES, PLAIN = ("name", "paint", "part"), ("colour", "color", "hex", "rgb")  # headings, besides the tones


def read(path):
    """The paints of a palette file; ValueError says what was expected where it is none."""
    path = Path(path)
    reader = {".gpl": _gpl, ".ase": _ase, ".aco": _aco, ".csv": _csv}.get(path.suffix.lower())
    if reader is None:
        raise ValueError(f"{path.name} is no palette file: expected one of {', '.join(ENDINGS)}.")
    try:
        palette = reader(path.read_bytes())
    except (ValueError, struct.error, IndexError, csv.Error) as error:
        reason = str(error) if type(error) is ValueError else "it ends too early or holds something else"
        raise ValueError(f"Cannot read the palette {path.name}: {reason}. Export it again as {path.suffix}.") from None
    if not palette:
        raise ValueError(f"The palette {path.name} holds no colour.")
    return palette


def typed(text):
    """The paints of a text: JSON as `palette.dump` writes it, or rows as in a .csv file."""
    if text.lstrip().startswith("["):
        return parse(text)
    try:
        return _csv(text.encode())
    except ValueError as error:
        raise ValueError(f"Cannot read the colours: {error}. Write a paint a line: hair, #d0a060") from None


def _paint(name, rgb, number):
    colour = torch.as_tensor(rgb, dtype=torch.float32).clamp(0, 1)
    return Paint(name.strip("\0 ") or f"colour {number}", as_hex(encode(colour)))


def _gpl(data):
    head, *lines = data.decode("utf-8", "replace").splitlines() or [""]
    if head.strip("\ufeff ") != "GIMP Palette":
        raise ValueError(f"expected 'GIMP Palette' in its first line, found '{head[:40]}'")
    palette, channels = [], 4 if "Channels: RGBA" in map(str.strip, lines) else 3  # as Aseprite has it
    for line in lines:
        numbers = line.split(maxsplit=channels)
        if not line.strip() or line.startswith("#") or ":" in numbers[0]:
            continue
        if len(numbers) < 3 or not all(number.isdigit() and int(number) < 256 for number in numbers[:3]):
            raise ValueError(f"expected three numbers from 0 to 255 and a name, found '{line[:40]}'")
        rgb = [int(number) / 255 for number in numbers[:3]]
        palette.append(_paint(numbers[channels] if len(numbers) > channels else "", rgb, len(palette) + 1))
    return palette


def _cmyk(cyan, magenta, yellow, black):
    return [(1 - ink) * (1 - black) for ink in (cyan, magenta, yellow)]


def _from_lab(*values):
    return srgb(torch.tensor(values))


def _ase(data):
    if data[:4] != b"ASEF":
        raise ValueError("expected a file that begins with ASEF")
    models = {b"RGB ": (3, list), b"CMYK": (4, None), b"LAB ": (3, None), b"Gray": (1, None), b"GRAY": (1, None)}
    palette, at = [], 12
    for _ in range(struct.unpack_from(">I", data, 8)[0]):
        kind, length = struct.unpack_from(">HI", data, at)
        if kind == 1:
            size = 2 * struct.unpack_from(">H", data, at + 6)[0]
            name = data[at + 8 : at + 8 + size].decode("utf-16-be", "replace")
            model = data[at + 8 + size : at + 12 + size]
            if model not in models:
                raise ValueError(f"the colour {name.strip(chr(0))} is kept as {model!r}, which is not known")
            values = struct.unpack_from(f">{models[model][0]}f", data, at + 12 + size)
            palette.append(_paint(name, _ase_rgb(model, values), len(palette) + 1))
        at += 6 + length
    return _whole(palette, data, at)


def _whole(palette, data, end):
    """The palette, if its data go on to its end."""
    if end > len(data):
        raise IndexError
    return palette


def _ase_rgb(model, values):
    if model == b"CMYK":
        return _cmyk(*values)
    if model == b"LAB ":
        return _from_lab(100 * values[0], *values[1:])
    return values if model == b"RGB " else values * 3


def _aco(data):
    found, at = [], 0
    while at < len(data):
        version, count = struct.unpack_from(">HH", data, at)
        if version not in (1, 2):
            raise ValueError(f"expected version 1 or 2, found {version}")
        at, found = at + 4, []
        for number in range(count):
            space, *values = struct.unpack_from(">H4H", data, at)
            at, name = at + 10, ""
            if version == 2:
                size = 2 * struct.unpack_from(">I", data, at)[0]
                name = data[at + 4 : at + 4 + size].decode("utf-16-be", "replace")
                at += 4 + size
            found.append(_paint(name, _aco_rgb(space, values), number + 1))
    return _whole(found, data, at)


def _aco_rgb(space, values):
    if space == 0:
        return [value / 65535 for value in values[:3]]
    if space == 1:
        hue, saturation, brightness = (value / 65535 for value in values[:3])
        return [
            brightness * (1 - saturation * (1 - min(1, max(0, abs((hue * 6 - sixth) % 6 - 3) - 1))))
            for sixth in (0, 2, 4)
        ]
    if space == 2:
        return _cmyk(*(1 - value / 65535 for value in values))
    if space == 7:
        a, b = (value / 100 if value < 32768 else (value - 65536) / 100 for value in values[1:3])
        return _from_lab(values[0] / 100, a, b)
    if space == 8:
        return [1 - values[0] / 10000] * 3
    if space == 9:
        return _cmyk(*(value / 10000 for value in values))
    raise ValueError(f"a colour is kept in space {space}, which is not known")


def _csv(data):
    text = data.decode("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "replace")
    comma = next((sign for sign in ";\t" if sign in text), ",")  # tables of Excel, by the language of its owner
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), delimiter=comma)]
    rows = [row for row in rows if any(row)]
    header = [SHADOWS.get(cell.lower(), cell.lower()) for cell in rows[0]] if rows else []
    if not any(cell in (*NAMES, *TONES, *PLAIN) for cell in header):
        return [_bare_row(row, number) for number, row in enumerate(rows, 1)]
    return [_headed_row(dict(zip(header, row, strict=False)), number) for number, row in enumerate(rows[1:], 1)]


def _headed_row(row, number):
    tones = {tone: row[tone] for tone in TONES if row.get(tone)}
    plain = next((row[key] for key in PLAIN if row.get(key)), None)
    if "normal" not in tones and plain:
        tones["normal"] = plain
    if "normal" not in tones:
        raise ValueError(f"row {number} names no normal colour")
    name = next((row[key] for key in NAMES if row.get(key)), f"colour {number}")
    return Paint(name, **{tone: _csv_colour(text, number) for tone, text in tones.items()})


def _bare_row(row, number):
    """A row of a table without a header: a name, if the first cell is no colour, and up to three tones.

    Of two tones the lighter is the normal one; of three they are highlight, normal and shadow by lightness.
    """
    name = "" if _read_colour(row[0]) else row[0]
    cells = [cell for cell in row[bool(name) :] if cell]
    if len(cells) == 3 and all(cell.isdigit() for cell in cells):
        cells = [" ".join(cells)]
    if not 1 <= len(cells) <= 3:
        raise ValueError(f"row {number} holds {len(cells)} colours, expected 1 to 3")
    colours = sorted((_csv_colour(cell, number) for cell in cells), key=_lightness, reverse=True)
    order = ("highlight", "normal", "shadow") if len(colours) == 3 else ("normal", "shadow")
    return Paint(name or f"colour {number}", **dict(zip(order, colours, strict=False)))


def _csv_colour(text, number):
    colour = _read_colour(text)
    if colour is None:
        raise ValueError(f"row {number} holds '{text[:40]}', expected #rrggbb or three numbers from 0 to 255")
    return colour


def _read_colour(text):
    numbers = text.replace(",", " ").replace(";", " ").split()
    if len(numbers) == 3 and all(number.isdigit() and int(number) < 256 for number in numbers):
        return "#{:02x}{:02x}{:02x}".format(*map(int, numbers))
    return read_hex(text)


def _lightness(colour):
    return float(lab(decode(torch.tensor(as_code(colour))))[0])

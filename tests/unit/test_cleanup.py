"""Clean-up of line art: what goes, and above all what stays."""

import math

import pytest
import torch
from lineart_colorize.models.line import cleanup, scan
from lineart_colorize.models.line.components import areas, components
from lineart_colorize.models.line.gaps import close_gaps
from lineart_colorize.models.line.skeleton import ends_and_forks, thinned


def page(height=64, width=80):
    return torch.ones(1, height, width)


def coordinates(height, width):
    return torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")


def ring(height=64, width=80, radius=20.0, half=2.5):
    y, x = coordinates(height, width)
    return (((y - height / 2) ** 2 + (x - width / 2) ** 2).sqrt() - radius).abs()[None].sub(half - 0.5).clamp(0, 1)


def pieces(lines):
    return [components(one < 0.5)[1] for one in lines]


def test_components_match_a_flood_fill():
    ink = torch.rand(40, 50, generator=torch.Generator().manual_seed(0)) < 0.35
    left, found = set(map(tuple, ink.nonzero().tolist())), []
    while left:
        piece, edge = set(), [left.pop()]
        while edge:
            y, x = edge.pop()
            piece.add((y, x))
            near = {(y + j, x + i) for j in (-1, 0, 1) for i in (-1, 0, 1)} & left
            left -= near
            edge += near
        found.append(piece)
    label, count = components(ink)
    assert count == len(found)
    ours = {}
    for place, number in zip(map(tuple, ink.nonzero().tolist()), label.tolist(), strict=True):
        ours.setdefault(number, set()).add(place)
    assert {frozenset(piece) for piece in ours.values()} == {frozenset(piece) for piece in found}
    assert all(int(areas(ink)[y, x]) == len(piece) for piece in found for y, x in piece)


def test_a_long_winding_line_is_one_piece():
    ink = torch.zeros(101, 100, dtype=torch.bool)
    ink[::2] = True
    ink[1::4, -1] = True
    ink[3::4, 0] = True
    assert components(ink)[1] == 1


def test_no_ink_has_no_components():
    assert components(torch.zeros(5, 5, dtype=torch.bool))[1] == 0
    for clean in (
        lambda x: cleanup.despeckle(x, 9),
        lambda x: cleanup.hysteresis(x, 0.2, 0.5),
        lambda x: cleanup.thin(x, 2),
        lambda x: cleanup.of_width(x, 3),
        lambda x: close_gaps(x, 9),
    ):
        assert torch.equal(clean(page()), page())


def test_specks_go_and_lines_stay():
    lines = ring()
    dirty = lines.clone()
    dirty[0, 3:5, 3:5] = 0  # 4 px
    dirty[0, 3:5, 5] = 0.7  # and its soft edge
    dirty[0, 60, 10:19] = 0  # 9 px
    cleaned = cleanup.despeckle(dirty, 9)
    assert torch.equal(cleaned[0, :10, :10], torch.ones(10, 10))
    assert (cleaned[0, 60, 10:19] == 0).all()
    assert torch.equal(cleanup.despeckle(dirty, 10), lines)


def test_hysteresis_keeps_faint_ends_of_sure_strokes_only():
    lines = page()
    lines[0, 10, 10:40] = 0.1
    lines[0, 10, 40:60] = 0.7
    lines[0, 30, 10:60] = 0.7
    cleaned = cleanup.hysteresis(lines, 0.2, 0.8)
    assert torch.equal(cleaned[0, 10], lines[0, 10]) and (cleaned[0, 30] == 1).all()


def test_screentone_goes_but_single_dots_and_lines_stay():
    y, x = coordinates(64, 80)
    tone = (((y % 5) < 2) & ((x % 5) < 2) & (x < 40))[None]
    lines = torch.where(tone, 0.0, page())
    lines[0, :, 50:52] = 0
    lines[0, 20:22, 70:72] = 0
    cleaned = cleanup.remove_screentone(lines, 4)
    assert (cleaned[0, :, :40] == 1).all()
    assert torch.equal(cleaned[0, :, 45:], lines[0, :, 45:])


@pytest.mark.parametrize("width", [1, 2, 4])
def test_thicker_lines(width):
    lines = page()
    lines[0, 30, 20:60] = 0
    assert (cleanup.thicken(lines, width)[0, :, 40] == 0).sum() == 1 + 2 * width
    assert torch.equal(cleanup.thicken(lines, 0), lines)


@pytest.mark.parametrize("width", [1, 2, 9])
def test_thin_lines_are_thinner_and_whole(width):
    lines = ring(half=4.0)
    thinned = cleanup.thin(lines, width)
    before, after = ((one < 0.5).sum() for one in (lines, thinned))
    assert after < before * (1 - 0.15 * min(width, 4))
    assert pieces(thinned) == [1]
    assert components(cleanup.thicken(thinned, 1)[0] >= 0.5)[1] == 2  # still closed: an inside and an outside


def test_a_line_of_one_pixel_survives_any_thinning():
    lines = page()
    lines[0, range(10, 50), range(20, 60)] = 0
    assert (cleanup.thin(lines, 20) < 0.5).sum() >= 38


@pytest.mark.parametrize("width", [1, 1.5, 3, 6.4])
def test_lines_of_any_width_get_the_one_asked_for(width):
    for half in (0.5, 2.0, 5.0):
        lines = cleanup.of_width(ring(half=half, radius=22.0), width)
        rows = (1 - lines[0, :, 40]).sum()  # through the middle: the ring twice
        assert float(rows) == pytest.approx(2 * width, abs=1.1)
        assert pieces(lines) == [1]


def test_a_width_below_one_pixel_is_a_paler_line():
    lines = page()
    lines[0, 30, 20:60] = 0
    assert cleanup.of_width(lines, 0.25)[0, 30, 40] == 0.75


def test_ends_and_forks_of_a_thin_line():
    ink = torch.zeros(30, 30, dtype=torch.bool)
    ink[10, 5:25] = ink[10:20, 15] = True
    ends, forks = ends_and_forks(thinned(ink[None])[0])
    assert sorted(map(tuple, ends.nonzero().tolist())) == [(10, 5), (10, 24), (19, 15)]
    assert (forks.nonzero() - torch.tensor([10, 15])).abs().amax() <= 1 and forks.any()


def broken(angle, gap, half=1.5, size=96):
    """A line through the middle with a gap, soft-edged, (1, H, W)."""
    y, x = (axis - size / 2 + 0.5 for axis in coordinates(size, size))
    along, aside = x * math.cos(angle) + y * math.sin(angle), y * math.cos(angle) - x * math.sin(angle)
    edge = torch.maximum(aside.abs() - half, torch.maximum(along.abs() - 40, gap / 2 - along.abs()))
    return (edge + 0.5).clamp(0, 1)[None]


@pytest.mark.parametrize("half", [0.7, 1.5, 4.0])
@pytest.mark.parametrize("degrees", [0, 20, 45, 90, 115])
def test_gaps_close_in_every_direction_up_to_their_reach(degrees, half):
    lines = broken(math.radians(degrees), 9, half)
    assert pieces(lines) == [2]
    closed = close_gaps(lines, 12)
    assert pieces(closed) == [1]
    whole = broken(math.radians(degrees), 0, half)
    assert (closed - whole).abs().mean() < 0.55 * (lines - whole).abs().mean()
    assert torch.equal(close_gaps(lines, 6), lines)


def test_an_open_ring_closes_round():
    lines = ring(half=1.5)
    lines[0, 44:58, 34:46] = 1
    closed = close_gaps(lines, 16)
    assert components(closed[0] >= 0.5)[1] == 2 and components(lines[0] >= 0.5)[1] == 1
    assert (closed - ring(half=1.5)).abs().mean() < 0.7 * (lines - ring(half=1.5)).abs().mean()


def test_lines_side_by_side_and_dots_stay_apart():
    lines = page()
    lines[0, 20, 10:40] = lines[0, 26, 10:40] = 0
    lines[0, 40:60:6, 10:60:6] = 0
    assert torch.equal(close_gaps(lines, 10), lines)


def test_a_closed_gap_has_the_tone_of_its_line():
    lines = 1 - 0.6 * (1 - broken(0.0, 9))
    assert float(close_gaps(lines, 12)[0, 47, 47]) == pytest.approx(0.4, abs=0.02)


def test_a_gap_at_the_border_is_drawn_inside():
    lines = page(20, 40)
    lines[0, 0, :15] = lines[0, 0, 22:] = 0
    assert pieces(close_gaps(lines, 10)) == [1]


def shaded(image):
    """The same photographed: lit from one side, on yellowish paper with grain."""
    x = coordinates(*image.shape[1:3])[1]
    light = (0.5 + 0.4 * x / image.shape[2])[None, ..., None] * torch.tensor([1.0, 0.95, 0.85])
    grain = 1 + 0.01 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    return (image * light * grain).clamp(0, 1)


def test_paper_becomes_white_and_ink_black():
    drawing = (ring(200, 260, 60.0) * 0.85 + 0.15)[..., None].expand(-1, -1, -1, 3)
    even = scan.even_paper(shaded(drawing))
    paper, ink = drawing[..., 0] > 0.99, drawing[..., 0] < 0.2
    assert even[paper].mean() > 0.995 and even[paper].min() > 0.9
    assert even[ink].mean() < 0.05


def test_a_blank_page_stays_white():
    assert scan.even_paper(shaded(torch.ones(1, 90, 120, 3))).min() > 0.9
    assert scan.even_paper(torch.ones(1, 1, 1, 3)).min() == 1


def test_pencils_are_told_from_ink():
    image = torch.ones(1, 4, 30, 3)
    image[:, 0] = torch.tensor([0.1, 0.1, 0.12])
    image[:, 1] = torch.tensor([0.5, 0.7, 1.0])
    image[:, 2] = torch.tensor([1.0, 0.4, 0.4])
    lines, blue, red = scan.split_pencils(image)
    assert lines[0, :, 0].tolist() == pytest.approx([0.12, 1, 1, 1])
    assert blue[0, :, 0].tolist() == pytest.approx([0.02, 0.5, 0, 0], abs=1e-6)
    assert red[0, :, 0].tolist() == pytest.approx([0, 0, 0.6, 0], abs=1e-6)

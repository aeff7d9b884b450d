"""Reference tokens: pictures as CLIP is shown them, several as one, moved by words, and the heat map."""

import pytest
import torch
import torch.nn.functional as F
from lineart_colorize.models.colorizediffusion import heatmap, manipulation, tokens
from lineart_colorize.models.reference import squash, widen

THRESHOLDS = (0.2, 0.4, 0.7, 0.9)


def unit(*size):
    return F.normalize(torch.randn(*size), dim=-1)


@pytest.fixture
def seen():
    """Tokens of two pictures, of the pictures as wholes, and words."""
    torch.manual_seed(0)
    return torch.randn(2, 9, 16), torch.randn(2, 1, 16), unit(1, 16), unit(1, 16), unit(1, 16)


def weight(m, change):
    """The table of the paper's application."""
    a, b, c, d = THRESHOLDS
    if m <= a:
        return -2 * change
    if m <= b:
        return -change + change * (m - a) / (b - a)
    if m <= c:
        return change / 2 * (m - b) / (c - b)
    if m <= d:
        return change / 2 + change / 2 * (m - c) / (d - c)
    return change


def test_weights_of_every_band():
    similarity = torch.linspace(0, 1, 100)
    expected = [weight(float(m), 3.0) for m in similarity]
    ours = manipulation.weights(similarity[:, None], torch.tensor(3.0), THRESHOLDS)[:, 0]
    assert ours.tolist() == pytest.approx(expected, abs=1e-5)


def test_equal_thresholds_leave_a_band_out():
    ours = manipulation.weights(torch.tensor([[0.4], [0.5], [0.6]]), torch.tensor(1.0), (0.5,) * 4)
    assert ours[:, 0].tolist() == [-2, -2, 1]


@pytest.mark.parametrize("enhance", [False, True])
@pytest.mark.parametrize("anchored", [False, True])
def test_a_part_token_by_token(seen, anchored, enhance):
    local, whole, target, anchor, control = seen
    anchor = anchor if anchored else None
    ours = manipulation.move_part(local, whole, target, anchor, control, 6.0, enhance, THRESHOLDS)
    for picture in range(2):
        products = [float(token @ control[0]) for token in local[picture]]
        for token, product, moved in zip(local[picture], products, ours[picture], strict=True):
            measured = anchor if anchored and enhance else target
            change = 6.0 - float(whole[picture, 0] @ measured[0])
            amount = weight((product - min(products)) / (max(products) - min(products)), change)
            if anchored and enhance:
                amount += float(token @ anchor[0])
            way = target[0] - (anchor[0] if anchored else 0)
            torch.testing.assert_close(moved, token + amount * way, atol=1e-4, rtol=0)


def test_all_alike(seen):
    local, _, target, anchor, _ = seen

    def similarity(tokens, text):
        return (tokens * text).sum(-1)

    added = manipulation.move_all(local, target, None, 5.0, enhance=True)
    torch.testing.assert_close(added, local + 5 * target)
    reached = manipulation.move_all(local, target, None, 5.0)
    torch.testing.assert_close(similarity(reached, target), torch.full((2, 9), 5.0))
    swapped = manipulation.move_all(local, target, anchor, 5.0)
    torch.testing.assert_close(swapped, local + 5 * (target - anchor))
    removed = manipulation.move_all(local, target, anchor, 5.0, enhance=True) - 5 * target
    assert similarity(removed, anchor).abs().max() < 1e-5


def test_tokens_that_are_all_alike_stay_finite(seen):
    _, whole, target, anchor, control = seen
    assert manipulation.move_part(torch.ones(2, 9, 16), whole, target, anchor, control, 6.0).isfinite().all()


@pytest.mark.parametrize("thresholds", [(0.5, 0.4, 0.7, 0.9), (0.9, 0.7, 0.5, 0.2)])
def test_thresholds_must_rise(thresholds):
    with pytest.raises(ValueError, match=r"must rise, .* but they are 0\.[59], "):
        manipulation.check_thresholds(thresholds)
    manipulation.check_thresholds((0.5, 0.5, 0.7, 0.9))


def test_the_heat_map_finds_a_place():
    local = torch.zeros(1, 16, 8)
    local[0, 6, 0] = 1  # row 1, column 2 of 4
    text = torch.eye(8)[:1]
    picture, values = heatmap.heat_map(torch.ones(1, 40, 80, 3), local, text, (0.1, 0.3, 0.6, 0.9))
    assert picture.shape == (1, 40, 80, 3) and values.shape == (1, 40, 80)
    row, column = divmod(int(values.argmax()), 80)
    assert row // 10 == 1 and column // 20 == 2
    assert values.min() == 0 and values.max() == 1
    brown = (0.3 * 255 + 0.7 * torch.tensor([140.0, 0.0, 0.0])).round() / 255
    assert torch.equal(picture[0, row, column], brown)
    assert not picture[0, [0, 10, 20, 30]].any() and not picture[0, :, [0, 20, 40, 60]].any()
    assert picture[0, 1:10, 1:20].amin() > 0


def test_bands_count_the_thresholds_reached():
    values = torch.tensor([0.1, 0.2, 0.5, 0.7, 1.0])
    assert heatmap.bands(values, THRESHOLDS).tolist() == [0, 63, 126, 189, 252]


def test_large_pictures_are_reduced_for_the_heat_map(monkeypatch):
    monkeypatch.setattr(heatmap, "LARGEST", 40)
    picture, _ = heatmap.heat_map(torch.ones(1, 100, 50, 3), torch.randn(1, 4, 8), unit(1, 8), THRESHOLDS)
    assert picture.shape == (1, 40, 20, 3)


@pytest.mark.parametrize(("several", "shape"), [("concatenated", (1, 8, 3)), ("averaged", (1, 4, 3))])
def test_several_references(several, shape):
    each = torch.randn(3, 4, 3)
    one = tokens.combine(each, [1.0, 0.0, 0.5], several)
    assert one.shape == shape
    first, last = one.split(4, dim=1) if several == "concatenated" else (each[0] / 1.5, one - each[0] / 1.5)
    torch.testing.assert_close(first[-4:].reshape(4, 3), each[0] / (1 if several == "concatenated" else 1.5))
    torch.testing.assert_close(last[0], each[2] / (2 if several == "concatenated" else 3))
    torch.testing.assert_close(tokens.combine(each, [1.0, 0.0, 0.5])[2], each[2] / 2)


@pytest.mark.parametrize(("text", "expected"), [("", [1, 1]), ("1, .5", [1, 0.5]), ("0 2", [0, 2])])
def test_weights_are_read(text, expected):
    assert tokens.read_weights(text, 2) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [("1, 2, 3", "2 references but 3 weights"), ("a, b", "found 'a, b'"), ("0, 0", "above 0"), ("-1, 1", "0 or more")],
)
def test_weights_that_make_no_sense_are_told(text, told):
    with pytest.raises(ValueError, match=told):
        tokens.read_weights(text, 2)


def test_squares():
    picture = torch.rand(2, 20, 20, 3)
    torch.testing.assert_close(squash(picture, 20), picture.movedim(-1, 1))
    ramp = torch.linspace(0, 1, 90).view(1, 1, 90, 1).expand(1, 7, 90, 3)
    square = squash(ramp, 20)
    assert square.shape == (1, 3, 20, 20) and (square.diff(dim=-1) > 0).all()
    assert torch.allclose(square[..., :1, :], square, atol=1e-5)


def test_squares_shrink_without_moire():
    stripes = (torch.arange(400) % 2).float().view(1, 1, 400, 1).expand(1, 400, 400, 1)
    assert (squash(stripes, 20) - 0.5).abs().max() < 0.1


@pytest.mark.parametrize(("width", "scale", "expected"), [(10, 1.5, 15), (9, 1.25, 11), (1, 2.0, 2), (7, 1.0, 7)])
def test_margins_are_white_and_only_beside(width, scale, expected):
    wide = widen(torch.zeros(1, 4, width, 3), scale)
    left = (expected - width) // 2
    assert wide.shape == (1, 4, expected, 3)
    assert not wide[:, :, left : left + width].any() and wide.sum() == 12 * (expected - width)

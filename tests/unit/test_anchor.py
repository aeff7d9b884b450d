"""Flats that hold the chroma of what is being sampled."""

import pytest
import torch
from lineart_colorize.models.flats.anchor import YCC, Anchor

SD = torch.tensor([[0.35, 0.23, 0.32], [0.33, 0.5, 0.24], [-0.28, 0.18, 0.27], [-0.21, -0.26, -0.72]])
RGB = torch.eye(3)


@pytest.fixture
def labels():
    """Three regions of 64 x 80, none of them on the cells' borders."""
    labels = torch.ones(1, 64, 80, dtype=torch.int32)
    labels[:, 21:, :37], labels[:, 21:, 37:] = 2, 3
    return labels


def ycc_means(x, anchor):
    """(n, 3) of x (1, C, h, w) over whole cells."""
    cells, purity = anchor._cells(x)
    ycc = x[0].movedim(0, -1) @ anchor.to_ycc
    return torch.stack([ycc[(cells[0] == label) & (purity[0] == 1)].mean(0) for label in (1, 2, 3)])


@pytest.mark.parametrize("factors", [RGB, SD], ids=["pixels", "latent"])
def test_the_mean_chroma_of_every_region_is_that_of_the_flats(labels, factors):
    generator = torch.Generator().manual_seed(0)
    flats, x = torch.randn(2, 1, len(factors), 64, 80, generator=generator)
    flats = torch.nn.functional.avg_pool2d(flats, 9, 1, 4)
    anchor = Anchor(labels, flats, factors)
    held = anchor({"denoised": x})
    before, after, wanted = (ycc_means(part, anchor) for part in (x, held, flats))
    torch.testing.assert_close(after[:, 1:], wanted[:, 1:], atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(after[:, 0], before[:, 0], atol=1e-4, rtol=1e-3)


def test_inside_a_region_only_one_colour_is_added(labels):
    x = torch.randn(1, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    step = Anchor(labels, torch.zeros(1, 3, 64, 80), RGB)({"denoised": x}) - x
    inside = step[0, :, 30:60, 5:30].flatten(1)
    assert (inside - inside[:, :1]).abs().max() < 1e-5 and inside.abs().max() > 1e-3
    assert (inside[:, 0] @ torch.tensor(YCC)[:, 0]).abs() < 1e-5


def test_strength_goes_a_part_of_the_way(labels):
    x, flats = torch.randn(2, 1, 3, 64, 80, generator=torch.Generator().manual_seed(0))
    whole, half, none = (Anchor(labels, flats, RGB, strength)({"denoised": x}) - x for strength in (1.0, 0.5, 0.0))
    torch.testing.assert_close(half, whole / 2, atol=1e-5, rtol=1e-3)
    assert not none.any()


def test_latent_cells_other_sizes_batches_and_dtypes(labels):
    flats = torch.randn(1, 4, 8, 10, generator=torch.Generator().manual_seed(0))
    anchor = Anchor(labels, flats, SD)
    for shape, dtype in (
        ((3, 4, 8, 10), torch.float32),
        ((1, 4, 12, 15), torch.float16),
        ((2, 4, 1, 1), torch.float32),
    ):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
        held = anchor({"denoised": x})
        assert held.shape == shape and held.dtype == dtype and held.isfinite().all()
    frames = Anchor(torch.cat([labels, labels.flip(2)]), torch.cat([flats, -flats]), SD)
    x = torch.randn(1, 4, 8, 10, generator=torch.Generator().manual_seed(2)).expand(4, -1, -1, -1)
    held = frames({"denoised": x})
    assert torch.equal(held[0], held[2]) and torch.equal(held[1], held[3]) and not torch.equal(held[0], held[1])


def test_ten_thousand_regions_in_few_cells():
    labels = torch.arange(1, 10001, dtype=torch.int32).view(1, 100, 100)
    anchor = Anchor(labels, torch.rand(1, 4, 12, 12), SD)
    assert anchor({"denoised": torch.rand(1, 4, 12, 12)}).isfinite().all()


def test_video_is_told(labels):
    with pytest.raises(ValueError, match="holds pictures"):
        Anchor(labels, torch.zeros(1, 3, 64, 80), RGB)({"denoised": torch.zeros(1, 3, 2, 64, 80)})

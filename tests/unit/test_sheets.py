"""Procedural model sheets: the truth that the sheet's figures rest on, and the figures themselves."""

import json

import numpy as np
import pytest
import torch
from lineart_colorize.cli import evaluate
from lineart_colorize.training import sheets


@pytest.fixture(scope="module")
def figures():
    return list(sheets.takes(3, 3, 320))


def test_a_figure_is_the_same_in_every_take_and_drawn_anew(figures):
    again = list(sheets.takes(3, 3, 320))
    for (labels, codes), (other, others) in zip(figures, again, strict=True):
        assert np.array_equal(labels, other) and np.array_equal(codes, others)
    (first, paints), (second, others), _ = figures
    assert not np.array_equal(first, second)
    assert len(set(paints) & set(others)) >= 6


def test_every_region_has_the_paint_of_most_of_its_paper():
    labels = torch.tensor([[1, 1, 1, 2, 2]], dtype=torch.int32)
    codes = torch.tensor([[7, 9, 9, 9, 8]])
    white = torch.tensor([[1.0, 0.2, 0.2, 0.1, 0.0]])
    assert sheets.true_paints(labels, codes, white).tolist() == [7, 9]


def test_matching_beats_the_nearest_place():
    table = sheets.scores(2, 320, 1)
    assert table["ours"]["regions right"] > table["nearest place"]["regions right"]
    assert table["ours"]["of those right"] >= table["ours"]["regions right"]
    assert table["ours"]["pixels right"] > 0.95


def test_the_command_writes_the_table(tmp_path, capsys):
    assert evaluate.main(["sheet", "--count", "1", "--out", str(tmp_path)]) == 0
    assert "| ours |" in capsys.readouterr().out
    assert json.loads((tmp_path / "sheet.json").read_text())["3 drawings"]["ours"]["regions right"] > 0.5

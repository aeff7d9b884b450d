"""Procedural model sheets: the truth that the sheet's figures rest on, and the figures themselves."""

import json

import numpy as np
import pytest
import torch
from lineart_colorize.cli import evaluate
from lineart_colorize.training import sheet_evaluation as evaluation
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


@pytest.mark.parametrize("kind", list(sheets.KINDS))
def test_drawings_of_every_kind_share_paints(kind):
    """Far poses may hide one paint or the other, never most of the picture."""
    drawn = list(sheets.takes(5, 3, 200, kind))
    assert all(labels.shape == (200, 200) and labels.max() == len(codes) for labels, codes in drawn)
    (first, paints), (second, others), _ = drawn
    assert not np.array_equal(first, second)
    assert np.isin(paints, others).mean() > 0.5 and len(set(paints)) > 3


def test_matching_beats_the_nearest_place():
    table = evaluation.scores(evaluation.methods(None), "other pose", 2, 320)[1]
    ours = table["classical"]
    assert ours["regions right"] > table["nearest place"]["regions right"] and ours["pixels right"] > 0.95
    assert ours["painted right"] + ours["painted wrong"] + ours["left white"] == pytest.approx(1)


def test_measures_part_what_is_painted_right_wrong_and_not():
    right, painted = np.array([True, True, False, False]), np.array([True, False, True, False])
    found = evaluation.measures(right, painted, np.array([7, 1, 1, 1]))
    assert [round(float(value), 3) for value in found.values()] == [0.5, 0.8, 0.25, 0.25, 0.5]


def test_the_command_writes_the_table(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sheets, "KINDS", {"other pose": sheets.plain})
    assert evaluate.main(["sheet", "--count", "1", "--out", str(tmp_path)]) == 0
    assert "| both, as in the node |" in capsys.readouterr().out
    table = json.loads((tmp_path / "sheet.json").read_text())["other pose"]["3"]
    assert table["classical"]["regions right"] > 0.5 and table["both, as in the node"]["regions right"] > 0.8


def test_a_file_that_is_no_matching_network_is_told(tmp_path):
    with pytest.raises(SystemExit, match=r"gone.safetensors: The file is not there"):
        evaluate.main(["sheet", "--weights", str(tmp_path / "gone.safetensors")])

"""Which files a command works on, and that it can be stopped and go on."""

from pathlib import Path

import pytest
from lineart_colorize.cli import colorize, pictures
from lineart_colorize.cli.server import HostDied, HostError


@pytest.fixture
def drawings(tmp_path):
    folder = tmp_path / "drawings"
    folder.mkdir()
    for name in ("b.png", "a.JPG", "c.webp", "notes.txt"):
        (folder / name).write_bytes(b"x")
    return folder


def test_folders_give_their_pictures_in_order_and_files_are_taken_as_they_are(drawings):
    assert [file.name for file in pictures.find([drawings])] == ["a.JPG", "b.png", "c.webp"]
    assert pictures.find([drawings / "notes.txt"]) == [drawings / "notes.txt"]


def test_what_cannot_be_meant_is_said(drawings, tmp_path):
    with pytest.raises(ValueError, match=r"No such file or folder.*missing"):
        pictures.find([tmp_path / "missing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="No pictures in"):
        pictures.find([tmp_path / "empty"])
    (drawings / "b.jpg").write_bytes(b"x")
    with pytest.raises(ValueError, match="share a name: b"):
        pictures.find([drawings])


def test_guidance_is_found_by_base_name(drawings, tmp_path):
    strokes = tmp_path / "strokes"
    strokes.mkdir()
    (strokes / "a.png").write_bytes(b"x")
    assert pictures.partner(drawings / "a.JPG", strokes) == strokes / "a.png"
    assert pictures.partner(drawings / "b.png", strokes) is None
    assert pictures.partner(drawings / "b.png", strokes / "a.png") == strokes / "a.png"
    assert pictures.partner(drawings / "b.png", None) is None
    with pytest.raises(ValueError, match="No such file or folder"):
        pictures.partner(drawings / "b.png", tmp_path / "missing")


def test_a_run_goes_on_where_it_was_stopped(drawings, tmp_path):
    out, found = tmp_path / "out", pictures.find([drawings])

    def stopped(picture, on_event):
        if picture.name == "b.png":
            raise KeyboardInterrupt
        return b"first"

    with pytest.raises(KeyboardInterrupt):
        pictures.process(found, out, stopped)
    assert [file.name for file in out.iterdir()] == ["a.png"]

    left = pictures.still_open(found, out)
    assert [picture.name for picture in left] == ["b.png", "c.webp"]
    assert pictures.process(left, out, lambda picture, on_event: b"second") == 0
    assert {file.name: file.read_bytes() for file in out.iterdir()} == {
        "a.png": b"first",
        "b.png": b"second",
        "c.png": b"second",
    }


def test_one_bad_file_does_not_stop_the_others(drawings, tmp_path, capsys):
    def work(picture, on_event):
        if picture.name == "b.png":
            raise HostError("LoadImage: not a picture")
        return b"done"

    assert pictures.process(pictures.find([drawings]), tmp_path / "out", work) == 1
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"a.png", "c.png"}
    said = capsys.readouterr()
    assert "b.png: LoadImage: not a picture" in said.err and "2 written" in said.out


def test_when_the_host_dies_every_open_file_is_listed(drawings, tmp_path, capsys):
    def work(picture, on_event):
        raise HostDied("ComfyUI ended with status -9")

    assert pictures.process(pictures.find([drawings]), tmp_path / "out", work) == 1
    said = capsys.readouterr().err
    assert "a.JPG: ComfyUI ended" in said and "c.webp: not done" in said


def test_a_half_written_result_never_has_the_name_of_a_result(tmp_path, monkeypatch):
    def full_disk(path, data):
        path.touch()
        raise OSError("no space left")

    monkeypatch.setattr(Path, "write_bytes", full_disk)
    with pytest.raises(OSError):
        pictures.write(tmp_path / "a.png", b"data")
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("extra", "words"),
    [(["--reference", "missing"], "No such file"), (["--scribble", "missing"], "No such file")],
)
def test_guidance_that_cannot_be_used_is_said_before_anything_starts(drawings, tmp_path, capsys, extra, words):
    with pytest.raises(SystemExit):
        colorize.main([str(drawings), "--out", str(tmp_path / "out"), *extra])
    assert words in capsys.readouterr().err

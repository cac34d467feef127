"""Wildcards: files of wordings beside the workflows, bounded, checked when they are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from service import config, library, wildcards
from service.errors import Rejected
from service.reading import Dropped, read

ROOT = Path(__file__).resolve().parents[1]


def refusal(name: str, data: bytes) -> list[tuple[str, int | None]]:
    with pytest.raises(Rejected) as caught:
        wildcards.parse(name, data)
    return [(problem.code, problem.line) for problem in caught.value.problems]


def test_a_wording_is_a_line_and_notes_are_none():
    text = "\ufeff# Colours\nred\n\n  dark {red|blue} \r\n#ff0000\n__shade__ green\n".encode()
    assert wildcards.parse("colour", text) == ("red", "dark {red|blue}", "__shade__ green")


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("colour", b"", [("empty", None)]),
        ("colour", b"# only a note\n", [("empty", None)]),
        ("colour", b"red\n{3$$a|b}\n", [("bad_alternatives", 2)]),
        ("colour", b"red\n" + b"x" * 1001, [("too_long", 2)]),
        ("colour", b"x\n" * 10_001, [("too_large", None)]),
        ("colour", b"x" * 1_000_001, [("too_large", None)]),
        ("colour", b"r\xff", [("not_utf8", 1)]),
        ("Colour", b"red", [("bad_value", None)]),
        ("a__b", b"red", [("bad_value", None)]),
    ],
)
def test_a_file_that_cannot_be_one_is_refused_with_its_line(name, data, said):
    assert refusal(name, data) == said


def test_what_names_itself_or_nothing_is_left_out_and_what_needs_it_too():
    found = {
        "a": ("__b__",),
        "b": ("__a__", "x"),
        "c": ("__nowhere__",),
        "d": ("__c__",),
        "e": ("y", "__f__"),
        "f": ("z",),
    }
    sound, broken = wildcards.sound(found)
    assert set(sound) == {"e", "f"}
    assert {name: problems[0].code for name, problems in broken.items()} == {
        "a": "bad_alternatives", "b": "bad_alternatives", "c": "unknown_wildcard", "d": "unknown_wildcard",
    }  # fmt: skip


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    (tmp_path / "wildcards").mkdir()
    for file in (ROOT / "workflows").glob("text_to_video_basic.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def loaded(shelf: Path, before: library.Library | None = None) -> library.Library:
    return library.load(config.parse(f"workflows_dir: {shelf}\nmodels_dir: {ROOT / 'models'}\n", ROOT), before)


def test_files_are_read_and_a_broken_one_stays_as_it_was(shelf: Path):
    (shelf / "wildcards/colour.txt").write_text("red\nblue\n")
    (shelf / "wildcards/.hidden.txt").write_text("no")
    first = loaded(shelf)
    assert first.wildcards == {"colour": ("red", "blue")}
    (shelf / "wildcards/colour.txt").write_text("{9$$a|b}")
    second = loaded(shelf, first)
    assert second.wildcards == first.wildcards
    assert second.broken["wildcards/colour.txt"][0].line == 1


def test_a_prompt_with_a_wildcard_that_is_not_there_is_told_the_nearest(shelf: Path):
    (shelf / "wildcards/colour.txt").write_text("red\n")
    text = b"prompt: a\njobs:\n- prompt: a __color__ boat\n"
    with pytest.raises(Rejected) as caught:
        read(Dropped("text-to-video", "", "x", "job_file", text, ()), loaded(shelf))
    (problem,) = caught.value.problems
    assert (problem.code, problem.fix, problem.line) == ("unknown_wildcard", "Did you mean colour?", 3)


def test_ours_are_sound():
    ours = library.load(config.parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))
    assert set(ours.wildcards) >= {"camera", "colour", "weather"}
    assert not [file for file in ours.broken if file.startswith("wildcards/")]

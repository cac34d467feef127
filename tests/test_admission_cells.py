"""Cells: what a drop asks for, numbered flat, each with its seed, its name and its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from service.cells import bases_of, cells_of, count_of, fingerprint_of, labels_of, names_at, seed_of, told_of
from service.config import parse
from service.errors import Problem
from service.jobfile import SEED_MAX
from service.library import load
from service.naming import clean
from service.reading import Dropped, Reading, read

ROOT = Path(__file__).resolve().parents[1]


def readings(text: str, task: str = "text-to-video", **found: str) -> tuple[Reading, ...]:
    library = load(parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))
    return read(Dropped(task, "", "x", "job_file", text.encode(), (), found), library)


def test_counts_and_jobs_are_numbered_flat():
    cells = cells_of(readings("prompt: a\njobs:\n- {seed: 5, count: 2}\n- {}\n- {count: 2}\n"), 77)
    assert [cell.number for cell in cells] == [1, 2, 3, 4, 5]
    assert [cell.seed for cell in cells[:2]] == [5, 6]
    assert cells[4].seed == cells[3].seed + 1
    assert [cell.is_seed_given for cell in cells] == [True, True, False, False, False]
    assert all(cell.settings.seed == cell.seed and cell.settings.count is None for cell in cells)


def test_the_same_drawn_seed_gives_the_same_cells_and_each_job_another_seed():
    several = readings("prompt: a\n---\nprompt: a\n---\nprompt: a\n")
    seeds = [cell.seed for cell in cells_of(several, 77)]
    assert seeds == [cell.seed for cell in cells_of(several, 77)]
    assert len(set(seeds)) == 3
    assert seeds[0] == 77
    assert all(0 <= seed_of(drawn, number) <= SEED_MAX for drawn in (0, SEED_MAX) for number in range(50))


def test_one_job_is_called_as_its_drop_or_as_its_output_says():
    assert names_at("harbour", [None])(1) == ["harbour"]
    assert names_at("harbour", [None])(3) == ["harbour_3"]
    assert names_at("harbour", ["sea: calm"])(2) == ["sea_ calm_2"]


def test_several_are_numbered_after_the_drop_or_their_own_name_at_every_try():
    names = names_at("harbour", [None, "lake", None])
    assert names(1) == ["harbour", "harbour_0001", "lake_0002", "harbour_0003"]
    assert names(2) == ["harbour_2", "harbour_2_0001", "lake_2_0002", "harbour_2_0003"]


def test_long_names_keep_their_numbers():
    names = names_at(clean("x" * 300), [None] * 3)(2)
    assert len(set(names)) == 4
    assert all(len(name.encode()) <= 180 for name in names)


def test_every_cell_has_its_base_and_is_counted():
    several = readings("prompt: a\njobs:\n- {count: 2, output: {name: lake}}\n- {}\n")
    assert count_of(several) == 3
    assert bases_of(several) == ["lake", "lake", None]


def test_each_file_is_looked_at_once_for_each_kind_and_labelled_the_same_each_time():
    text = "jobs:\n- image: red.jpg\n- image: blue.jpg\n- image: red.jpg\n"
    several = readings(text, "image-to-video", **{"red.jpg": "media/red.jpg", "blue.jpg": "media/blue.jpg"})
    labels = labels_of(cells_of(several, 1))
    assert {file: label for (file, _), (_, label) in labels.items()} == {"red.jpg": "image", "blue.jpg": "image-2"}


def test_a_problem_says_whose_it_is_once_and_where():
    several = readings("prompt: a\njobs:\n- {count: 2, width: 256}\n- {width: 512}\n")
    wide = Problem("bad_value", "It is too wide.", "Make it smaller.", field="width")
    told = told_of([(cell, wide) for cell in cells_of(several, 1)], several=True)
    assert [problem.title for problem in told] == ["Job 1: It is too wide.", "Job 2: It is too wide."]
    assert [problem.line for problem in told] == [3, 4]
    assert told_of([(cells_of(several, 1)[0], replace(wide, field=None))], several=False)[0].title == "It is too wide."


BASE = ("graph", {"seed": 1, "prompt": "é"}, {"image": "aa"}, ["checkpoints/a"], "comfyui")


@pytest.mark.parametrize(
    "other",
    [
        ("other", *BASE[1:]),
        (BASE[0], {"seed": 2, "prompt": "é"}, *BASE[2:]),
        (*BASE[:2], {"image": "bb"}, *BASE[3:]),
        (*BASE[:2], {"source": "aa"}, *BASE[3:]),
        (*BASE[:3], ["checkpoints/b"], BASE[4]),
        (*BASE[:4], "embedded"),
    ],
    ids=["graph", "settings", "bytes", "role", "models", "engine"],
)
def test_whatever_changes_a_result_changes_the_fingerprint(other):
    assert fingerprint_of(*BASE) != fingerprint_of(*other)


def test_a_preset_is_only_its_settings():
    assert fingerprint_of(*BASE) == fingerprint_of(BASE[0], {**BASE[1], "preset": "quick"}, *BASE[2:])

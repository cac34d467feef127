"""submit --dry-run: what files would become is told, and nothing is touched."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.commands import commands
from service.config import parse
from service.foretelling import Foretelling, Foretold, differing
from service.library import load
from tests.line.world import ROOT

LIBRARY = load(parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))


def foretold(task: str, texts: dict[str, str], *media: str, lying: tuple[str, ...] = ()) -> tuple[Foretold, ...]:
    known = {name: f"media/{name}" for name in lying}
    return Foretelling(LIBRARY, known.get).foretell(task, {name: text.encode() for name, text in texts.items()}, media)


def test_a_matrix_is_told_with_names_seeds_and_what_differs():
    (drop,) = foretold("text-to-video", {"sea.yaml": "prompt: a\nseed: 7\nmatrix: {cfg: [6, 7.5]}\ncount: 2\n"})
    assert drop.name == "sea"
    assert [(job.name, job.seed, job.settings["cfg"]) for job in drop.jobs] == [
        ("sea_0001", 7, 6), ("sea_0002", 8, 6), ("sea_0003", 7, 7.5), ("sea_0004", 8, 7.5),
    ]  # fmt: skip
    assert drop.differing == ("cfg",)


def test_a_seed_that_is_drawn_later_is_none_now():
    (drop,) = foretold("text-to-video", {"sea.txt": "a {red|blue} sea"})
    assert [(job.name, job.seed) for job in drop.jobs] == [("sea", None)]
    assert drop.jobs[0].settings["prompt"] in ("a red sea", "a blue sea")


def test_what_is_wrong_and_what_would_wait_is_told_drop_by_drop():
    wrong, waiting, lone = foretold(
        "image-to-video", {"a.yaml": "stpes: 3\nimage: a.jpg\n", "b.yaml": "seed: 1\n"}, "a.jpg", "c.jpg"
    )
    assert [(problem.line, problem.fix) for problem in wrong.problems] == [(1, "Did you mean steps?")]
    assert waiting.waits is not None
    assert [job.name for job in lone.jobs] == ["c"]
    # Its size follows the picture, which nobody has looked into.
    assert "width" not in lone.jobs[0].settings
    (found,) = foretold("image-to-video", {"d.yaml": "image: far.jpg\n"}, lying=("far.jpg",))
    assert [job.name for job in found.jobs] == ["d"]


def test_the_rules_are_asked_of_each_job():
    (drop,) = foretold("face-swap", {"x.yaml": "priority: 1\n"}, "x.source.jpg", "x.target.jpg")
    assert [problem.code for problem in drop.problems] == ["consent_missing"]
    (drop,) = foretold("face-swap", {"x.yaml": "consent: true\n"}, "x.source.jpg", "x.target.jpg")
    assert len(drop.jobs) == 1


def test_a_model_of_another_family_is_told():
    (drop,) = foretold("text-to-video", {"x.yaml": "prompt: a\nmatrix: {checkpoint: [svd_xt.safetensors, other]}\n"})
    assert [(problem.code, problem.line, problem.column) for problem in drop.problems] == [("family_mismatch", 2, 23)]


def test_files_of_no_kind_are_told_to_be_left_alone():
    (left,) = foretold("text-to-video", {}, "notes.doc")
    assert [problem.code for problem in left.problems] == ["left_alone"]


def test_differing_are_the_settings_that_are_not_alike():
    assert differing([{"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}]) == ("b", "c")
    assert differing([{"a": 1}]) == ()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(
        f"workflows_dir: '{ROOT / 'workflows'}'\nmodels_dir: '{ROOT / 'models'}'\nmax_cells: 5\n"
    )
    return tmp_path


def call(home: Path, *words: str) -> Any:
    return CliRunner().invoke(
        commands, ["submit", *words, "--config", str(home / "config.yaml")], catch_exceptions=False
    )


def everything(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_the_command_tells_and_touches_nothing(home: Path):
    job = home / "sea.yaml"
    job.write_text("prompt: a sea, __weather__\nmatrix: {cfg: [6, 7.5]}\nwidth: 500\n")
    before = everything(home)
    told = call(home, "text-to-video", str(job), "--dry-run")
    assert told.exit_code == 0, told.output
    assert "sea.yaml would become 2 jobs, as sea" in told.output
    assert "  sea_0002: seed random, cfg 7.5" in told.output
    assert "width 500 became 504" in told.output
    as_json = call(home, "text-to-video", str(job), "--dry-run", "--json")
    (drop,) = json.loads(as_json.output)["drops"]
    assert [each["settings"]["width"] for each in drop["jobs"]] == [504, 504]
    assert (drop["differing"], drop["problems"], drop["jobs"][0]["seed"]) == (["cfg"], [], None)
    assert everything(home) == before


def test_the_command_ends_with_2_where_something_would_be_refused(home: Path):
    job = home / "sea.yaml"
    job.write_text("prompt: a\ncount: 6\n")
    told = call(home, "text-to-video", str(job), "--dry-run")
    assert told.exit_code == 2
    assert "may ask for 5" in told.output
    assert call(home, "text-to-video", str(job), "--dry-run", "--json").exit_code == 2
    assert not (home / "inbox").exists()

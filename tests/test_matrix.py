"""A matrix: every combination becomes a job of its own, in the order written, each mistake with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import config, library
from service.cells import Cell, cells_of
from service.errors import Rejected
from service.jobfile import draft, parse
from service.reading import Dropped, read

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = library.load(config.parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))


def asked(text: str) -> list[dict]:
    return [job.asked() for job in parse(text.encode()).jobs]


def told(text: str) -> list[tuple[str, int | None, int | None]]:
    with pytest.raises(Rejected) as caught:
        parse(text.encode())
    assert all(problem.fix for problem in caught.value.problems)
    return [(problem.code, problem.line, problem.column) for problem in caught.value.problems]


def cells(text: str, drawn: int = 77) -> tuple[Cell, ...]:
    readings = read(Dropped("text-to-video", "", "x", "job_file", text.encode(), ()), LIBRARY)
    return cells_of(readings, drawn, LIBRARY.wildcards)


def test_every_combination_in_the_order_written_the_last_field_fastest():
    found = asked("prompt: a\nmatrix: {cfg: [6, 7.5], sampler: [euler, dpmpp_2m]}\n")
    assert [(job["cfg"], job["sampler"]) for job in found] == [
        (6, "euler"), (6, "dpmpp_2m"), (7.5, "euler"), (7.5, "dpmpp_2m"),
    ]  # fmt: skip
    assert all(job["prompt"] == "a" and "matrix" not in job for job in found)


def test_each_alternative_of_a_prompt_in_a_matrix_is_a_value_of_it():
    text = "matrix:\n  prompt:\n    - a {cat|dog}\n    - a {lake\n    - '{sea|{wild|calm} lake}'\n  steps: [5]\n"
    assert [job["prompt"] for job in asked(text)] == ["a cat", "a dog", "a {lake", "sea", "wild lake", "calm lake"]


def test_parts_of_fields_are_named_with_a_dot():
    (first, second) = parse(b"sliders: {body: 0.5}\nmatrix: {sliders.age: [-0.5, 1], switches.x: [true]}\n").jobs
    assert [(each.sliders.age, each.sliders.body, each.switches) for each in (first, second)] == [
        (-0.5, 0.5, {"x": True}), (1.0, 0.5, {"x": True}),
    ]  # fmt: skip


def test_lists_of_loras_are_values():
    found = asked("prompt: a\nmatrix: {loras: [[], [{name: film, weight: 0.5}, {name: grain}]]}\n")
    assert [[(lora.name, lora.weight) for lora in job["loras"]] for job in found] == [
        [],
        [("film", 0.5), ("grain", 1.0)],
    ]


def test_a_jobs_own_field_wins_over_a_shared_matrix_and_its_matrix_over_a_shared_field():
    text = "prompt: a\nmatrix: {cfg: [1, 2], steps: [3, 4]}\nsampler: s\njobs:\n- cfg: 9\n- matrix: {cfg: [5]}\n"
    found = parse((text + "- {cfg: 1, steps: 1}\n- matrix: {sampler: [t]}\n  cfg: 3\n  steps: 3\n").encode())
    assert [(job.cfg, job.steps, job.sampler) for job in found.jobs] == [
        (9, 3, "s"), (9, 4, "s"), (5, 3, "s"), (5, 4, "s"), (1, 1, "s"), (3, 3, "t"),
    ]  # fmt: skip
    assert found.written == (0, 0, 1, 1, 2, 3)


def test_a_length_in_the_matrix_sets_the_shared_other_way_of_saying_it_aside():
    assert asked("frames: 9\njobs: [{matrix: {seconds: [1, 2]}}]") == [{"seconds": 1.0}, {"seconds": 2.0}]


def test_each_value_knows_its_place():
    found = parse(b"prompt: a\nmatrix:\n  cfg: [6, 7.5]\n  sliders.age: [1]\n")
    assert [found.place("cfg", number) for number in (0, 1)] == [(3, 9), (3, 12)]
    assert found.place("sliders.age", 1) == (4, 17)


@pytest.mark.parametrize(
    ("matrix", "said"),
    [
        ("matrix: {cfg: [6, x, y]}", [("wrong_type", 2, 19), ("wrong_type", 2, 22)]),
        ("matrix: {samplr: [a]}", [("unknown_field", 2, 10)]),
        ("matrix: {sliders.ag: [1]}", [("unknown_field", 2, 10)]),
        ("matrix: {count: [1, 2]}", [("bad_value", 2, 10)]),
        ("matrix: {consent: [true]}", [("bad_value", 2, 10)]),
        ("matrix: {output.name: [a]}", [("unknown_field", 2, 10)]),
        ("matrix: {sliders: [{age: 1}]}", [("unknown_field", 2, 10)]),
        ("matrix: {cfg: 6}", [("wrong_type", 2, 10)]),
        ("matrix: {cfg: []}", [("empty_field", 2, 10)]),
        ("matrix: {cfg: [6, 6]}", [("bad_value", 2, 10)]),
        ("matrix: {prompt: [b]}", [("conflict", 2, 10)]),
        ("matrix: {frames: [8], seconds: [1]}", [("conflict", 2, 33)]),
        ("matrix: {frames: [8]}\nseconds: 1", [("conflict", 2, 10)]),
        ("matrix: {}", [("wrong_type", 2, 1)]),
        ("matrix: [cfg]", [("wrong_type", 2, 1)]),
        ("matrix:", [("wrong_type", 2, 1)]),
        ("matrix: {prompt: ['{3$$a|b}']}\njobs: [{}]", [("conflict", 2, 10)]),
    ],
)
def test_each_mistake_is_told_once_with_its_place(matrix, said):
    assert told(f"prompt: a\n{matrix}\n") == said


def test_a_job_with_a_broken_matrix_has_its_other_mistakes_told_too():
    made = draft(b"prompt: a\nsteps: x\nmatrix: {cfg: 3, seed: [1, 2]}\n")
    assert [problem.field for problem in made.problems] == ["steps", "matrix.cfg"]
    assert [job.seed for job in made.file.jobs] == [1, 2]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("matrix: {seed: [1, 2, 3]}\ncount: 334", "1,002"),
        ("matrix: {prompt: ['" + "{a|b}" * 10 + "']}", "1,024"),
        ("matrix: {prompt: ['" + "{a|b}" * 900 + "']}", "countless"),
        ("matrix: {seed: [1, 2]}\njobs: [" + ", ".join(["{}"] * 501) + "]", "1,002"),
    ],
)
def test_too_many_are_counted_before_any_is_made(text, number):
    with pytest.raises(Rejected) as caught:
        parse(text.encode())
    (problem,) = caught.value.problems
    assert (problem.code, number in problem.title) == ("too_many_jobs", True)


def test_no_more_are_read_than_a_file_may_ask_for():
    text = f"prompt: a\nmatrix: {{seed: {list(range(40))}, steps: {list(range(1, 41))}}}\n"
    assert len(draft(text.encode()).file.jobs) == 1000


def test_the_operator_sets_how_many_a_drop_may_ask_for():
    with pytest.raises(Rejected, match="may ask for 3"):
        draft_of = draft(b"prompt: a\nmatrix: {seed: [1, 2, 3, 4]}", 3)
        raise Rejected(*draft_of.problems)
    assert len(draft(b"prompt: a\ncount: 900\nmatrix: {cfg: [1, 2]}", 2000).file.jobs) == 2


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({**{f"x{each}": 1 for each in range(30_000)}, "matrix": {"cfg": [1]}, "jobs": [{}] * 20_000}),
        json.dumps({"matrix": {"seed": list(range(40_000)), "cfg": list(range(40_000))}}),
        json.dumps({"matrix": {"prompt": ["{a|b}" * 500] * 5}}),
        json.dumps({"jobs": [{"matrix": {"prompt": ["{a|b}" * 20 + str(each)]}} for each in range(5_000)]}),
    ],
    ids=["shared", "values", "wordings", "jobs"],
)
def test_bombs_of_combinations_are_refused_at_once(text):
    assert told(text)


def test_jobs_of_one_matrix_have_one_seed_so_that_they_can_be_compared():
    found = cells("prompt: a {b|c|d|e} f\nmatrix: {cfg: [6, 7, 8]}\n---\nprompt: b\ncount: 2\n")
    assert [cell.seed for cell in found[:3]] == [77, 77, 77]
    assert len({cell.settings.prompt for cell in found[:3]}) == 1
    assert found[3].seed != 77
    assert found[4].seed == found[3].seed + 1
    assert [cell.number for cell in found] == [1, 2, 3, 4, 5]


def test_each_take_picks_its_own_words_and_the_same_seed_the_same():
    text = "prompt: a {red|green|blue} boat, __weather__\nnegative_prompt: __colour__\nseed: 5\ncount: 20\n"
    found = cells(text)
    assert len({cell.settings.prompt for cell in found}) > 5
    assert [cell.settings.prompt for cell in found] == [cell.settings.prompt for cell in cells(text, 3)]
    assert not any("{" in cell.settings.prompt or "__" in cell.settings.negative_prompt for cell in found)


def test_a_prompt_that_becomes_too_long_names_its_field_and_place():
    line = ", ".join(["__camera__"] * 1000)
    with pytest.raises(Rejected) as caught:
        cells(f"seed: 1\nprompt: {line[:9990]}\n")
    (problem,) = caught.value.problems
    assert (problem.code, problem.field, problem.line) == ("too_long", "prompt", 2)
    assert problem.title.startswith("prompt ")


AXES = {"cfg": [1.5, 2.5, 3.5], "steps": [3, 4], "seed": [7, 8, 9], "sampler": ["euler", "ddim"]}


@given(st.permutations(sorted(AXES)), st.integers(1, 4), st.data())
def test_a_matrix_is_its_combinations_written_out(names, size, data):
    axes = {name: data.draw(st.lists(st.sampled_from(AXES[name]), min_size=1, unique=True)) for name in names[:size]}
    written = [{}]
    for name, values in axes.items():
        written = [{**job, name: value} for job in written for value in values]
    together = parse(json.dumps({"prompt": "a", "matrix": axes}).encode())
    apart = parse(json.dumps({"prompt": "a", "jobs": written}).encode())
    assert together.jobs == apart.jobs


SHAPES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["a", "{a|b}", "x y"]),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.sampled_from(["age", "prompt"]), each, max_size=2),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["cfg", "prompt", "sliders.age", "sliders", "loras", "switches.a", "x", "output.crf", "frames"]
        ),
        SHAPES,
        max_size=4,
    ),
    st.dictionaries(st.sampled_from(["sliders", "switches", "cfg", "matrix"]), SHAPES, max_size=2),
)
def test_any_shape_of_matrix_is_read_or_refused_with_places(matrix, job):
    try:
        parse(json.dumps({"matrix": matrix, "jobs": [job]}).encode())
    except Rejected as refused:
        assert all(problem.line and problem.fix for problem in refused.problems)  # noqa: PT017

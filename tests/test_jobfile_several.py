import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Problem, Rejected
from service.jobfile import MAX_JOBS, draft, parse
from service.strict_yaml import MAX_PROBLEMS


def asked(text):
    return [job.asked() for job in parse(text if isinstance(text, bytes) else text.encode()).jobs]


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    return caught.value.problems


def test_shared_fields_count_as_being_in_each_job_and_the_jobs_own_win():
    text = "prompt: a\nsteps: 20\njobs:\n  - seed: 1\n  - seed: 2\n    steps: 30\n  - prompt: b\n"
    assert asked(text) == [
        {"prompt": "a", "steps": 20, "seed": 1},
        {"prompt": "a", "steps": 30, "seed": 2},
        {"prompt": "b", "steps": 20},
    ]


def test_shared_fields_may_stand_below_the_jobs_too():
    assert asked("jobs: [{seed: 1}, {}]\nprompt: a") == [{"prompt": "a", "seed": 1}, {"prompt": "a"}]


def test_a_job_that_sets_its_length_sets_the_other_way_of_saying_it_aside():
    assert asked("frames: 16\njobs: [{seconds: 2}, {frames: 8}, {}]") == [{"seconds": 2}, {"frames": 8}, {"frames": 16}]
    assert [problem.code for problem in problems_of("jobs: [{frames: 3, seconds: 2}]")] == ["conflict"]


def test_each_part_of_output_counts_by_itself():
    (first, second) = parse(b"output: {metadata: minimal, name: a}\njobs: [{output: {name: b}}, {}]").jobs
    assert (first.output.name, first.output.metadata) == ("b", "minimal")
    assert (second.output.name, second.output.metadata) == ("a", "minimal")


def test_yaml_documents_are_jobs_and_may_hold_lists():
    assert asked("prompt: a\n---\nprompt: b\n") == [{"prompt": "a"}, {"prompt": "b"}]
    assert asked("prompt: a\njobs: [{seed: 1}, {seed: 2}]\n---\nseed: 3\n") == [
        {"prompt": "a", "seed": 1}, {"prompt": "a", "seed": 2}, {"seed": 3},
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["---\nseed: 1\n---\n", "---\n---\nseed: 1\n", "seed: 1\n...\n---\n# only a note\n"])
def test_documents_that_say_nothing_are_passed_over(text):
    assert asked(text) == [{"seed": 1}]


def test_nothing_but_empty_documents_is_an_empty_file():
    assert [problem.code for problem in problems_of("---\n---\n")] == ["empty"]


def test_each_job_knows_where_its_fields_stand():
    job = parse(b"steps: 3\njobs:\n  - prompt: a\n  - prompt: b\n    steps: 4\n    output: {name: x}\n---\nseed: 1\n")
    assert [job.place("steps", number) for number in range(3)] == [(1, 1), (5, 5), (8, 1)]
    assert job.place("output.name", 1) == (6, 14)
    assert job.starts == ((3, 5), (4, 5), (8, 1))
    found = job.placed([Problem("x", "t", "f", field="steps"), Problem("x", "t", "f", field="prompt")], 2)
    assert [(problem.line, problem.column) for problem in found] == [(8, 1), (8, 1)]
    assert job.settings is job.jobs[0]


def test_every_mistake_of_every_job_is_named_once_in_the_order_of_the_file():
    found = problems_of(
        "steps: x\nloras: [a]\njobs:\n  - seed: y\n  - a harbour\n  - jobs: []\n  - widht: 3\n"
        "---\nprompt: [a]\n---\n- b\n"
    )
    assert [(problem.code, problem.line) for problem in found] == [
        ("wrong_type", 1), ("wrong_type", 2), ("wrong_type", 4), ("not_fields", 5), ("bad_value", 6),
        ("unknown_field", 7), ("wrong_type", 9), ("not_fields", 11),
    ]  # fmt: skip


def test_a_list_of_jobs_without_their_name_is_told_what_is_missing():
    first, second = problems_of("- prompt: a\n- prompt: b\n  steps: x\n")
    assert (first.code, first.fix, first.line) == ("not_fields", "Write jobs: in a line above the list.", 1)
    assert (second.field, second.line) == ("steps", 3)


def test_a_list_that_is_no_list_still_has_its_shared_fields_looked_at():
    assert [problem.line for problem in problems_of("jobs: 3\nsteps: x\n")] == [1, 2]


def test_a_draft_keeps_what_is_right_and_names_what_is_wrong():
    made = draft(b"prompt: a\nsteps: x\njobs: [{seed: 1}, {seed: y, promt: b}]\nframes: 3\nseconds: 2")
    assert [job.asked() for job in made.file.jobs] == [
        {"prompt": "a", "seed": 1, "frames": 3}, {"prompt": "a", "frames": 3},
    ]  # fmt: skip
    assert made.broken == (frozenset({"steps", "seconds"}), frozenset({"steps", "seconds", "seed", "promt", "prompt"}))


@pytest.mark.parametrize("jobs", [[{}] * MAX_JOBS, [{"count": 999}, {}], [{"count": 500}] * 2])
def test_a_file_may_ask_for_a_thousand_jobs(jobs):
    assert len(asked(json.dumps({"prompt": "a", "jobs": jobs}))) == len(jobs)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("jobs:\n" + "  - {}\n" * 1001, 1002),
        ("count: 2\njobs:\n" + "  - {}\n" * 501, 503),
        ("jobs: [{count: 600}]\n---\ncount: 401\n", 3),
        ("seed: 1\n---\n" * 1001, 2001),
    ],
)
def test_more_than_a_thousand_jobs_are_refused_where_they_become_too_many(text, line):
    (problem,) = problems_of(text)
    assert (problem.code, problem.line) == ("too_many_jobs", line)


@pytest.mark.parametrize(
    "data",
    [
        json.dumps({**{f"x{number}": 1 for number in range(40_000)}, "jobs": [{}] * 20_000}).encode(),
        json.dumps({"prompt": "a" * 10_000, "jobs": [{"steps": "x"}] * 40_000}).encode(),
        json.dumps({"negative_prompt": "{" * 9_999, "jobs": [{}] * 20_000}).encode(),
        b"seed: x\n---\n" * 30_000,
        b"{jobs: [{jobs: [{}]}]}\n---\n" * 15_000,
    ],
    ids=["shared", "prompts", "braces", "documents", "nested"],
)
def test_bombs_of_jobs_are_refused_at_once(data):
    assert len(problems_of(data)) <= MAX_PROBLEMS


def test_a_file_full_of_mistakes_names_some_dozens():
    found = problems_of("jobs:\n" + "  - steps: x\n" * 900)
    assert [problem.line for problem in found] == list(range(2, MAX_PROBLEMS + 2))


VALUES = {"prompt": ["a", "b"], "steps": [3, 4], "cfg": [1.5, 2.5], "seed": [7, 8], "image": ["a.jpg", "b/c.png"]}
FIELDS = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in VALUES.items()})


@given(FIELDS, st.lists(FIELDS, min_size=1, max_size=4))
def test_jobs_below_shared_fields_are_the_same_as_jobs_written_out(shared, jobs):
    written_out = "\n---\n".join(json.dumps({**shared, **job, "count": 1}) for job in jobs)
    together = json.dumps({**shared, "count": 1, "jobs": jobs})
    assert parse(together.encode()).jobs == parse(written_out.encode()).jobs


@given(st.binary(max_size=120) | st.text("jobspromt: -[]{}\n#'\"|>&*!?,.019~%", max_size=80).map(str.encode))
def test_any_bytes_are_jobs_or_are_refused_with_a_cure(data):
    try:
        made = parse(data)
    except Rejected as refused:
        assert all(problem.title and problem.fix for problem in refused.problems)  # noqa: PT017
        return
    assert len(made.jobs) == len(made.places) == len(made.starts) >= 1


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "jobs": st.recursive(
                st.none() | st.booleans() | st.integers() | st.text(max_size=5),
                lambda each: (
                    st.lists(each, max_size=3)
                    | st.dictionaries(st.sampled_from(["jobs", "seed", "output", "name", "priority"]), each, max_size=3)
                ),
                max_leaves=10,
            ),
            "output": st.none()
            | st.dictionaries(st.sampled_from(["name", "crf", "x"]), st.none() | st.text(max_size=3)),
            "frames": st.integers(-2, 9),
        },
    )
)
def test_any_shape_of_jobs_is_read_or_refused_with_places(document):
    try:
        parse(json.dumps(document).encode())
    except Rejected as refused:
        assert all(problem.line and problem.fix for problem in refused.problems)  # noqa: PT017

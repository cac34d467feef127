import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service import jobfile, matrix, presets
from service.declaration import reference, written
from service.errors import Problem, Rejected
from service.jobfile import PROMPT_MAX, SEED_MAX, UNBUILT, JobSettings, Output, expand, from_text, parse, without_file
from tests import pages

OUTPUTS_OF_THE_SPEC = ["name", "format", "codec", "crf", "fps", "audio", "metadata"]
FIELDS_OF_THE_SPEC = [
    "workflow", "preset", "prompt", "negative_prompt", "image", "source", "target", "reference", "seed", "width",
    "height", "frames", "seconds", "fps", "steps", "cfg", "sampler", "scheduler", "checkpoint", "vae", "loras",
    "sliders", "switches", "count", "matrix", "priority", "start_at", "every", "output", "consent", "notify",
    "rerun", "shrink", "jobs",
]  # fmt: skip


def problems_of(text):
    with pytest.raises(Rejected) as caught:
        parse(text if isinstance(text, bytes) else text.encode())
    return caught.value.problems


def reason(text):
    return "".join(f"{problem.sentence()}\n" for problem in problems_of(text))


def only(text):
    (problem,) = problems_of(text)
    return problem


def job_parts():
    not_built = ["| field | meanwhile |", "| --- | --- |"]
    not_built += [f"| `{name}` | {cure} |" for name, cure in UNBUILT.items()]
    shipped = ["| preset | what it is for | its settings |", "| --- | --- | --- |"]
    for file in sorted((pages.DOCS.parent / "workflows" / "presets").glob("*.yaml")):
        preset = presets.parse(file.stem, file.read_bytes())
        told = {**({"style": preset.style} if preset.style else {}), **preset.settings}
        settings = ", ".join(f"{name}: {written(value)}" for name, value in told.items())
        shipped.append(f"| `{preset.name}` | {preset.description} | {settings} |")
    return {
        "presets": "\n".join(shipped) + "\n",
        "preset fields": ", ".join(f"`{name}`" for name in presets.FIELDS) + "\n",
        "job fields": reference(JobSettings),
        "output fields": reference(Output),
        "matrix fields": ", ".join(f"`{name}`" for name in (*matrix.known(), "switches.NAME")) + "\n",
        "fields not built yet": "\n".join(not_built) + "\n",
    }


def test_a_job_file_becomes_settings_with_places():
    job = parse(b"prompt: a harbour\nseed: 42\nfps: 12\nimage: ./tom.jpg\n")
    assert job.settings.asked() == {"prompt": "a harbour", "seed": 42, "fps": 12.0, "image": "tom.jpg"}
    assert job.place("seed") == (2, 1)
    assert job.place("steps") == (1, 1)
    assert job.settings.model_fields_set == {"prompt", "seed", "fps", "image"}


@pytest.mark.parametrize("text", ["16:9", "no", "1984", "1.50", "true", "2026-01-02", "100%", "a {b} c", "a | b"])
def test_text_fields_take_text_as_it_is_written(text):
    assert parse(f"prompt: {text}".encode()).settings.prompt == text


def test_a_long_prompt_may_go_on_indented():
    assert parse(b"prompt: a cat\n  on a mat\n").settings.prompt == "a cat on a mat"
    assert parse(b"prompt: |\n  a cat\n  on a mat\n").settings.prompt == "a cat\non a mat\n"


def test_every_mistake_is_named_at_once_in_the_order_of_the_file():
    found = problems_of(
        'seed: x\nframes: "16"\nsteps: 20.5\nprompt: [a, b]\ncfg: .nan\n'
        "Seeds: 3\nloras: c\nwidth: -4\ncount: true\nheight: 010\n"
    )
    assert [problem.line for problem in found] == list(range(1, 11))
    assert [problem.field for problem in found] == [
        "seed", "frames", "steps", "prompt", "cfg", "Seeds", "loras", "width", "count", "height",
    ]  # fmt: skip
    assert all(problem.fix and problem.column for problem in found)


@pytest.mark.parametrize(
    ("text", "code", "column", "cure"),
    [
        ("seed: x", "wrong_type", 7, "Write for example seed: 42."),
        ('frames: "16"', "wrong_type", 9, "Write it without quotes: frames: 16."),
        ("steps: 20.5", "wrong_type", 8, "Write for example steps: 20."),
        ("steps: true", "wrong_type", 8, "Write for example steps: 20."),
        ("height: 010", "wrong_type", 9, "Write it without the zero in front: height: 10."),
        ("cfg: .nan", "wrong_type", 6, "Write for example cfg: 7.5."),
        ("cfg: -.inf", "wrong_type", 6, "Write for example cfg: 7.5."),
        ("cfg: 1e999", "wrong_type", 6, "Write for example cfg: 7.5."),
        ("prompt: [a, b]", "wrong_type", 9, 'Put the text in quotes: prompt: "[a, b]"'),
        ("prompt: {a: b}", "wrong_type", 9, 'Put the text in quotes: prompt: "{a: b}"'),
        ("prompt:\n  - a\n", "wrong_type", 3, "Write for example prompt: "),
        ("width: -4", "out_of_range", 8, "Write for example width: 512."),
        ("seed: " + "9" * 5000, "out_of_range", 7, "Write for example seed: 42."),
        (f"seed: {SEED_MAX + 1}", "out_of_range", 7, "Write for example seed: 42."),
        ("seconds: 0", "out_of_range", 10, "Write for example seconds: 1.3."),
        ("count: 0", "out_of_range", 8, "Write for example count: 4."),
        ("seed:", "empty_field", 1, "take the line out"),
        ("seed: null", "empty_field", 1, "take the line out"),
        ('prompt: ""', "empty_field", 9, "take the line out"),
        ('prompt: "  "', "empty_field", 9, "take the line out"),
        ('prompt: "a\\u0007b"', "control_character", 9, "Delete it."),
        ("negativ-prompt: a", "unknown_field", 1, "Did you mean negative_prompt?"),
        ("Frame: 3", "unknown_field", 1, "Did you mean frames?"),
        ("slider: {age: 1}", "unknown_field", 1, "Did you mean sliders?"),
        ("zzz: 3", "unknown_field", 1, "The fields are: prompt, "),
        ("stile: film", "unknown_field", 1, "The fields are: prompt, "),
        ("style: film", "unknown_field", 1, "Did you mean preset?"),
        ("Duration: 3", "unknown_field", 1, "Did you mean seconds?"),
        ("name: x", "unknown_field", 1, "Did you mean output: {name: …}?"),
        ("output: {style: x}", "unknown_field", 10, "The fields are: name, metadata, format, codec, crf, fps, audio."),
        ("cfg_scale: 7", "unknown_field", 1, "Did you mean cfg?"),
        ("negative: blurry", "unknown_field", 1, "Did you mean negative_prompt?"),
        ("sede: 7", "unknown_field", 1, "Did you mean seed?"),
        ("priority: urgent", "bad_value", 11, "priority: high"),
        ("priority: 101", "bad_value", 11, "priority: high"),
        ("priority: 1.5", "bad_value", 11, "priority: high"),
        ('priority: "50"', "bad_value", 11, "priority: high"),
        ("output: harbour", "wrong_type", 9, "output: {name: harbour}"),
        ("output: {nam: harbour}", "unknown_field", 10, "Did you mean name?"),
        ("output: {name: }", "empty_field", 10, "take the line out"),
        ("output: {name: a/b}", "bad_path", 16, "a name only"),
        ("output: {name: harbour.mp4}", "bad_value", 16, "Write harbour;"),
        ("output: {metadata: none}", "bad_value", 20, "metadata: minimal"),
        (
            "output: {quality: 3}",
            "unknown_field",
            10,
            "The fields are: name, metadata, format, codec, crf, fps, audio.",
        ),
        ("rerun: yes", "wrong_type", 8, "rerun: true"),
        ("jobs:", "empty_field", 1, "- prompt: a harbour"),
        ("jobs: []", "empty_field", 1, "- prompt: a harbour"),
        ("jobs: {prompt: a}", "wrong_type", 1, "with a dash in front"),
        ("jobs: 3", "wrong_type", 1, "with a dash in front"),
        ("jobs:\n  - a harbour\n", "not_fields", 5, "- prompt: a harbour"),
        ("jobs:\n  - jobs: [{seed: 1}]\n", "bad_value", 5, "one list"),
        ("jobs: [{count: 600}, {count: 600}]", "too_many_jobs", 22, "divide them"),
        ("prompt: red #ff0000", "cut_text", 9, '"red #ff0000"'),
        ("image: /etc/passwd", "bad_path", 8, "beside the job file"),
        ("image: C:/x.jpg", "bad_path", 8, "beside the job file"),
        ("image: ~/x.jpg", "bad_path", 8, "beside the job file"),
        ("image: a/../../x.jpg", "bad_path", 8, "beside the job file"),
        ("image: ..", "bad_path", 8, "beside the job file"),
        ("image: a\\x.jpg", "bad_path", 8, "cats/cat.jpg"),
        ("image: cats\\tom.jpg", "bad_path", 8, "cats/cat.jpg"),
        ("source: cats/.tom.jpg", "bad_path", 9, "beside the job file"),
        (f"target: cats/{'ö' * 128}.mp4", "bad_path", 9, "beside the job file"),
        ("reference: ../x.mp4", "bad_path", 12, "inbox/media"),
        ("image: .reeldrop/claims/x.jpg", "bad_path", 8, "beside the job file"),
        ("image: a//b.jpg", "bad_path", 8, "beside the job file"),
        ("image: https://a.b/c.jpg", "bad_path", 8, "Download it"),
        ("frames: 3\nseconds: 4", "conflict", 1, "Keep one of the two."),
        (f"seed: {SEED_MAX}\ncount: 2", "out_of_range", 1, "smaller seed"),
        ("prompt: " + "a" * (PROMPT_MAX + 1), "too_long", 9, "Write less."),
        ("- prompt: a", "not_fields", 1, "without a dash"),
        ("prompt:a cat", "not_fields", 1, "a space after the colon"),
        ("prompt", "not_fields", 1, "a space after the colon"),
        ("null", "empty", 1, "at least one field"),
    ],
)
def test_a_mistake_has_its_code_place_and_cure(text, code, column, cure):
    problem = only(text)
    assert (problem.code, problem.column) == (code, column)
    assert cure in problem.fix


def test_frames_and_seconds_are_refused_together_even_beside_other_mistakes():
    assert [problem.code for problem in problems_of("frames: 3\nseed: x\nseconds: 4")] == ["wrong_type", "conflict"]


def test_no_message_is_pydantics_own():
    said = reason("seed: x\nprompt: [a]\ncfg: .nan\nfoo: 1\nwidth: 0\nvae: {}\nfps: []\ncount: 1.0\nimage: 3.5\n")
    for word in ("Input", "should", "valid", "pydantic", "type=", "None"):
        assert word not in said


@pytest.mark.parametrize("field", sorted(UNBUILT))
def test_a_field_that_comes_later_is_refused_by_name(field):
    outer, _, inner = field.partition(".")
    problem = only(f"prompt: a\n{outer}: {{{inner}: [1]}}\n" if inner else f"prompt: a\n{field}: [1]\n")
    assert (problem.code, problem.field, problem.line) == ("not_built_yet", field, 2)
    assert problem.title == f"{field} is not built yet."


def test_every_field_of_the_spec_is_known():
    later = {name for name in UNBUILT if "." not in name}
    assert set(FIELDS_OF_THE_SPEC) == later | set(JobSettings.model_fields) | {"jobs"}
    later = {name.removeprefix("output.") for name in UNBUILT if name.startswith("output.")}
    assert set(OUTPUTS_OF_THE_SPEC) == later | set(Output.model_fields)


@pytest.mark.parametrize(
    "prompt", ["{dawn|dusk}", "'a {b|c} d'", "'{a {b|c}}'", "'{a|{b}}'", "'{|}'", "a __colour__ cat", "__a/b-c__"]
)
def test_alternatives_and_wildcards_stay_as_written_until_each_job_has_its_seed(prompt):
    assert parse(f"prompt: {prompt}".encode()).settings.prompt == prompt.strip("'")


@pytest.mark.parametrize("prompt", ["'${a=b}'", "'{9$$a|b}'", "'{0::a|0::b}'", "'" + "{" * 21 + "a|b" + "}" * 21 + "'"])
def test_alternatives_that_cannot_be_read_are_refused_with_their_place(prompt):
    problem = only(f"prompt: {prompt}")
    assert (problem.code, problem.field, problem.line, problem.column) == ("bad_alternatives", "prompt", 1, 9)
    assert problem.title.startswith("prompt ")


@pytest.mark.parametrize("prompt", ["{a} | {b}", "a|b", "{a|b", "a}|{b", "__init", "snake__case__name", "_____"])
def test_braces_and_bars_alone_are_text(prompt):
    assert parse(f"prompt: '{prompt}'".encode()).settings.prompt == prompt


def test_json_is_a_job_file_too():
    assert parse(json.dumps({"prompt": "🎬", "seed": 3}).encode()).settings.asked() == {"prompt": "🎬", "seed": 3}


def test_a_text_file_is_a_prompt():
    assert from_text("\ufeffa harbour: dawn {x}\r\n\n").settings.asked() == {"prompt": "a harbour: dawn {x}"}
    assert from_text("16").settings.prompt == "16"
    assert from_text(b"null").settings.prompt == "null"


@pytest.mark.parametrize(
    ("text", "code"),
    [("", "empty"), (" \n", "empty"), ("{9$$a|b}", "bad_alternatives"), ("a" * (PROMPT_MAX + 1), "too_long"),
     ("a\x07", "control_character"), (b"gr\xfcn", "not_utf8"), ("prompt".encode("utf-16"), "not_utf8")],
)  # fmt: skip
def test_a_text_file_that_is_no_prompt_is_refused(text, code):
    with pytest.raises(Rejected) as caught:
        from_text(text)
    assert [problem.code for problem in caught.value.problems] == [code]
    assert all(problem.column in (None, 1, 3) for problem in caught.value.problems)


def test_media_alone_is_a_job_with_nothing_set():
    assert without_file().settings.asked() == {}


def test_count_makes_takes_with_following_seeds():
    takes = expand(parse(b"prompt: a\nseed: 7\ncount: 3\n").settings)
    assert [(take.seed, take.count, take.prompt) for take in takes] == [(7, None, "a"), (8, None, "a"), (9, None, "a")]


def test_one_take_needs_no_seed_and_more_do():
    assert [take.seed for take in expand(parse(b"prompt: a").settings)] == [None]
    with pytest.raises(ValueError, match="draw a seed"):
        expand(parse(b"prompt: a\ncount: 2").settings)


def test_a_drawn_seed_near_the_end_goes_round():
    settings = JobSettings.model_validate({"count": 2}).model_copy(update={"seed": SEED_MAX})
    assert [take.seed for take in expand(settings)] == [SEED_MAX, 0]


def test_later_problems_get_the_place_of_their_field():
    job = parse(b"prompt: a\nsteps: 500\n")
    found = job.placed([Problem("x", "t", "f", field="steps"), Problem("x", "t", "f"), Problem("x", "t", "f").at(9, 9)])
    assert [(problem.line, problem.column) for problem in found] == [(2, 1), (None, None), (9, 9)]


def test_ten_thousand_job_files_are_read_in_a_few_seconds():
    text = b"prompt: a harbour at dawn\nseed: 42  # fixed\nframes: 16\nwidth: 512\nsteps: 20\ncfg: 7.5\n"
    started = time.monotonic()
    for _ in range(10_000):
        parse(text)
    assert time.monotonic() - started < 20


@given(
    st.dictionaries(
        st.sampled_from([*FIELDS_OF_THE_SPEC, "other"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=20)
        | st.lists(st.integers(), max_size=3),
        max_size=6,
    )
)
def test_any_fields_are_read_or_refused_with_a_cure(fields):
    try:
        settings = parse(json.dumps(fields).encode()).settings
    except Rejected as refused:
        for problem in refused.problems:
            assert problem.title.endswith((".", ".)"))
            assert problem.fix
        return
    assert set(settings.asked()) == set(fields) - {"jobs"}


@pytest.mark.parametrize(("text", "reason_given"), pages.refusals("job-file.md"))
def test_the_refusals_in_the_documentation_are_real(text, reason_given):
    assert reason_given == reason(text)


@pytest.mark.parametrize("text", pages.examples("job-file.md"))
def test_the_job_files_in_the_documentation_are_right(text):
    assert parse(text.encode()).settings.prompt


def test_the_documentation_lists_the_fields_as_declared():
    assert pages.parts("job-file.md") == job_parts()


def test_the_schema_forbids_what_the_reader_refuses():
    document = jobfile.schema()
    assert document["additionalProperties"] is False
    assert set(document["properties"]) == set(JobSettings.model_fields) | {"jobs"}
    assert set(document["$defs"]["Job"]["properties"]) == set(JobSettings.model_fields)
    assert "model_fields" not in json.dumps(document)
    assert document["properties"]["jobs"]["items"] == {"$ref": "#/$defs/Job"}
    assert document["properties"]["seed"]["maximum"] == SEED_MAX
    assert document["properties"]["prompt"]["type"] == "string"

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.again import jobfile_of_recipe, jobfile_of_status
from service.alternatives import Dice, picked
from service.errors import Rejected
from service.job import Job, State
from service.status import document

SETTINGS = {
    "prompt": "a harbour 🎬", "negative_prompt": "", "seed": 42, "width": 512, "height": 512, "frames": 16, "fps": 12,
    "seconds": 1.333, "steps": 20, "cfg": 7.5, "sampler": "euler", "checkpoint": "a.safetensors", "vae": "b.pt",
}  # fmt: skip
INPUTS = [{"role": "image", "file": "cats/tom.jpg", "sha256": "ab"}]


def status(**changed):
    job = Job(
        "0198", "d1", "job", None, "image-to-video", "", "cat", State.DONE, "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00Z", workflow="svd", seed=42, settings=SETTINGS, inputs=INPUTS,
    )  # fmt: skip
    return {**document(job, "host/1"), **changed}


def again(**changed):
    job = jobfile_of_status(json.dumps(status(**changed)).encode())
    return job.settings.asked()


def recipe(**changed):
    told = {"workflow": "svd", "graph_hash": "x", "models": [], "seed": 42, "settings": SETTINGS, "inputs": INPUTS}
    return {"title": "cat", "reeldrop_job": "0198", "reeldrop": json.dumps({**told, **changed})}


RAN = {name: value for name, value in SETTINGS.items() if name not in ("seconds", "negative_prompt")}
EXPECTED = {**RAN, "workflow": "svd", "image": "cats/tom.jpg", "rerun": True}


def refusal(act, *args):
    with pytest.raises(Rejected) as caught:
        act(*args)
    assert all(problem.fix for problem in caught.value.problems)
    return caught.value.problems


def test_a_status_of_ours_tells_its_job_with_the_seed_it_ran_with():
    assert again() == EXPECTED
    assert again(seed=7)["seed"] == 7


def test_a_video_of_ours_tells_its_job_too():
    job = jobfile_of_recipe(recipe())
    assert job is not None
    assert job.settings.asked() == EXPECTED
    upper = {name.upper(): text for name, text in recipe().items()}
    assert jobfile_of_recipe(upper) == job


def test_names_priorities_and_batches_stay_the_earlier_ones():
    told = again(
        settings={**SETTINGS, "count": 4, "priority": 9, "output": {"name": "x"}, "preset": "y", "rerun": False}
    )
    assert told == EXPECTED


def test_minimal_metadata_stays_minimal():
    output = {"name": "x", "metadata": "minimal"}
    job = jobfile_of_status(json.dumps(status(settings={**SETTINGS, "output": output})).encode())
    assert job.settings.output is not None
    assert (job.settings.output.metadata, job.settings.output.name) == ("minimal", None)


def test_keys_that_nobody_knows_are_ignored_and_a_graph_is_never_taken():
    told = again(
        future={"a": 1}, graph={"1": {}}, settings={**SETTINGS, "graph": {}, "image": "/etc/passwd", "consent": True}
    )
    assert told == EXPECTED


def test_a_prompt_that_was_rendered_is_not_chosen_anew():
    (told,) = jobfile_of_status(json.dumps(status(settings={"prompt": "{a|b} __c__"})).encode()).jobs
    assert picked(told.prompt, Dice(1, "prompt"), {}) == "{a|b} __c__"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"seed": "x"}, "seed"),
        ({"seed": 2**60}, "seed"),
        ({"settings": {"prompt": ["a"]}}, "prompt"),
        ({"settings": {"prompt": "a\u0007"}}, "prompt"),
        ({"settings": {"steps": 1e30}}, "steps"),
        ({"settings": {"cfg": float("nan")}}, "cfg"),
        ({"inputs": [{"role": "image", "file": "../../etc/passwd"}]}, "image"),
        ({"inputs": [{"role": "image", "file": "C:\\x.jpg"}]}, "image"),
        ({"inputs": [{"role": "image"}]}, "image"),
        ({"inputs": [{"role": "image", "file": {"a": 1}}]}, "image"),
        ({"workflow": "a" * 500}, "workflow"),
    ],
)
def test_hostile_values_are_refused_as_in_any_job_file(changed, field):
    for problems in (
        refusal(jobfile_of_status, json.dumps(status(**changed)).encode()),
        refusal(jobfile_of_recipe, recipe(**changed)),
    ):
        assert [(problem.field, problem.line) for problem in problems] == [(field, None)]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{}", b"[]", b"null", b"prompt: a", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000,
        json.dumps({"schema": 1, "kind": "job", "job": "x"}).encode(),
        json.dumps(status(state="dancing")).encode(), json.dumps(status(schema=2)).encode(),
        json.dumps(status(settings=[])).encode(),
    ],
)  # fmt: skip
def test_what_is_not_ours_is_refused_with_a_cure(data):
    (problem,) = refusal(jobfile_of_status, data)
    assert problem.code == "not_ours"


@pytest.mark.parametrize(
    ("changed", "code"),
    [({"kind": "batch"}, "not_a_job"), ({"settings": {}}, "not_a_job"), ({"workflow": None}, "not_a_job"),
     ({"prompt": "x" * 1_000_000}, "too_large")],
)  # fmt: skip
def test_a_status_that_tells_no_job_is_refused_with_a_cure(changed, code):
    (problem,) = refusal(jobfile_of_status, json.dumps(status(**changed)).encode())
    assert problem.code == code


@pytest.mark.parametrize("tags", [{}, {"title": "x"}, {"reeldrop": "no json"}, {"reeldrop": "[1]"}, {"reeldrop": "{}"}])
def test_a_video_that_is_not_ours_tells_nothing(tags):
    assert jobfile_of_recipe(tags) is None


def test_our_video_with_minimal_metadata_is_refused_with_a_cure():
    for tags in ({"reeldrop_job": "0198"}, {"reeldrop_job": "0198", "reeldrop": "{}"}):
        (problem,) = refusal(jobfile_of_recipe, tags)
        assert problem.code == "no_recipe"
    (problem,) = refusal(jobfile_of_recipe, {"reeldrop": "x" * 2_000_000})
    assert problem.code == "too_large"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SETTINGS, "x"]), JSON, max_size=4), JSON, JSON)
def test_whatever_a_status_or_a_video_says_is_read_or_refused(settings, inputs, seed):
    changed = {"settings": settings, "inputs": inputs, "seed": seed}
    for act, told in (
        (jobfile_of_status, json.dumps(status(**changed)).encode()),
        (jobfile_of_recipe, recipe(**changed)),
    ):
        try:
            job = act(told)
        except Rejected:
            continue
        assert job is not None
        assert job.settings.rerun is True


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    refusal(jobfile_of_status, data)

"""Shrinking: each step down the ladder is smaller, keeps the workflow's rules, and says what became what."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import Rejected
from service.job import Expected, Job, Render, State
from service.jobfile import JobSettings
from service.shrinking import shrunk
from service.workflow import Workflow, bind, parse
from tests.test_workflow import DEFAULTS, SVD, TEXT

WAN = {
    "width": {"type": "whole", "minimum": 64, "maximum": 1280, "multiple_of": 16},
    "height": {"type": "whole", "minimum": 64, "maximum": 1280, "multiple_of": 16},
    "frames": {"type": "whole", "minimum": 5, "maximum": 161, "multiple_of": 4, "base": 1},
    "fps": {"type": "number", "default": 16},
}


def flow(*ladder: dict[str, float]) -> Workflow:
    graph = {
        "1": {"class_type": "WanImageToVideo", "inputs": {"width": 832, "height": 480, "frames": 81, "fps": 16}},
        "2": {"class_type": "SaveVideo", "inputs": {"filename_prefix": "x", "video": ["1", 2]}},
    }
    parameters = {name: {**rule, "to": {"node": "1", "input": name}} for name, rule in WAN.items()}
    manifest = {"schema": 1, "title": "w", "parameters": parameters, "output": {"node": "2"}, "ladder": list(ladder)}
    return parse("w", json.dumps(graph).encode(), json.dumps(manifest).encode())


def queued(workflow: Workflow, **asked: Any) -> tuple[Job, Render]:
    bound = bind(workflow, JobSettings.model_validate(asked), 1, dict.fromkeys(workflow.roles, "x"), "p", DEFAULTS)
    job = Job("1", "d", "job", None, "t", "", "n", State.RUNNING, "", "", settings=bound.settings)
    return job, Render("1", "p-1", bound.graph, bound.output_node, bound.expected, {}, [{"reference": "x"}])


def steps_of(workflow: Workflow, job: Job, render: Render) -> list[tuple[Render, dict[str, Any], list[str]]]:
    """Walk down the whole ladder, as somebody does whose server never has enough."""
    found = []
    for step in range(len(workflow.manifest.ladder)):
        made = shrunk(job, render, workflow, step)
        if made is None:
            break
        found.append(made)
        render = made[0]
        job = Job(**{**vars(job), "settings": made[1]})
    return found


def test_a_step_goes_into_graph_settings_and_what_is_expected():
    workflow = flow({"width": 0.75, "height": 0.75}, {"frames": 49})
    job, render = queued(workflow, width=832, height=480, frames=81)
    first, settings, texts = shrunk(job, render, workflow, 0) or pytest.fail("no step")
    assert (settings["width"], settings["height"], settings["frames"]) == (624, 352, 81)
    assert first.graph["1"]["inputs"] == {"width": 624, "height": 352, "frames": 81, "fps": 16}
    assert (first.expected.width, first.expected.height, first.expected.frames) == (624, 352, 81)
    assert texts == [
        "width 832 became 624 (a multiple of 16): the server ran out of memory",
        "height 480 became 352 (a multiple of 16): the server ran out of memory",
    ]
    assert (first.prompt_id, first.uploads, first.output_node) == ("p-1", [{"reference": "x"}], "2")
    assert render.graph["1"]["inputs"]["width"] == 832, "the plan that was saved is never changed"
    second = shrunk(job, render, workflow, 1)
    assert second is not None
    assert (second[1]["frames"], second[1]["seconds"]) == (49, 3.062)
    assert second[2] == ["frames 81 became 49 (4n + 1): the server ran out of memory"]


def test_a_ladder_ends():
    workflow = flow({"frames": 0.5})
    job, render = queued(workflow)
    assert shrunk(job, render, workflow, 0) is not None
    assert shrunk(job, render, workflow, 1) is None
    assert shrunk(*queued(flow()), flow(), 0) is None


def test_nothing_shrinks_that_the_job_wants_as_it_is():
    workflow = flow({"frames": 0.5})
    job, render = queued(workflow)
    assert shrunk(Job(**{**vars(job), "settings": {**job.settings, "shrink": False}}), render, workflow, 0) is None


def test_a_workflow_that_was_changed_since_then_makes_nothing_smaller():
    workflow = flow({"frames": 0.5})
    job, render = queued(workflow)
    assert shrunk(Job(**{**vars(job), "graph_hash": workflow.graph_hash}), render, workflow, 0) is not None
    assert shrunk(Job(**{**vars(job), "graph_hash": "other"}), render, workflow, 0) is None


def test_a_step_that_makes_nothing_smaller_is_passed_over():
    workflow = flow({"frames": 81}, {"frames": 0.01}, {"width": 0.5})
    job, render = queued(workflow, width=832, height=480, frames=81)
    _, settings, _ = shrunk(job, render, workflow, 0) or pytest.fail("no step")
    assert (settings["frames"], settings["width"]) == (81, 416)


@pytest.mark.parametrize("workflow", [TEXT, SVD], ids=lambda each: each.name)
def test_what_comes_with_us_can_be_made_smaller_at_each_step(workflow: Workflow):
    job, render = queued(workflow, **({"prompt": "a"} if workflow.needs_prompt else {}))
    assert len(steps_of(workflow, job, render)) == len(workflow.manifest.ladder) == 3


sizes = st.integers(64, 1280)
rungs = st.dictionaries(
    st.sampled_from(["width", "height", "frames"]),
    st.one_of(st.floats(0.01, 0.99), st.integers(1, 1300)),
    min_size=1,
)


@given(sizes, sizes, st.integers(5, 161), st.lists(rungs, max_size=4))
def test_each_step_is_smaller_and_keeps_the_rules(width: int, height: int, frames: int, ladder: list[dict[str, float]]):
    workflow = flow(*ladder)
    job, render = queued(workflow, width=width, height=height, frames=frames)
    before = job.settings
    for made, settings, texts in steps_of(workflow, job, render):
        changed = {name for name in ("width", "height", "frames") if settings[name] != before[name]}
        assert changed
        assert len(texts) == len(changed)
        for name in changed:
            assert settings[name] < before[name]
            base = WAN[name].get("base", 0)
            assert (settings[name] - base) % WAN[name]["multiple_of"] == 0
            assert settings[name] >= WAN[name]["minimum"]
            assert any(text.startswith(f"{name} {before[name]} became {settings[name]}") for text in texts)
        values = made.graph["1"]["inputs"]
        assert {name: values[name] for name in ("width", "height", "frames")} == {
            name: settings[name] for name in ("width", "height", "frames")
        }
        assert made.expected == Expected(settings["width"], settings["height"], 16, settings["frames"], audio=False)
        # What is asked so of the workflow is taken as it is.
        again = queued(workflow, **{name: settings[name] for name in ("width", "height", "frames")})
        assert again[1].graph == made.graph
        before = settings


@pytest.mark.parametrize(
    ("ladder", "code"),
    [
        ("[{frames: 0}]", "bad_value"), ("[{frames: 1.5}]", "bad_value"), ("[{}]", "bad_value"),
        ("[{steps: 0.5}]", "bad_value"), ("[{frames: half}]", "wrong_type"), ("[{cfg: 1}]", "bad_value"),
    ],
)  # fmt: skip
def test_a_wrong_ladder_is_named_with_its_line(ladder: str, code: str):
    text = json.dumps({"1": {"class_type": "A", "inputs": {"f": 1}}, "2": {"class_type": "S", "inputs": {"p": "x"}}})
    manifest = f"schema: 1\ntitle: t\noutput: {{node: '2', prefix: p}}\nladder: {ladder}\n"
    with pytest.raises(Rejected) as refused:
        parse("w", text.encode(), manifest.encode())
    assert refused.value.problems[0].line == 4
    assert all(problem.fix for problem in refused.value.problems)


def test_a_step_for_what_no_job_can_set_is_a_mistake():
    text = json.dumps({"1": {"class_type": "A", "inputs": {"f": 1}}, "2": {"class_type": "S", "inputs": {"p": "x"}}})
    with pytest.raises(Rejected, match="no parameter frames to shrink"):
        parse("w", text.encode(), b"schema: 1\ntitle: t\noutput: {node: '2', prefix: p}\nladder: [{frames: 0.5}]\n")

"""What one frame says: recorded ones are understood, all others are None and never an error."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comfy import messages
from service.comfy.messages import Began, Cached, Ended, Executing, NodeSteps, Picture, Steps
from tests.comfy.recorded import JPEG, PNG, every_trace, frames

UNDERSTOOD = {
    "execution_start", "execution_cached", "executing", "executed", "progress", "progress_state",
    "execution_success", "execution_error", "execution_interrupted",
}  # fmt: skip


def said(kind: str, **data: object) -> str:
    return json.dumps({"type": kind, "data": data})


@pytest.mark.parametrize(("version", "name"), every_trace())
def test_every_recorded_frame_is_understood_or_ignored_by_its_type(version: str, name: str) -> None:
    for frame in frames(version, name):
        understood = messages.read(frame) is not None
        if isinstance(frame, bytes):
            assert understood
        else:
            assert understood == (json.loads(frame)["type"] in UNDERSTOOD), frame


def test_the_words_of_a_life_are_read() -> None:
    assert messages.read(said("execution_start", prompt_id="p", timestamp=1)) == Began("p")
    assert messages.read(said("execution_cached", prompt_id="p", nodes=["1", "2"])) == Cached("p", ("1", "2"))
    assert messages.read(said("executing", node="3", prompt_id="p")) == Executing("p", "3")
    assert messages.read(said("executing", node=None, prompt_id="p")) == Executing("p", None)
    assert messages.read(said("executing", node="3")) == Executing(None, "3")
    assert messages.read(said("execution_error", prompt_id="p", node_id="1")) == Ended("p")


def test_progress_is_read_from_both_messages() -> None:
    steps = Steps("p", (NodeSteps("3", 2.0, 4.0, finished=False),))
    assert messages.read(said("progress", value=2, max=4, prompt_id="p", node="3")) == steps
    nodes = {"3": {"value": 2, "max": 4, "state": "running", "node_id": "3", "display_node_id": "3"}}
    assert messages.read(said("progress_state", prompt_id="p", nodes=nodes)) == steps


def test_a_node_made_at_run_time_speaks_for_the_node_that_is_shown() -> None:
    nodes = {"3.0.1": {"value": 1, "max": 1, "state": "finished", "display_node_id": "3"}}
    heard = messages.read(said("progress_state", prompt_id="p", nodes=nodes))
    assert heard == Steps("p", (NodeSteps("3", 1.0, 1.0, finished=False),))


@pytest.mark.parametrize("picture", [JPEG, PNG])
def test_previews_are_found_in_both_layouts(picture: bytes) -> None:
    metadata = b'{"prompt_id": "p"}'
    old = b"\0\0\0\1\0\0\0\1" + picture
    new = b"\0\0\0\4" + len(metadata).to_bytes(4, "big") + metadata + picture
    assert messages.read(old) == Picture(None, picture)
    assert messages.read(new) == Picture("p", picture)


def test_the_preview_of_a_node_pack_is_found_behind_its_prefix() -> None:
    previews = [frame for frame in frames("0.3.64", "ws_vhs_latent_preview.jsonl") if isinstance(frame, bytes)]
    assert previews[0][8:20] == bytes.fromhex("000000010000000001330000")
    heard = messages.read(previews[0])
    assert isinstance(heard, Picture)
    assert heard.data.startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize(
    "frame",
    ["", "not json", "[1,2]", "null", "{}", '{"type": "executing"}', '{"type": "executing", "data": []}',
     '{"type": ["executing"], "data": {"prompt_id": "p"}}',
     '{"type": "executing", "data": {"node": 3, "prompt_id": "p"}}',
     '{"type": "executing", "data": {"prompt_id": "p"}}', '{"type": "execution_start", "data": {"prompt_id": 5}}',
     '{"type": "progress", "data": {"prompt_id": "p", "node": "3", "value": NaN, "max": 4}}',
     '{"type": "progress", "data": {"prompt_id": "p", "node": "3", "value": true, "max": 4}}',
     '{"type": "progress", "data": {"prompt_id": "p", "node": "3", "value": 1, "max": ' + "9" * 400 + "}}",
     "[" * 5000, b"", b"\0\0\0\1", b"\0\0\0\1\0\0\0\1no picture", b"\0\0\0\4\xff\xff\xff\xff{}",
     b"\0\0\0\3\0\0\0\1text!"],
)  # fmt: skip
def test_what_is_not_understood_is_ignored(frame: str | bytes) -> None:
    assert messages.read(frame) is None


@given(st.binary(max_size=80) | st.text(max_size=80))
def test_no_frame_whatever_raises(frame: str | bytes) -> None:
    messages.read(frame)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["node", "nodes", "max"]), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(UNDERSTOOD)), st.dictionaries(
    st.sampled_from(["prompt_id", "node", "nodes", "value", "max", "state", "display_node_id"]), JSON))  # fmt: skip
def test_no_data_of_a_known_type_raises(kind: str, data: dict[str, object]) -> None:
    messages.read(json.dumps({"type": kind, "data": data}))

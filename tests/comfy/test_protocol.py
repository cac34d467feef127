"""One prompt's life: replayed from recordings, and under any loss, repetition and disorder of its messages."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.comfy import stages
from service.comfy.protocol import (
    AskHistory,
    Event,
    NodeBegan,
    NodeEnded,
    Preview,
    Progress,
    Run,
    Started,
    StillPending,
    StillRunning,
)
from tests.comfy.recorded import (
    JPEG,
    SAMPLER_GRAPH,
    VERSIONS,
    every_trace,
    frames,
    graph_of,
    history,
    prompts_in,
)  # fmt: skip


def said(kind: str, **data: object) -> str:
    return json.dumps({"type": kind, "data": data})


def replay(run: Run, heard: list[str | bytes]) -> list[Event]:
    return [event for frame in heard for event in run.hear(frame)]


def fractions(events: list[Event]) -> list[float]:
    return [event.fraction for event in events if isinstance(event, Progress)]


def words(events: list[Event]) -> list[str]:
    found = [event.stage for event in events if isinstance(event, Progress)]
    return [stage for at, stage in enumerate(found) if at == 0 or found[at - 1] != stage]


def running(prompt_id: str = "p", **more: Any) -> Run:
    run = Run(prompt_id, SAMPLER_GRAPH, **more)
    run.hear(said("execution_start", prompt_id=prompt_id))
    return run


@pytest.mark.parametrize(("version", "name"), every_trace())
def test_every_recorded_prompt_goes_forward_to_its_end(version: str, name: str) -> None:
    heard = list(frames(version, name))
    for prompt_id in prompts_in(version, name):
        run = Run(prompt_id, graph_of(version, prompt_id))
        events = replay(run, heard)
        shown = fractions(events)
        assert shown == sorted(shown)
        assert all(0 <= fraction <= 1 for fraction in shown)
        assert sum(isinstance(event, Started) for event in events) == 1
        known = history(version).get(prompt_id)
        # Who queues without a client id is told of nothing but progress.
        if known and "client_id" in known["prompt"][3] and "reconnect" not in name:
            assert AskHistory() in events
            assert (shown[-1] == 1) == (known["status"]["status_str"] == "success")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sampler_run_is_told_in_plain_words(version: str) -> None:
    (prompt_id,) = prompts_in(version, "ws_sampler_previews.jsonl")
    events = replay(Run(prompt_id, graph_of(version, prompt_id)), list(frames(version, "ws_sampler_previews.jsonl")))
    told = words(events)
    assert told[0] in {"starting", "loading models"}
    assert [word for word in told if word.startswith("sampling")][:5] == [
        "sampling", "sampling 1/4", "sampling 2/4", "sampling 3/4", "sampling 4/4",
    ]  # fmt: skip
    assert "decoding" in told
    assert told[-1] == "saving pictures"
    assert sum(isinstance(event, Preview) for event in events) == 4


@pytest.mark.parametrize("version", VERSIONS)
def test_a_run_from_the_cache_is_done_at_once(version: str) -> None:
    ids = prompts_in(version, "ws_success_and_cached.jsonl")
    cached = ids[1]
    events = replay(Run(cached, graph_of(version, cached)), list(frames(version, "ws_success_and_cached.jsonl")))
    assert fractions(events)[-1] == 1


@pytest.mark.parametrize("version", VERSIONS)
def test_previews_come_to_the_prompt_that_they_name(version: str) -> None:
    name = "ws_feature_flags_previews.jsonl"
    (prompt_id,) = prompts_in(version, name)
    heard = list(frames(version, name))
    assert [event for event in replay(Run(prompt_id, SAMPLER_GRAPH), heard) if isinstance(event, Preview)] == [
        Preview(JPEG)
    ] * 4
    assert replay(Run("another", SAMPLER_GRAPH), heard) == []


def test_a_context_run_counts_the_steps_of_each_node_on_its_own() -> None:
    (prompt_id,) = prompts_in("0.3.64", "ws_animatediff.jsonl")
    graph = SAMPLER_GRAPH | {"9": {"class_type": "VHS_VideoCombine", "inputs": {"images": ["8", 0]}}}
    told = words(replay(Run(prompt_id, graph), list(frames("0.3.64", "ws_animatediff.jsonl"))))
    assert "sampling 2/2" in told
    assert "saving video 20/20" in told


def test_nodes_count_by_the_weights_that_are_given() -> None:
    run = running(weights={**dict.fromkeys(SAMPLER_GRAPH, 0.0), "3": 3.0, "8": 1.0})
    (half,) = run.hear(said("progress", prompt_id="p", node="3", value=2, max=4))
    assert isinstance(half, Progress)
    assert half.fraction == pytest.approx(3 / 4 / 2)
    assert half.node == "3"


def test_by_default_the_sampler_is_most_of_the_whole() -> None:
    weights = {node: stages.weight_of(of) for node, of in SAMPLER_GRAPH.items()}
    assert weights["3"] == max(weights.values())
    many_steps = {"class_type": "KSampler", "inputs": {"steps": 30}}
    assert stages.weight_of(many_steps) > sum(weights.values()) / 2


def test_a_prompt_that_is_sent_again_starts_over() -> None:
    run = running()
    (half,) = run.hear(said("progress", prompt_id="p", node="3", value=2, max=4))
    run.posted(100.0)
    (_, begun) = run.hear(said("execution_start", prompt_id="p"))
    assert isinstance(half, Progress)
    assert begun == Progress(0.0, "starting", None)


def test_a_look_says_where_a_render_stands_when_no_message_does() -> None:
    run = Run("p", SAMPLER_GRAPH)
    assert run.standing(StillPending()).stage == "waiting in ComfyUI's queue"
    assert run.standing(StillRunning()).stage == "rendering"
    *_, told = run.hear(said("progress", prompt_id="p", node="3", value=2, max=4))
    assert run.standing(StillRunning()) == told


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
def test_an_impossible_weight_is_the_default_one(weight: float) -> None:
    assert Run("p", SAMPLER_GRAPH, {"3": weight})._weights == Run("p", SAMPLER_GRAPH)._weights


@pytest.mark.parametrize(
    ("class_type", "plain"),
    [("KSampler", "sampling"), ("KSamplerAdvanced", "sampling"), ("SamplerCustom", "sampling"),
     ("KSamplerSelect", "preparing"), ("ADE_UseEvolvedSampling", "preparing"), ("VAEDecode", "decoding"),
     ("VAEDecodeTiled", "decoding"), ("VHS_VideoCombine", "saving video"), ("SaveVideo", "saving video"),
     ("SaveWEBM", "saving video"), ("SaveImage", "saving pictures"), ("CheckpointLoaderSimple", "loading models"),
     ("ImageOnlyCheckpointLoader", "loading models"), ("LoraLoaderModelOnly", "loading models"),
     ("ADE_LoadAnimateDiffModel", "loading models"), ("CLIPTextEncode", "reading the prompt"),
     ("LoadImage", "reading the input"), ("VHS_LoadVideo", "reading the input"),
     ("SVD_img2vid_Conditioning", "preparing the pictures"), ("ReActorFaceSwap", "swapping faces"),
     ("ImageScale", "working on the pictures"), ("Whatever", "preparing")],
)  # fmt: skip
def test_a_class_is_said_in_plain_words(class_type: str, plain: str) -> None:
    assert stages.words_for(class_type) == plain


def test_the_end_of_a_node_is_known_from_the_beginning_of_the_next() -> None:
    run = running()
    before = fractions(list(run.hear(said("executing", prompt_id="p", node="4"))))
    after = fractions(list(run.hear(said("executing", prompt_id="p", node="5"))))
    assert after[0] > before[0]


def test_no_node_means_look_now_whoever_says_it_how_often() -> None:
    run = running()
    assert AskHistory() in run.hear(said("executing", prompt_id="p", node=None))
    assert AskHistory() in run.hear(said("execution_error", prompt_id="p"))
    assert AskHistory() in run.hear(said("execution_interrupted", prompt_id="p"))


def test_no_node_without_a_prompt_id_means_nothing() -> None:
    assert running().hear(said("executing", node=None)) == ()


def test_other_prompts_messages_mean_nothing() -> None:
    run = running()
    for kind in ("execution_start", "execution_success", "execution_error"):
        assert run.hear(said(kind, prompt_id="other")) == ()
    assert run.hear(said("executing", prompt_id="other", node="3")) == ()


def test_a_node_without_a_prompt_id_is_only_words_while_ours_runs() -> None:
    hint = said("executing", node="3")
    assert Run("p", SAMPLER_GRAPH).hear(hint) == ()
    (told,) = running().hear(hint)
    assert isinstance(told, Progress)
    assert (told.stage, told.fraction) == ("sampling", 0)


def test_a_preview_without_a_name_is_ours_only_while_ours_runs() -> None:
    nameless = b"\0\0\0\1\0\0\0\1" + JPEG
    run = Run("p", SAMPLER_GRAPH)
    assert run.hear(nameless) == ()
    run.hear(said("execution_start", prompt_id="p"))
    assert run.hear(nameless) == (Preview(JPEG),)
    run.hear(said("executing", prompt_id="p", node=None))
    assert run.hear(nameless) == ()


def test_a_preview_without_a_name_is_not_ours_once_another_prompt_is_at_work() -> None:
    run = running()
    run.hear(said("execution_start", prompt_id="other"))
    assert run.hear(b"\0\0\0\1\0\0\0\1" + JPEG) == ()


def test_nodes_that_the_graph_lacks_change_nothing() -> None:
    run = running()
    assert fractions(list(run.hear(said("progress", prompt_id="p", node="77", value=1, max=2)))) in ([], [0])
    assert run.hear(said("execution_cached", prompt_id="p", nodes=["77"])) == ()


def test_steps_that_start_again_in_one_node_do_not_run_backwards() -> None:
    run = running()
    shown = [
        fraction
        for value in (1, 4, 1, 2)
        for fraction in fractions(list(run.hear(said("progress", prompt_id="p", node="3", value=value, max=4))))
    ]
    assert shown == sorted(shown)


FRAMES = [
    frame
    for version, name in [
        ("0.3.64", "ws_sampler_previews.jsonl"), ("0.8.0", "ws_error.jsonl"), ("0.33.0", "ws_success_and_cached.jsonl"),
        ("0.3.64", "ws_reconnect_clean_second.jsonl"),
    ]
    for frame in frames(version, name)
]  # fmt: skip
IDS = [
    prompt_id
    for version, name in [("0.3.64", "ws_sampler_previews.jsonl"), ("0.8.0", "ws_error.jsonl")]
    for prompt_id in prompts_in(version, name)
]


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(IDS),
    st.lists(st.sampled_from(FRAMES) | st.text(max_size=20) | st.binary(max_size=20), max_size=80),
    st.dictionaries(st.sampled_from(sorted(SAMPLER_GRAPH)), st.floats()),
)
def test_progress_never_runs_backwards_whatever_is_lost_repeated_or_mixed_up(
    prompt_id: str, heard: list[str | bytes], weights: dict[str, float]
) -> None:
    run = Run(prompt_id, SAMPLER_GRAPH, weights)
    shown = fractions(replay(run, heard))
    assert shown == sorted(shown)
    assert all(0 <= fraction <= 1 for fraction in shown)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(IDS), st.lists(st.sampled_from(FRAMES), max_size=60))
def test_no_message_is_a_verdict(prompt_id: str, heard: list[str | bytes]) -> None:
    """Whatever the socket said, only a look decides, and a look that finds the prompt at work says just that."""
    run = Run(prompt_id, SAMPLER_GRAPH)
    kinds = {type(event) for event in replay(run, heard)}
    assert kinds <= {Started, NodeBegan, NodeEnded, Progress, Preview, AskHistory}
    assert run.reconcile(False, False, None, now_s=0.0) is None


def laps(events: list[Event]) -> list[NodeBegan | NodeEnded]:
    return [event for event in events if isinstance(event, NodeBegan | NodeEnded)]


@pytest.mark.parametrize(("version", "name"), every_trace())
def test_each_node_that_is_heard_to_begin_ends_once_and_before_the_next_begins(version: str, name: str) -> None:
    heard = list(frames(version, name))
    for prompt_id in prompts_in(version, name):
        told = laps(replay(Run(prompt_id, graph_of(version, prompt_id)), heard))
        begun = [event.node for event in told if isinstance(event, NodeBegan)]
        ended = [event.node for event in told if isinstance(event, NodeEnded)]
        assert ended == begun[: len(ended)]
        assert len(begun) - len(ended) <= 1
        assert all(isinstance(event, NodeEnded) for event in told[1::2])


@pytest.mark.parametrize("version", VERSIONS)
def test_every_node_of_a_whole_render_can_be_timed(version: str) -> None:
    (prompt_id,) = prompts_in(version, "ws_sampler_previews.jsonl")
    graph = graph_of(version, prompt_id)
    told = laps(replay(Run(prompt_id, graph), list(frames(version, "ws_sampler_previews.jsonl"))))
    assert {event.node for event in told if isinstance(event, NodeEnded)} == set(graph)


@pytest.mark.parametrize("version", VERSIONS)
def test_cached_nodes_neither_begin_nor_end(version: str) -> None:
    cached = prompts_in(version, "ws_success_and_cached.jsonl")[1]
    heard = list(frames(version, "ws_success_and_cached.jsonl"))
    assert laps(replay(Run(cached, graph_of(version, cached)), heard)) == []


def test_a_node_is_not_timed_over_a_break_of_the_socket() -> None:
    run = running()
    assert laps(list(run.hear(said("executing", prompt_id="p", node="3")))) == [NodeBegan("3")]
    run.miss()
    assert laps(list(run.hear(said("executing", prompt_id="p", node="8")))) == [NodeBegan("8")]
    assert laps(list(run.hear(said("executing", prompt_id="p", node=None)))) == [NodeEnded("8")]


def test_a_node_that_makes_others_is_not_over_while_they_run() -> None:
    run = running()
    run.hear(said("executing", prompt_id="p", node="3"))
    before = run.standing(StillRunning()).fraction
    assert run.hear(said("executing", prompt_id="p", node="3.0.1")) == ()
    assert run.standing(StillRunning()).fraction == before
    assert laps(list(run.hear(said("executing", prompt_id="p", node="8")))) == [NodeEnded("3"), NodeBegan("8")]

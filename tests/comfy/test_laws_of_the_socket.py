"""The laws of a real ComfyUI's WebSocket, each by its name, against what three versions of it really sent."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from service.comfy.prompt import EXTRA_DATA, body_of
from service.comfy.protocol import (
    AskHistory,
    Preview,
    Run,
    Started,
    Succeeded,
)
from service.comfy.socket import Socket
from tests.comfy.following import until
from tests.comfy.recorded import (
    entry,
    frames,
    graph_of,
    load,
    prompts_in,
)
from tests.comfy.replaying import GRAPH, ID, each_version
from tests.comfy.scripted import Asked, Scripted
from tests.comfy.websockets import accept, frame


@each_version
def test_nothing_is_replayed_to_a_socket_that_comes_back_after_the_end(version: str) -> None:
    said = [json.loads(each) for each in frames(version, "ws_reconnect_after_finish.jsonl") if isinstance(each, str)]
    assert {each["type"] for each in said} == {"status"}
    run = Run(ID, GRAPH)
    assert [run.hear(json.dumps(each)) for each in said] == [()] * len(said)
    assert isinstance(run.reconcile(False, False, entry(version, "video success, first run"), now_s=0), Succeeded)


@each_version
def test_in_mid_run_a_reconnect_hears_which_node_runs_without_a_prompt_id_and_goes_on(version: str) -> None:
    name = "ws_reconnect_clean_second.jsonl"
    hint = next(json.loads(said) for said in frames(version, name) if isinstance(said, str) and "executing" in said)
    assert hint["data"] == {"node": "3"}
    (prompt_id, *_) = prompts_in(version, name)
    run = Run(prompt_id, graph_of(version, prompt_id))
    told = [event for said in frames(version, name) for event in run.hear(said)]
    assert told[0] == Started(), "the hint alone starts nothing"
    assert AskHistory() in told or version == "0.3.64", "under the same client id its end is heard"
    assert any(isinstance(event, Preview) for event in told)


@pytest.mark.parametrize(
    ("version", "name"),
    [
        ("0.3.64", "ws_two_clients_noid.jsonl"),
        ("0.8.0", "ws_noclient_noid.jsonl"),
        ("0.33.0", "ws_noclient_noid.jsonl"),
    ],
)
def test_without_a_client_id_start_and_end_are_told_to_nobody_so_we_always_give_one(version: str, name: str) -> None:
    kinds = {json.loads(said)["type"] for said in frames(version, name) if isinstance(said, str)}
    assert kinds & {"progress", "progress_state"}
    assert not kinds & {"execution_start", "executed", "execution_success", "execution_error", "execution_cached"}
    for client_id in ("", None):
        with pytest.raises(ValueError, match="client id"):
            body_of(ID, GRAPH, client_id, {})  # type: ignore[arg-type]


@each_version
def test_a_cached_node_is_told_as_cached_and_its_output_node_still_counts_as_done(version: str) -> None:
    name = "ws_success_and_cached.jsonl"
    cached = 0
    for prompt_id in prompts_in(version, name):
        texts = [json.loads(said) for said in frames(version, name) if isinstance(said, str)]
        mine = [each for each in texts if each["data"].get("prompt_id") == prompt_id]
        if "execution_success" not in {each["type"] for each in mine}:
            continue  # it ran without a client id
        held = {node for each in mine if each["type"] == "execution_cached" for node in each["data"]["nodes"]}
        worked = {each["data"]["node"] for each in mine if each["type"] == "executing"}
        assert not held & worked, "a cached node sends no executing"
        cached += bool(held)
        run = Run(prompt_id, graph_of(version, prompt_id))
        shown = [event.fraction for each in mine for event in run.hear(json.dumps(each)) if hasattr(event, "fraction")]
        assert shown[-1] == 1
    assert cached


@each_version
@pytest.mark.parametrize(("name", "event"), [("ws_sampler_previews.jsonl", 1), ("ws_feature_flags_previews.jsonl", 4)])
def test_previews_name_their_prompt_only_where_features_were_the_first_message(
    version: str, name: str, event: int
) -> None:
    pictures = [said for said in frames(version, name) if isinstance(said, bytes)]
    assert {int.from_bytes(picture[:4], "big") for picture in pictures} == {event}


def test_a_node_pack_reuses_the_number_of_a_preview_with_bytes_of_its_own() -> None:
    (prompt_id, *_) = prompts_in("0.3.64", "ws_vhs_latent_preview.jsonl")
    run = Run(prompt_id, graph_of("0.3.64", prompt_id))
    told = [event for said in frames("0.3.64", "ws_vhs_latent_preview.jsonl") for event in run.hear(said)]
    assert any(isinstance(event, Preview) and event.data.startswith(b"\xff\xd8\xff") for event in told)


def test_nobody_taking_our_messages_never_stalls_the_server() -> None:
    """One subscriber that stops reading stalls the events of all others, so the socket reads whatever happens."""
    sent: list[int] = []

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(accept(asked))
        for _ in range(2000):
            send(frame(2, bytes(20_000)))
            sent.append(1)
        asked.wait_for_end()

    with Scripted(respond) as server:
        socket = Socket(server.url, "me", lambda _: None)
        socket.start()
        until(lambda: len(sent) == 2000, 10)
        socket.stop()


@pytest.mark.parametrize("version", ["0.8.0", "0.33.0"])
def test_previews_are_asked_for_with_each_prompt_where_that_is_heeded(version: str) -> None:
    said = load(version, "preview_method.json")
    assert EXTRA_DATA["preview_method"] == "auto"
    assert said["auto"]["binary frames"]["4"] > said["none"]["binary frames"]["4"] == 0

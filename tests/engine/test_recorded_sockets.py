"""What clients hear, message by message, and what history keeps, as recorded."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.recorded import (
    FOLDER,
    Played,
    blurred,
    heard_for,
    line_of,
    play_prompt,
    prepare,
    recorded_trace,
    recording,
    runs_of,
    without_steps,
)
from tests.engine.running import Engine, Listener, running_engine, until

ENTRIES = {label: next(iter(entry.values())) for label, entry in recording("history_entries").items()}
FLAGS = {"supports_preview_metadata": True}

#: Trace: its prompts in order, by their labels in history_entries; one prompt's cache is the next one's ground.
SESSIONS = {
    "ws_success_and_cached": [
        "video success, first run",
        "same graph again (everything cached)",
        "only the save node changed",
        "same graph, other node ids (cache is by signature)",
    ],
    "ws_sampler_previews": ["sampler, no feature flags"],
    "ws_feature_flags_previews": ["sampler, supports_preview_metadata"],
    "ws_error": [
        "error: LoadImage of a file that is no image, with an independent good branch",
        "same again",
        "error: SaveImage prefix outside the output folder",
        "success after an error",
    ],
}
LABELS = [(trace, label) for trace, labels in SESSIONS.items() for label in labels]

#: These are played in test_interrupts_and_deletes_as_recorded.
INTERRUPTS = {
    "interrupted by global /interrupt": 0,
    "interrupted by /interrupt with prompt_id": 1,
    "ran after the interrupted one": 3,
}

#: Recorded traces that are not played, and why.
EXCUSED = {
    "ws_two_clients_B": "equals what the client without an id hears; played as that one",
    "ws_reconnect_clean_first": "the first half of ws_reconnect_clean_second, an ordinary run cut off",
    "ws_saveimagewebsocket_and_vhs": "its prompts are those of node_outputs",
    "ws_animatediff": "its steps and previews are those of real motion modules",
    "ws_vhs_latent_preview": "a preview message that VideoHelperSuite patches in, which the engine doesn't send",
}


def graph_of(label: str) -> dict[str, Any]:
    return copy.deepcopy(ENTRIES[label]["prompt"][2])


def sampler(steps: int, seed: int) -> dict[str, Any]:
    graph = graph_of("sampler, no feature flags")
    graph["3"]["inputs"] |= {"steps": steps, "seed": seed}
    graph["9"]["inputs"]["filename_prefix"] = "rec/e"
    return graph


def lines_of(frames: list[str | bytes]) -> list[str]:
    return [line for line in map(line_of, frames) if '"sid"' not in line]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, models_file: Path) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("sockets"), models_file) as engine:
        prepare(engine)
        engine.ask("POST", "/free", json={"free_memory": True})
        yield engine


@pytest.fixture(scope="module")
def played(fresh: Engine) -> dict[str, Played]:
    found: dict[str, Played] = {}
    for trace, labels in SESSIONS.items():
        features = FLAGS if trace == "ws_feature_flags_previews" else None
        with fresh.listen(ENTRIES[labels[0]]["prompt"][3]["client_id"], features) as listener:
            if features:
                listener.hear_until("feature_flags")
            for label in labels:
                found[label] = play_prompt(fresh, graph_of(label), listener)
    return found


@pytest.mark.parametrize(("trace", "label"), LABELS)
def test_a_client_hears_the_recorded_messages_in_their_order(played: dict[str, Played], trace: str, label: str) -> None:
    recorded = [line for line in heard_for(recorded_trace(trace), label) if '"sid"' not in line]
    assert recorded
    assert lines_of(played[label].frames) == recorded


@pytest.mark.parametrize(("_trace", "label"), LABELS)
def test_history_keeps_the_recorded_entry(played: dict[str, Played], _trace: str, label: str) -> None:
    recorded, entry = copy.deepcopy(ENTRIES[label]), played[label].entry
    assert list(entry) == list(recorded)
    for one in (recorded, entry):
        one["prompt"][0] = "<number>"
    assert blurred(entry) == blurred(recorded)


def test_every_recorded_entry_and_trace_is_played_or_excused() -> None:
    assert {label for labels in SESSIONS.values() for label in labels} | set(INTERRUPTS) == set(ENTRIES)
    played_below = {
        "ws_interrupt_and_delete",
        "ws_interrupt_and_delete_other_client",
        "ws_two_clients_A",
        "ws_two_clients_noid",
        "ws_reconnect_overlap_old",
        "ws_reconnect_overlap_new",
        "ws_reconnect_clean_second",
        "ws_reconnect_after_finish",
    }
    assert {path.stem for path in FOLDER.glob("*.jsonl")} <= set(SESSIONS) | played_below | set(EXCUSED)
    assert all(EXCUSED.values())


def test_previews_are_pictures_with_their_metadata(played: dict[str, Played]) -> None:
    plain = [frame for frame in played["sampler, no feature flags"].frames if isinstance(frame, bytes)]
    told = [frame for frame in played["sampler, supports_preview_metadata"].frames if isinstance(frame, bytes)]
    assert [frame[:8].hex() for frame in plain] == ["0000000100000001"] * 4
    assert all(frame[8:].startswith(b"\xff\xd8") and frame.endswith(b"\xff\xd9") for frame in plain)
    assert [frame[:4].hex() for frame in told] == ["00000004"] * 4


def test_only_the_first_message_may_name_features_and_junk_is_ignored(fresh: Engine) -> None:
    with fresh.listen("late") as listener:
        listener.send({"type": "something"})
        listener.send({"type": "feature_flags", "data": FLAGS})
        listener.send("not json")
        listener.socket.send_binary(b"\x00\x01")
        listener.send("[1,2]")
        listener.hear_rest()
        assert [json.loads(frame)["type"] for frame in listener.frames] == ["status"]
        assert fresh.get("/features") == {**FLAGS, "max_upload_size": 104857600}


def test_interrupts_and_deletes_as_recorded(fresh: Engine) -> None:
    fresh.run(graph_of("success after an error"))
    with fresh.listen("rec-e1") as listener, fresh.listen("rec-e1-other") as other:
        entries = _interrupt_and_delete(fresh, listener)
        listener.hear_rest()
        other.hear_rest()
    recorded = [line for kind, line in recorded_trace("ws_interrupt_and_delete") if kind == "heard"]
    assert [without_steps(run) for run in runs_of(lines_of(listener.frames))] == [
        without_steps(run) for run in runs_of(recorded)
    ]
    seen = [line for kind, line in recorded_trace("ws_interrupt_and_delete_other_client") if kind == "heard"]
    assert lines_of(other.frames) == [line for line in seen if '"sid"' not in line]
    for label, place in INTERRUPTS.items():
        recorded_entry = ENTRIES[label]
        assert blurred(entries[place]["status"]) == blurred(recorded_entry["status"])
        assert blurred(entries[place]["outputs"]) == blurred(recorded_entry["outputs"])


def _interrupt_and_delete(engine: Engine, listener: Listener) -> list[dict[str, Any]]:
    """Do what the recorder did, and return the history entries in running order."""
    ids: list[str] = []

    def queue(steps: int) -> str:
        seed = 100 + len(ids)
        prompt_id = str(engine.post(sampler(steps, seed), client_id=listener.client).json()["prompt_id"])
        ids.append(prompt_id)
        return prompt_id

    def interrupt(**said: str) -> None:
        assert engine.ask("POST", "/interrupt", json=said).status_code == 200

    first = queue(200)
    listener.hear_until("progress", first, value=3)
    interrupt()
    listener.hear_end(first)
    second = queue(200)
    listener.hear_until("progress", second, value=3)
    interrupt(prompt_id="another")
    listener.hear_until("progress", second, value=5)
    interrupt(prompt_id=second)
    listener.hear_end(second)
    third = queue(200)
    listener.hear_until("execution_start", third)
    fourth = queue(3)
    listener.hear_until("progress", third, value=3)
    interrupt()
    listener.hear_end(fourth)
    interrupt()
    listener.hear_end(queue(3))
    running = queue(60)
    listener.hear_until("execution_start", running)
    doomed, last = queue(3), queue(3)
    interrupt(prompt_id=doomed)
    for prompt_id in (doomed, running):
        assert engine.ask("POST", "/queue", json={"delete": [prompt_id]}).status_code == 200
    state = engine.get("/queue")
    assert [row[1] for row in state["queue_running"]] == [running]
    assert [row[1] for row in state["queue_pending"]] == [last]
    listener.hear_end(last)
    assert engine.get(f"/history/{doomed}") == {}
    return [engine.entry(prompt_id) for prompt_id in ids if prompt_id != doomed]


def test_each_of_three_sockets_hears_what_is_its_own(fresh: Engine) -> None:
    fresh.run(sampler(3, 200))
    with fresh.listen("rec-A") as mine, fresh.listen() as nobody:
        fresh.run(sampler(3, 201), client_id="rec-A")
        fresh.run(sampler(3, 202))
        failing = graph_of("same again")
        del failing["11"], failing["12"]
        fresh.run(failing)
        long = fresh.post(sampler(200, 203)).json()["prompt_id"]
        nobody.hear_until("progress", long, node="3", value=1)
        fresh.ask("POST", "/interrupt", json={})
        fresh.entry(long)
        fresh.run(sampler(3, 204), client_id="has no socket")
        mine.hear_rest()
        nobody.hear_rest()
    for listener, trace in ((mine, "ws_two_clients_A"), (nobody, "ws_two_clients_noid")):
        recorded = [line for kind, line in recorded_trace(trace) if kind == "heard" and '"sid"' not in line]
        assert without_steps(lines_of(listener.frames)) == without_steps(recorded)


def test_a_client_that_comes_back_in_mid_run_is_told_the_node_and_hears_the_rest(fresh: Engine) -> None:
    with fresh.listen("rec-R") as listener:
        prompt_id = fresh.post(sampler(60, 300), client_id="rec-R").json()["prompt_id"]
        listener.hear_until("progress", prompt_id, value=2)
    with fresh.listen("rec-R") as listener:
        listener.hear_end(prompt_id)
    recorded = [line for kind, line in recorded_trace("ws_reconnect_clean_second") if kind == "heard"]
    assert without_steps([line_of(frame) for frame in listener.frames]) == without_steps(recorded)


def test_the_newer_of_two_sockets_with_one_id_is_deaf_once_the_older_closes(fresh: Engine) -> None:
    older = fresh.listen("rec-R2")
    prompt_id = fresh.post(sampler(60, 400), client_id="rec-R2").json()["prompt_id"]
    older.hear_until("progress", prompt_id, value=2)
    with fresh.listen("rec-R2") as newer:
        newer.hear_until("executing", None, node="3")
        older.close()
        heard = len(newer.frames)
        fresh.entry(prompt_id)
        until(fresh.is_idle)
        newer.hear_rest()
        # What was on its way when the older one closed may still come.
        assert len(newer.frames) < heard + 60
        assert all("execution_success" not in str(frame) for frame in newer.frames)
    recorded = [line for kind, line in recorded_trace("ws_reconnect_overlap_new") if kind == "heard"]
    assert [line_of(frame) for frame in newer.frames[:2]] == recorded


def test_nothing_is_replayed_after_the_end(fresh: Engine) -> None:
    fresh.run(sampler(3, 500), client_id="rec-R3")
    with fresh.listen("rec-R3") as listener:
        listener.hear_rest()
    recorded = [line for kind, line in recorded_trace("ws_reconnect_after_finish") if kind == "heard"]
    assert [line_of(frame) for frame in listener.frames] == recorded

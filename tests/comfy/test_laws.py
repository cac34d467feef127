"""The laws of a real ComfyUI (docs/comfyui.md), each by its name, against what three versions of it really answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.comfy import preflight
from service.comfy.client import Client, Refused
from service.comfy.prompt import EXTRA_DATA, body_of
from service.comfy.protocol import (
    AskHistory,
    Errored,
    Interrupted,
    Lost,
    Run,
    StillRunning,
    Succeeded,
)
from service.comfy.verdict import judge
from service.errors import Failed, Unavailable
from tests.comfy.recorded import (
    VERSIONS,
    entry,
    every_trace,
    frames,
    graph_of,
    history,
    load,
    object_info,
    prompts_in,
)
from tests.comfy.replaying import GRAPH, ID, by_target, each_version, queue_of, refusal, replay, trace
from tests.comfy.scripted import Scripted, always, http

# ── laws that follow: 1 to 6 ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("version", "name"), every_trace())
def test_law_1_no_message_decides_and_history_does_whatever_was_heard(version: str, name: str) -> None:
    for prompt_id in prompts_in(version, name):
        deaf, hearing = (Run(prompt_id, graph_of(version, prompt_id)) for _ in range(2))
        for said in frames(version, name):
            for event in hearing.hear(said):
                assert not isinstance(event, Succeeded | Errored | Interrupted | Lost)
        known = history(version).get(prompt_id)
        if known is not None:
            verdict = deaf.reconcile(False, False, known, now_s=0)
            assert hearing.reconcile(False, False, known, now_s=0) == verdict
            assert isinstance(verdict, Succeeded | Errored | Interrupted)


@each_version
def test_law_1_in_neither_queue_nor_history_means_forgotten(version: str) -> None:
    said = load(version, "crash_restart.json")
    after = said.get("SIGKILL", said)
    with Scripted(by_target({
        "/queue": http(200, json.dumps(after["queue after restart"]).encode()),
        f"/history/{ID}": http(200, json.dumps(after["history of a prompt finished before"]).encode()),
    })) as server:  # fmt: skip
        client, run = Client(server.url), Run(ID, GRAPH)
        waiting, known = client.queue(), client.history(ID)
    run.posted(0)
    run.refused(100)
    assert run.reconcile(ID in waiting.pending, ID in waiting.running, known, now_s=110) == Lost()


@pytest.mark.parametrize(
    ("version", "label"),
    [("0.3.64", "two pending DIFFERENT prompts with equal number and prompt_id"),
     ("0.8.0", "two pending prompts, same id and number"), ("0.33.0", "two pending prompts, same id and number")],
)  # fmt: skip
def test_law_2_a_500_may_have_queued_so_it_is_looked_for_and_not_sent_again(version: str, label: str) -> None:
    said = load(version, "hostile_requests.json")[label]
    second = next(value for key, value in said.items() if key.startswith("2nd"))
    assert second["status"] == 500
    assert len(said["pending"]) == 2, "it was queued all the same"
    with Scripted(by_target({"POST /prompt": replay(second), "/queue": queue_of([], [[5, ID]])})) as server:
        client = Client(server.url)
        with pytest.raises(Unavailable) as caught:
            client.submit(ID, GRAPH, "client-1")
        assert not caught.value.refused
        assert ID in client.queue().pending
        assert [asked.method for asked in server.asked] == ["POST", "GET"]


@each_version
def test_law_2_the_same_id_again_is_taken_again_so_we_never_send_it_unasked(version: str) -> None:
    said = load(version, "prompt_post.json")
    label = "client-chosen prompt_id" if version == "0.3.64" else "own prompt_id, canonical lower-case UUID"
    first, again = said[label], said["same prompt_id again"]
    assert first["json"]["prompt_id"] == again["json"]["prompt_id"]
    assert (again["status"], again["json"]["node_errors"]) == (200, {}), "no idempotence"


@each_version
def test_law_3_executing_without_a_node_follows_errors_too_and_only_asks_history(version: str) -> None:
    ended = 0
    for prompt_id in prompts_in(version, "ws_error.jsonl"):
        run = Run(prompt_id, graph_of(version, prompt_id))
        for said in frames(version, "ws_error.jsonl"):
            events = run.hear(said)
            data = json.loads(said)["data"] if isinstance(said, str) else {}
            if "node" in data and data["node"] is None and data.get("prompt_id") == prompt_id:
                assert events == (AskHistory(),)
                ended += isinstance(judge(history(version)[prompt_id]), Errored) if prompt_id in history(version) else 0
    assert ended >= 2


@each_version
def test_law_4_a_client_id_belongs_to_one_socket(version: str) -> None:
    """The recorded overlap: the new socket gets nothing any more after the old one closed (test_deafness.py)."""
    closed, after = False, 0
    for line in trace(version, "ws_reconnect_overlap_new.jsonl"):
        closed = closed or str(line.get("mark", "")).startswith(("1 s after", "1.5 s after"))
        after += closed and line.get("dir") == "server->client"
    assert closed
    assert after == 0, "not even a status"


def test_law_5_a_half_dead_server_is_neither_a_loss_nor_a_failure() -> None:
    said = load("0.3.64", "wedged_worker.json")["GET /queue (running entry stays for ever)"]
    stuck = said["json"]["queue_running"][0][1]
    run = Run(stuck, GRAPH)
    run.posted(0)
    with Scripted(always(replay(said))) as server:
        waiting = Client(server.url).queue()
    for now_s in (10.0, 1e4, 1e6):
        assert run.reconcile(stuck in waiting.pending, stuck in waiting.running, None, now_s=now_s) == StillRunning()


def test_law_6_a_success_is_believed_when_its_file_has_come(tmp_path: Path) -> None:
    said = load("0.3.64", "hostile_requests.json")["cache against deleted outputs and replaced inputs"]
    rerun = {"status": {"status_str": "success"}, "outputs": said["identical re-run after the file was deleted"]}
    verdict = judge(rerun, "3")
    assert isinstance(verdict, Succeeded), "the server names a file that somebody deleted"
    with Scripted(always(http(said["GET /view of it"]))) as server, pytest.raises(Failed) as caught:
        Client(server.url).fetch(verdict.outputs[0], tmp_path / "got.png")
    assert caught.value.problem.code == "result_missing"


# ── what wedges or kills a server is never sent ─────────────────────────────────────────────────────────────────────


def hurting() -> list[tuple[str, str]]:
    """The recorded requests after which a server was dead, ran nothing, or could no longer list its jobs."""
    found = []
    for version in ("0.8.0", "0.33.0"):
        for label, said in load(version, "hostile_requests.json").items():
            afterwards = said.get("afterwards", {}) if isinstance(said, dict) else {}
            hurt = said.get("process alive") is False or afterwards.get("ran within 6 s") is False
            if "request" in said and (hurt or said.get("GET /api/jobs afterwards") == 500):
                found.append((version, label))
    return found


def test_recordings_show_what_hurts() -> None:
    labels = {label for _, label in hurting()}
    assert labels >= {"a disconnected node without 'inputs'", "client_id a list", "extra_pnginfo null"}


@pytest.mark.parametrize(("version", "label"), hurting())
def test_what_hurt_a_recorded_server_is_never_sent(version: str, label: str) -> None:
    said = load(version, "hostile_requests.json")[label]["request"]["json"]
    with pytest.raises(ValueError, match=r"."):
        body_of(ID, said["prompt"], said.get("client_id", "client-1"), said.get("extra_data", EXTRA_DATA))


@each_version
def test_no_request_that_got_a_500_is_one_of_ours(version: str) -> None:
    seen = 0
    for said in load(version, "prompt_post.json").values():
        body = said.get("request", {}).get("json") if isinstance(said, dict) and said.get("status") == 500 else None
        if not isinstance(body, dict) or not isinstance(body.get("prompt"), dict) or "number" in body:
            continue  # no JSON, no prompt, a number: we make our own body and send none of these
        seen += 1
        with pytest.raises(ValueError, match=r"."):
            body_of(ID, body["prompt"], body.get("client_id", "client-1"), body.get("extra_data", EXTRA_DATA))
    assert seen >= 2


@pytest.mark.parametrize(
    "pnginfo", [None, "text", [], {"workflow": None}, {"workflow": "text"}, {"workflow": []}, {"workflow": 5}]
)
def test_the_job_list_of_newer_servers_is_not_broken_by_our_extra_data(pnginfo: Any) -> None:
    for version in ("0.8.0", "0.33.0"):
        said = load(version, "jobs.json")["extra_data workflow null: prompt's end, then GET /api/jobs?limit=1"]
        assert said["jobs"]["status"] == 500
    with pytest.raises(ValueError, match="extra_pnginfo"):
        body_of(ID, GRAPH, "client-1", {"extra_pnginfo": pnginfo})
    body_of(ID, GRAPH, "client-1", EXTRA_DATA)
    body_of(ID, GRAPH, "client-1", {})


@pytest.mark.parametrize("version", ["0.8.0", "0.33.0"])
def test_a_death_of_any_kind_loses_queue_and_history_and_restarts_the_count(version: str) -> None:
    said = load(version, "crash_restart.json")
    assert said["websocket close_code"] == said["SIGTERM: websocket close_code"] == 1006
    assert said["SIGTERM: history after restart"] == said["whole history after restart"] == {}
    assert (said["output of the finished prompt still viewable"], said["temp file view after restart"]) == (200, 404)
    again = said["resubmit with a prompt_id used before the crash"]
    with Scripted(always(http(200, json.dumps(again).encode()))) as server:
        number = Client(server.url).submit(again["prompt_id"], GRAPH, "client-1")
    assert number == 0 < min(said["numbers before"]), "an old id is taken, and the count tells of the restart"


@each_version
def test_history_may_come_a_moment_after_the_message_that_ends_a_prompt(version: str) -> None:
    said = next(said for said in frames(version, "ws_success_and_cached.jsonl") if "execution_success" in str(said))
    run = Run(json.loads(said)["data"]["prompt_id"], GRAPH)
    run.posted(0)
    assert AskHistory() in run.hear(said)
    assert run.reconcile(False, False, None, now_s=0.35) is None, "not lost: asked again until it is there"
    done = entry(version, "video success, first run")
    assert isinstance(run.reconcile(False, False, done, now_s=0.4), Succeeded)


# ── POST /prompt ────────────────────────────────────────────────────────────────────────────────────────────────────


@each_version
def test_a_200_with_node_errors_is_a_refusal_and_taken_back(version: str) -> None:
    said = next(
        case["json"]
        for case in load(version, "prompt_post.json").values()
        if isinstance(case, dict) and case.get("status") == 200 and (case.get("json") or {}).get("node_errors")
    )
    answers = {"POST /prompt": http(200, json.dumps({**said, "prompt_id": ID}).encode()), "GET /queue": queue_of(
        [[1, ID]], []), "POST /queue": http(200), "POST /interrupt": http(200)}  # fmt: skip
    with Scripted(by_target(answers)) as server:
        with pytest.raises(Refused):
            Client(server.url).submit(ID, GRAPH, "client-1")
        sent = [json.loads(asked.body) for asked in server.asked[1:] if asked.method == "POST"]
    assert sent == [{"delete": [ID]}, {"prompt_id": ID}]


@each_version
def test_a_missing_node_class_is_named_by_its_class_not_by_its_title(version: str) -> None:
    graph = {**GRAPH, "9": {"class_type": "NoSuchNodeClass", "inputs": {}}}
    labels = ["unknown class_type"] + (["unknown class_type with _meta.title"] if version != "0.3.64" else [])
    for label in labels:
        (problem,) = refusal(version, label, graph).problems
        assert problem.code == "node_missing"
        assert "NoSuchNodeClass" in problem.title
        assert "My title" not in problem.title


def test_a_meta_that_is_no_object_would_get_a_500_and_is_never_sent() -> None:
    assert load("0.33.0", "prompt_post.json")["unknown class_type, _meta null"]["status"] == 500
    with pytest.raises(ValueError, match="_meta"):
        body_of(ID, {"1": {**GRAPH["1"], "_meta": None}}, "client-1", {})


@each_version
def test_a_circle_is_refused_with_or_without_node_errors_and_seen_before(version: str) -> None:
    said = load(version, "prompt_post.json")["self-cycle"]
    assert bool(said["json"]["node_errors"]) == (version == "0.33.0")
    assert refusal(version, "self-cycle").problems[0].code == "bad_value"
    codes = {problem.code for problem in preflight.check(said["request"]["json"]["prompt"], object_info(version))}
    assert "bad_value" in codes


@each_version
def test_a_link_to_a_missing_node_is_an_exception_there_and_never_sent(version: str) -> None:
    said = load(version, "prompt_post.json")["link to a missing node"]
    kinds = {error["type"] for of in said["json"]["node_errors"].values() for error in of["errors"]}
    assert kinds == {"exception_during_inner_validation"}
    assert refusal(version, "link to a missing node").problems[0].fix
    with pytest.raises(ValueError, match="link to nowhere"):
        body_of(ID, said["request"]["json"]["prompt"], "client-1", {})


def silently_accepted() -> list[tuple[str, str]]:
    words = ("coerced", "unknown extra input")
    return [
        (version, label)
        for version in VERSIONS
        for label in load(version, "prompt_post.json")
        if any(word in label for word in words)
    ]


@pytest.mark.parametrize(("version", "label"), silently_accepted())
def test_what_the_server_bends_in_silence_is_judged_before_it_is_sent(version: str, label: str) -> None:
    said = load(version, "prompt_post.json")[label]
    assert said["status"] == 200
    problems = preflight.check(said["request"]["json"]["prompt"], object_info(version), uploads={"rec_a.png"})
    assert (problems != ()) == ("coerced" in label), "an input that nobody knows does no harm"


def test_prompts_run_by_number_and_then_by_id_as_text() -> None:
    said = load("0.3.64", "queue_order_and_limits.json")["order"]
    running, *ran = said["actual execution order"]
    with Scripted(always(queue_of([[0, running]], said["GET /queue queue_pending order"]))) as server:
        waiting = Client(server.url).queue()
    assert waiting.order == (running, *ran)
    assert waiting.numbers["v-number-2.5"] == 2.5


@each_version
def test_an_origin_gets_403_so_neither_door_sends_one(version: str) -> None:
    said = load(version, "endpoints.json")
    refused = [case for label, case in said.items() if "Origin http://" in label or "cross-site" in label]
    assert any(case["status"] == 403 for case in refused)
    with Scripted(always(queue_of([], []))) as server:
        Client(server.url).queue()
        (asked,) = server.asked
    assert not {"origin", "referer", "sec-fetch-site", "comfy-usage-source"} & set(asked.headers)

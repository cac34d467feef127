"""What a stopped prompt, a cached one and a newer version answer: laws by their names, against recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.comfy import preflight
from service.comfy.client import Client
from service.comfy.prompt import body_of
from service.comfy.protocol import (
    Errored,
    Interrupted,
    Lost,
    OutputFile,
    Run,
    Succeeded,
)
from service.comfy.verdict import judge
from service.errors import Failed, Unavailable
from tests.comfy.recorded import (
    entry,
    load,
    object_info,
)
from tests.comfy.replaying import GRAPH, ID, by_target, each_version, queue_of, replay
from tests.comfy.scripted import Asked, Scripted, always, http

# ── interrupt, delete, cancel ───────────────────────────────────────────────────────────────────────────────────────


@each_version
def test_an_interrupted_prompt_says_error_and_is_told_apart_by_its_last_message(version: str) -> None:
    interrupted = [
        label for label in load(version, "history_entries.json") if label.startswith(("interrupted", "cance"))
    ]
    for label in interrupted:
        known = entry(version, label)
        assert known["status"]["status_str"] == "error"
        assert judge(known) == Interrupted()
    assert len(interrupted) >= 2


@each_version
def test_an_interrupt_is_lost_on_a_prompt_that_does_not_run_so_only_a_running_one_gets_it(version: str) -> None:
    answers = {"GET /queue": queue_of([[1, "somebody else's"]], [[2, ID]]), "POST /interrupt": http(200)}
    with Scripted(by_target(answers)) as server:
        assert Client(server.url).interrupt(ID) is False
        assert [asked.method for asked in server.asked] == ["GET"]


@pytest.mark.parametrize("what", ["POST /api/jobs/{id}/cancel", "POST /interrupt with prompt_id"])
def test_what_is_stopped_in_its_last_node_ends_well_all_the_same(what: str) -> None:
    said = load("0.33.0", "cancel_in_last_node.json")
    case = next(value for label, value in said.items() if label.startswith(what))
    assert case["answer"][0] == 200
    known = {"status": {"status_str": case["status_str"], "messages": [[m, {}] for m in case["messages"]]},
             "outputs": case["outputs"]}  # fmt: skip
    assert isinstance(judge(known), Succeeded)


@pytest.mark.parametrize("version", ["0.8.0", "0.33.0"])
@pytest.mark.parametrize(("label", "stops"), [("PENDING", True), ("RUNNING", True), ("of a DONE one", False),
                                              ("of the already CANCELLED one", False), ("UNKNOWN", False)])  # fmt: skip
def test_cancel_takes_the_servers_own_door_where_there_is_one(version: str, label: str, stops: bool) -> None:
    said = load(version, "jobs.json")[f"POST /api/jobs/{{id}}/cancel {label}"]
    running = [[1, ID]] if label == "RUNNING" else [[1, "somebody else's"]]
    pending = [[2, ID]] if label == "PENDING" else [[2, "another's"]]
    answers = {f"POST /api/jobs/{ID}/cancel": replay(said), "GET /queue": queue_of(running, pending),
               "POST /queue": http(200), "POST /interrupt": http(200)}  # fmt: skip
    with Scripted(by_target(answers)) as server:
        assert Client(server.url).cancel(ID) is stops
        others = [asked for asked in server.asked if asked.method == "POST" and "cancel" not in asked.target]
    assert len(others) == (stops and version == "0.8.0"), "one door or the other"
    assert all(ID in asked.body.decode() for asked in others), "nobody else's prompt"


def test_a_prompt_taken_back_while_it_waits_leaves_no_history() -> None:
    assert load("0.33.0", "jobs.json")["history of the cancelled pending one"] == {}
    run = Run(ID, GRAPH)
    run.posted(0)
    assert [run.reconcile(False, False, None, now_s=at) for at in (4, 8)] == [None, Lost()]


@pytest.mark.parametrize("version", ["0.3.45", "0.3.56", "unknown"])
def test_a_server_that_stops_whatever_runs_is_only_asked_while_nobody_else_waits(version: str) -> None:
    stats = http(200, json.dumps({"system": {"comfyui_version": version}}).encode())
    for pending, stopped in (([[2, "another's"]], 0), ([], 1)):
        answers = {"/system_stats": stats, "GET /queue": queue_of([[1, ID]], pending), "POST /interrupt": http(200)}
        with Scripted(by_target(answers)) as server:
            client = Client(server.url)
            client.system_stats()
            assert client.cancel(ID) is True, "it runs, and its caller asks again"
            assert [asked.target for asked in server.asked].count("/interrupt") == stopped


# ── cache and files ─────────────────────────────────────────────────────────────────────────────────────────────────


@each_version
def test_a_cached_run_without_a_client_id_may_name_no_file_which_is_no_success(version: str) -> None:
    label = "cached re-run with NO client_id"
    if version == "0.3.64":
        label = "same graph again (everything cached)"
    known = entry(version, label)
    assert known["status"]["status_str"] == "success"
    assert isinstance(judge(known), Errored if version == "0.8.0" else Succeeded)


@each_version
def test_outputs_are_found_under_every_key_that_a_node_has_for_them(version: str) -> None:
    keys: dict[str, str] = {}
    for label, case in load(version, "node_outputs.json").items():
        outputs = case.get("outputs") if isinstance(case, dict) else None
        for output in outputs.values() if isinstance(outputs, dict) else ():
            keys |= dict.fromkeys(output, label)
    assert {"images", "animated", "audio", "gifs"} <= set(keys)


@each_version
def test_an_upload_is_known_by_the_name_that_the_server_gave_it(version: str, tmp_path: Path) -> None:
    (tmp_path / "u.png").write_bytes(b"x")
    said = load(version, "uploads.json")
    renamed = said["same name other bytes, overwrite absent"]
    assert renamed["json"]["name"] == "u (1).png"
    with Scripted(always(replay(renamed))) as server:
        assert Client(server.url).upload(tmp_path / "u.png", "u.png", "rec_up", "input") == "rec_up/u (1).png"
        assert b'name="overwrite"\r\n\r\ntrue' in server.asked[0].body
    with Scripted(always(replay(said["type=temp"]))) as server:
        assert Client(server.url).upload(tmp_path / "u.png", "rec_temp.png", "") == "rec_temp.png [temp]"


@each_version
def test_an_upload_that_is_too_large_is_a_413(version: str, tmp_path: Path) -> None:
    (tmp_path / "u.png").write_bytes(b"x")
    said = next(case for label, case in load(version, "uploads.json").items() if label.startswith("101 MiB"))
    assert said["status"] == 413
    with Scripted(always(replay(said))) as server, pytest.raises(Failed) as caught:
        Client(server.url).upload(tmp_path / "u.png", "u.png", "job")
    assert caught.value.problem.code == "upload_too_large"


@each_version
def test_a_result_is_asked_for_in_parts_and_its_whole_length_is_known(version: str, tmp_path: Path) -> None:
    part = load(version, "view.json")["mp4 range 0-99"]["headers"]
    whole = int(part["Content-Range"].rpartition("/")[2])
    content = bytes(range(256)) * (whole // 256 + 1)

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        begin = int(asked.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        if begin:
            place = f"bytes {begin}-{whole - 1}/{whole}"
            send(http(206, content[begin:whole], "video/mp4", content_range=place))
        else:
            send(http(200, content[:100], "video/mp4", content_length=str(whole), accept_ranges="bytes"))

    with Scripted(respond) as server:
        size = Client(server.url).fetch(OutputFile("v.mp4", "", "output", "5"), tmp_path / "v.mp4")
    assert size == whole
    assert (tmp_path / "v.mp4").read_bytes() == content[:whole]


# ── what newer versions change ──────────────────────────────────────────────────────────────────────────────────────


def given_ids(version: str) -> list[Any]:
    return [
        (label, case)
        for label, case in load(version, "prompt_post.json").items()
        if isinstance(case, dict) and "prompt_id" in label and isinstance(case["request"].get("json"), dict)
    ]


@each_version
def test_only_canonical_ids_are_sent_whatever_this_version_takes(version: str) -> None:
    refused = 0
    for _, case in given_ids(version):
        prompt_id = case["request"]["json"].get("prompt_id")
        canonical = case["status"] == 200 and case["json"]["prompt_id"] == prompt_id and len(str(prompt_id)) == 36
        canonical = canonical and prompt_id == prompt_id.lower()
        if canonical:
            body_of(prompt_id, GRAPH, "client-1", {})
        else:
            with pytest.raises(ValueError, match=r"."):
                body_of(prompt_id, GRAPH, "client-1", {})
        refused += case["status"] == 400
    assert refused == (6 if version == "0.33.0" else 0)


@each_version
def test_a_server_that_takes_another_id_than_ours_has_its_prompt_taken_back(version: str) -> None:
    said = next(case for label, case in given_ids(version) if label == "prompt_id null")
    answers = {"POST /prompt": replay(said), "GET /queue": queue_of([], []), "POST /queue": http(200)}
    with Scripted(by_target(answers)) as server:
        with pytest.raises(Unavailable) as caught:
            Client(server.url).submit(ID, GRAPH, "client-1")
        assert json.loads(server.asked[1].body) == {"delete": [said["json"]["prompt_id"]]}
    assert caught.value.code == "server_too_old"


@each_version
@pytest.mark.parametrize("inputs", [{"format": "auto", "codec": "auto"}, {"format": "mp4", "codec": "h264"}])
def test_flat_options_of_save_video_pass_on_every_version(version: str, inputs: dict[str, str]) -> None:
    kind = object_info(version)["SaveVideo"]["input"]["required"]["format"][0]
    assert (kind == "COMFY_DYNAMICCOMBO_V3") == (version == "0.33.0")
    assert save_video(version, inputs) == ()


def save_video(version: str, inputs: dict[str, Any]) -> tuple[Any, ...]:
    graph = {
        "1": {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}},
        "4": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 8.0}},
        "5": {"class_type": "SaveVideo", "inputs": {"video": ["4", 0], "filename_prefix": "x", **inputs}},
    }
    return preflight.check(graph, object_info(version))


def test_a_dotted_option_passes_where_it_is_known() -> None:
    assert save_video("0.33.0", {"format": "mp4", "format.codec": "h264"}) == ()
    assert save_video("0.8.0", {"format": "mp4", "format.codec": "h264"}) != ()


def test_an_option_that_a_newer_server_takes_in_silence_is_refused_before() -> None:
    said = load("0.33.0", "savevideo_inputs.json")["format avi (not in list)"]
    assert (said["POST"], said["status_str"]) == (200, "error")
    assert save_video("0.33.0", said["inputs"]) != ()
    assert save_video("0.8.0", said["inputs"]) != ()


@each_version
def test_every_server_is_known_for_what_it_is(version: str) -> None:
    said = load(version, "endpoints.json")
    stats = next(case for label, case in said.items() if label.endswith("system_stats"))
    features = next(case for label, case in said.items() if label.endswith("/features"))
    with Scripted(by_target({"/system_stats": replay(stats), "/features": replay(features)})) as server:
        client = Client(server.url)
        assert client.system_stats()["system"]["comfyui_version"] == version
        assert client.features()["max_upload_size"] == 104857600


def test_keys_and_messages_of_assets_are_no_trouble() -> None:
    said = load("0.33.0", "assets_enabled.json")
    known = {"status": {"status_str": "success"}, "outputs": said["history outputs"]}
    assert judge(known, "5") == Succeeded((OutputFile("as_00001_.mp4", "rec", "output", "5"),))
    run = Run(said["executed"][0]["data"]["prompt_id"], {"5": {"class_type": "SaveVideo", "inputs": {}}})
    assert run.hear(json.dumps({"type": "assets.seed.paused", "data": {}})) == ()
    assert run.hear(json.dumps(said["executed"][0])) != ()


@each_version
def test_prompts_of_others_are_read_whatever_their_entries_hold(version: str) -> None:
    entry_of_newer = [5, ID, {}, {"create_time": 1795370668962, "client_id": "x"}, ["9"], {"more": 1}]
    with Scripted(always(queue_of([entry_of_newer], [[6, "b", {}, None, []]]))) as server:
        waiting = Client(server.url).queue()
    assert waiting.order == (ID, "b")


def test_only_the_cancelling_door_of_the_job_list_is_used() -> None:
    """GET /api/jobs answers 500 for ever once anybody's prompt broke it, so nothing of ours depends on it."""
    root = Path(__file__).resolve().parents[2] / "service"
    users = [path for path in root.rglob("*.py") if "/api/jobs" in path.read_text() and "engine" not in path.parts]
    assert [path.name for path in users] == ["client.py"]

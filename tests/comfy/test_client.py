"""The HTTP client against a server that misbehaves to order, on real sockets."""

from __future__ import annotations

import json
import math
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.comfy.access import bearer
from service.comfy.client import Client, Refused
from service.comfy.prompt import EXTRA_DATA
from service.errors import Failed, Unavailable
from tests.comfy.recorded import SAMPLER_GRAPH, load
from tests.comfy.scripted import Answer, Asked, Scripted, always, http, in_turn

ID = "0198c0de-0000-4000-8000-000000000001"
STATS = http(200, b'{"system": {"comfyui_version": "0.3.64"}, "devices": []}')
QUEUE_EMPTY = http(200, b'{"queue_running": [], "queue_pending": []}')
HTML = http(200, b"<!doctype html><title>Router</title>", "text/html; charset=utf-8", server="lighttpd")


def trouble(call: Callable[[], object]) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        call()
    assert caught.value.fix, "every trouble ends with its cure"
    return caught.value


def by_path(**answers: bytes | Answer) -> Answer:
    """Answer by the path's last word; unnamed paths get 404."""

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        answer = answers.get(asked.target.partition("?")[0].strip("/").replace("/", "_"), http(404))
        if isinstance(answer, bytes):
            send(answer)
        else:
            answer(asked, send)

    return respond


# ── answers that no ComfyUI gives ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "answer",
    [HTML, http(404, b"nothing", "text/plain"), http(200, b"[1, 2]"),
     http(200, b"hello", "text/plain"), http(200, b'{"some": "api"}'), http(200, b'{"system": "linux"}'),
     http(200, b""), http(200, b"[" * 3000)],
)  # fmt: skip
def test_whatever_is_no_comfyui_is_said_to_be_none(answer: bytes) -> None:
    with Scripted(always(answer)) as server:
        away = trouble(Client(server.url).system_stats)
    assert away.code == "not_comfyui"
    assert "not ComfyUI" in away.title
    assert "8188" in away.fix
    assert not away.refused


def test_a_web_page_is_named_as_what_it_is() -> None:
    with Scripted(always(HTML)) as server:
        away = trouble(Client(server.url).system_stats)
    assert "web page" in away.title
    assert "lighttpd" in away.title


@pytest.mark.parametrize("call", ["queue", "history"])
def test_a_queue_or_history_of_another_shape_is_no_comfyui(call: str) -> None:
    respond = by_path(
        queue=http(200, b'{"queue_running": 5}'), **{f"history_{ID}": http(200, f'{{"{ID}": 5}}'.encode())}
    )
    with Scripted(respond) as server:
        client = Client(server.url)
        asked = client.queue if call == "queue" else lambda: client.history(ID)
        assert trouble(asked).code == "not_comfyui"


# ── answers that break off, or never end ────────────────────────────────────────────────────────────────────────────


def test_an_answer_that_is_cut_off_is_asked_for_again_once() -> None:
    cut = http(200, b'{"system": ', content_length="500")
    with Scripted(in_turn(cut, STATS)) as server:
        assert Client(server.url).system_stats()["system"]["comfyui_version"] == "0.3.64"
        assert len(server.asked) == 2


def test_an_answer_that_is_always_cut_off_is_trouble() -> None:
    with Scripted(always(http(200, b'{"system": ', content_length="500"))) as server:
        assert trouble(Client(server.url).system_stats).code == "cut_off"
        assert len(server.asked) == 2


def test_a_connection_closed_without_an_answer_is_trouble() -> None:
    with Scripted(lambda *_: None) as server:
        away = trouble(Client(server.url).system_stats)
    assert away.code == "cut_off"
    assert not away.refused


def test_a_server_that_refuses_is_known_by_it() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    away = trouble(Client(url).system_stats)
    assert away.refused
    assert "Nothing listens" in away.title


def test_a_name_that_does_not_exist_is_trouble() -> None:
    away = trouble(Client("http://no-such-host.invalid:8188").system_stats)
    assert away.code == "unreachable"
    assert not away.refused


def test_a_frozen_server_does_not_hold_us() -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        client = Client(f"http://127.0.0.1:{frozen.getsockname()[1]}", read_s=0.3)
        began = time.monotonic()
        assert trouble(client.queue).code == "timeout"
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("in_head", [True, False])
def test_a_dripping_server_does_not_hold_us_beyond_the_whole_deadline(in_head: bool) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"

    def drip(_: Asked, send: Callable[[bytes], None]) -> None:
        if not in_head:
            send(head)
        while not server.stopping.wait(0.05):
            send(b"X" if in_head else b" ")

    with Scripted(drip) as server:
        client = Client(server.url, read_s=5)
        began = time.monotonic()
        with pytest.raises(Unavailable) as caught:
            client._wire.ask("GET", "/system_stats", overall_s=0.6)
        assert caught.value.code == "timeout"
        assert time.monotonic() - began < 2


def test_an_endless_answer_does_not_fill_the_memory() -> None:
    def flood(_: Asked, send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _number in range(200):
            send(b" " * 1_000_000)

    with Scripted(flood) as server:
        assert trouble(Client(server.url).system_stats).code == "not_comfyui"


@pytest.mark.parametrize(("status", "code"), [(500, "server_error"), (503, "server_error"), (403, "forbidden")])
def test_a_bad_status_says_whose_turn_it_is(status: int, code: str) -> None:
    with Scripted(always(http(status, b"trouble", "text/plain"))) as server:
        assert trouble(Client(server.url).system_stats).code == code


def test_a_version_is_a_few_words_whatever_the_server_says() -> None:
    for said in ("x" * 1_000_000, ["0.3.64"], None, "0.3\n64"):
        stats = http(200, json.dumps({"system": {"comfyui_version": said}}).encode())
        with Scripted(always(stats)) as server:
            version = Client(server.url).system_stats()["system"]["comfyui_version"]
        assert len(version) <= 60
        assert version.isprintable()


def test_a_proxy_of_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    with Scripted(always(STATS)) as server:
        Client(server.url).system_stats()


def test_a_password_in_the_url_is_sent_and_never_shown() -> None:
    with Scripted(always(http(500))) as server:
        away = trouble(Client(server.url.replace("//", "//me:hush@")).system_stats)
        assert server.asked[0].headers["authorization"].startswith("Basic ")
    assert "hush" not in f"{away}"


def test_headers_go_with_every_request_and_outrank_a_password_in_the_url() -> None:
    with Scripted(always(STATS)) as server:
        headers = {**bearer("t0ken"), "X-Of-Our-Proxy": "1"}
        client = Client(server.url.replace("//", "//me:hush@"), headers=headers)
        client.system_stats()
        client.system_stats()
        assert [asked.headers["authorization"] for asked in server.asked] == ["Bearer t0ken"] * 2
        assert server.asked[0].headers["x-of-our-proxy"] == "1"


@pytest.mark.parametrize(
    ("name", "value"),
    [("", "x"), ("A B", "x"), ("A:", "x"), ("Ä", "x"), ("X", "a\r\nHost: b"), ("X", "a\nb"), ("X", " a"), ("X", "日"),
     ("Content-Length", "5"), ("host", "a"), ("Transfer-Encoding", "chunked"), ("Sec-WebSocket-Key", "x")],
)  # fmt: skip
def test_a_header_that_could_forge_a_request_is_refused_and_its_value_not_shown(name: str, value: str) -> None:
    with pytest.raises(ValueError, match="header") as caught:
        Client("http://127.0.0.1:1", headers={name: value})
    assert value not in str(caught.value) or value in "x5a"


@pytest.mark.parametrize("url", ["127.0.0.1:8188", "ftp://host", "http://", "http://host:x"])
def test_an_address_that_is_none_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Client(url)


def test_each_thread_has_its_own_connections() -> None:
    with Scripted(always(STATS)) as server:
        client = Client(server.url)
        sessions: list[object] = []

        def ask() -> None:
            client.system_stats()
            sessions.append(client._wire._session())

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(set(map(id, sessions))) == 4
        client.system_stats()
        assert len(client._wire._sessions) == 1, "those of threads that ended are closed"
        client.close()


# ── submit ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def submit(client: Client, graph: dict[str, Any] = SAMPLER_GRAPH) -> float:
    return client.submit(ID, graph, "client-1")


def accepted(**more: Any) -> bytes:
    return http(200, json.dumps({"prompt_id": ID, "number": 7, "node_errors": {}, **more}).encode())


def test_a_prompt_is_sent_under_our_own_id() -> None:
    with Scripted(always(accepted())) as server:
        assert submit(Client(server.url)) == 7
        (asked,) = server.asked
    said = json.loads(asked.body)
    assert (asked.method, asked.target) == ("POST", "/prompt")
    assert said == {"prompt": SAMPLER_GRAPH, "prompt_id": ID, "client_id": "client-1", "extra_data": dict(EXTRA_DATA)}
    assert said["extra_data"]["extra_pnginfo"]["workflow"]["extra"] == {
        "VHS_MetadataImage": False,
        "VHS_KeepIntermediate": False,
    }


@pytest.mark.parametrize("status", [500, 502])
def test_a_500_is_sent_once_and_never_again(status: int) -> None:
    with Scripted(always(http(status, b"500 Internal Server Error", "text/plain"))) as server:
        assert not trouble(lambda: submit(Client(server.url))).refused
        assert len(server.asked) == 1


@pytest.mark.parametrize("answer", [b"", http(200, b'{"prompt', content_length="99"), HTML])
def test_a_lost_answer_is_sent_once_and_never_again(answer: bytes) -> None:
    with Scripted(always(answer)) as server:
        assert not trouble(lambda: submit(Client(server.url))).refused
        assert len(server.asked) == 1


def test_an_answer_that_does_not_come_is_given_up_after_four_seconds() -> None:
    with Scripted(lambda *_: server.stopping.wait(10) and None) as server:
        began = time.monotonic()
        assert trouble(lambda: submit(Client(server.url))).code == "timeout"
        assert 3.5 < time.monotonic() - began < 5.5
        server.stopping.set()


@pytest.mark.parametrize("version", ["0.3.64", "0.8.0", "0.33.0"])
def test_every_recorded_refusal_becomes_problems_with_a_cure(version: str) -> None:
    refused = {
        label: case
        for label, case in load(version, "prompt_post.json").items()
        if isinstance(case, dict) and case.get("status") == 400 and "request" in case
    }
    assert len(refused) > 10
    for label, case in refused.items():
        with Scripted(always(http(400, json.dumps(case["json"]).encode()))) as server:
            with pytest.raises(Refused) as caught:
                submit(Client(server.url))
            assert all(problem.title and problem.fix for problem in caught.value.problems), label
            assert {problem.code for problem in caught.value.problems} <= {"node_missing", "model_missing", "bad_value"}


@pytest.mark.parametrize("version", ["0.3.64", "0.8.0", "0.33.0"])
def test_a_missing_node_and_a_missing_model_are_named(version: str) -> None:
    cases = load(version, "prompt_post.json")
    for label, code, named in [
        ("unknown class_type", "node_missing", "NoSuchNodeClass"),
        ("missing checkpoint file", "model_missing", "nope.safetensors"),
    ]:
        graph = {**SAMPLER_GRAPH, "9": {"class_type": "NoSuchNodeClass", "inputs": {}}}
        answer = always(http(400, json.dumps(cases[label]["json"]).encode()))
        with Scripted(answer) as server, pytest.raises(Refused) as caught:
            submit(Client(server.url), graph)
        (problem,) = caught.value.problems
        assert problem.code == code
        assert named in problem.title


def test_a_refusal_is_told_in_a_bounded_number_of_bounded_words() -> None:
    long = "/srv/x" + "y" * 200_000
    error = {"type": long, "message": long, "details": long,
             "extra_info": {"input_name": long, "received_value": long}}  # fmt: skip
    models = {**error, "type": "value_not_in_list", "extra_info": {"input_name": "ckpt_name", "received_value": long}}
    for said in (
        {"error": error, "node_errors": {}},
        {"error": {**error, "type": "missing_node_type", "extra_info": {"class_type": long}}, "node_errors": {}},
        {"error": error, "node_errors": {"1": {"class_type": "CheckpointLoaderSimple", "errors": [models]}}},
        {"error": error, "node_errors": {long: {"class_type": long, "errors": [error] * 3}}},
        {"error": error, "node_errors": {str(at): {"errors": [{"message": str(at)}] * 99} for at in range(999)}},
    ):
        with Scripted(always(http(400, json.dumps(said).encode()))) as server, pytest.raises(Refused) as caught:
            submit(Client(server.url))
        assert 1 <= len(caught.value.problems) <= 100
        assert max(len(f"{problem.title}{problem.fix}{problem.detail}") for problem in caught.value.problems) < 1500


def test_a_200_with_node_errors_is_refused_and_taken_back() -> None:
    said = load("0.33.0", "prompt_post.json")["two outputs, one with a missing model (200 with node_errors)"]["json"]
    queue = http(200, json.dumps({"queue_running": [[1, ID, {}, {}, []]], "queue_pending": []}).encode())

    def on_queue(asked: Asked, send: Callable[[bytes], None]) -> None:
        send(queue if asked.method == "GET" else http(200))

    respond = by_path(prompt=accepted(node_errors=said["node_errors"]), queue=on_queue, interrupt=http(200))
    with Scripted(respond) as server:
        with pytest.raises(Refused) as caught:
            submit(Client(server.url))
        done = [(asked.method, asked.target, asked.body) for asked in server.asked[1:]]
    assert caught.value.problems[0].code == "model_missing"
    assert done[0][:2] == ("POST", "/queue")
    assert json.loads(done[0][2]) == {"delete": [ID]}
    assert done[-1][:2] == ("POST", "/interrupt")
    assert json.loads(done[-1][2]) == {"prompt_id": ID}


def test_a_server_that_makes_ids_of_its_own_is_too_old() -> None:
    other = str(uuid.uuid4())
    with Scripted(by_path(prompt=accepted(prompt_id=other), queue=in_turn(http(200), QUEUE_EMPTY))) as server:
        assert trouble(lambda: submit(Client(server.url))).code == "server_too_old"
        assert json.loads(server.asked[1].body) == {"delete": [other]}


@pytest.mark.parametrize(
    "graph",
    [{}, {"1": None}, {"1": {"class_type": "A"}}, {"1": {"inputs": {}}}, {"1": {"class_type": "A", "inputs": None}},
     {"1": {"class_type": "A", "inputs": {"x": math.nan}}}, {"1": {"class_type": "A", "inputs": {"x": math.inf}}},
     {"1": {"class_type": "A", "inputs": {"x": ["2", 0]}}}, {"1": {"class_type": "A", "inputs": {"x": ["1"]}}},
     {"1": {"class_type": "A", "inputs": {"x": ["1", True]}}}, {1: {"class_type": "A", "inputs": {}}},
     {"1": {"class_type": "A", "inputs": {}, "_meta": None}}],
)  # fmt: skip
def test_what_would_wedge_a_server_is_never_sent(graph: dict[Any, Any]) -> None:
    with Scripted(always(accepted())) as server:
        with pytest.raises(ValueError, match=r"."):
            submit(Client(server.url), graph)
        assert server.asked == []


@pytest.mark.parametrize(
    ("prompt_id", "client_id", "extra"),
    [(ID.upper(), "c", {}), (ID.replace("-", ""), "c", {}), ("job", "c", {}), (ID, "", {}), (ID, ["c"], {}),
     (ID, None, {}), (ID, "c", None), (ID, "c", "text")],
)  # fmt: skip
def test_ids_and_extra_data_that_would_kill_a_server_are_never_sent(prompt_id: Any, client_id: Any, extra: Any) -> None:
    with Scripted(always(accepted())) as server:
        with pytest.raises(ValueError, match=r"."):
            Client(server.url).submit(prompt_id, SAMPLER_GRAPH, client_id, extra)
        assert server.asked == []


# ── asking, interrupting, uploading ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["0.3.64", "0.8.0", "0.33.0"])
def test_a_recorded_history_is_found_under_its_id(version: str) -> None:
    answer = load(version, "history_entries.json")["video success, first run"]
    (prompt_id,) = answer
    respond = by_path(**{f"history_{prompt_id}": http(200, json.dumps(answer).encode())}, history_x=http(200, b"{}"))
    with Scripted(respond) as server:
        client = Client(server.url)
        assert client.history(prompt_id) == answer[prompt_id]
        assert client.history("x") is None


def test_only_our_own_running_prompt_is_interrupted() -> None:
    respond = by_path(queue=http(200, b'{"queue_running": [[0, "other"]], "queue_pending": []}'), interrupt=http(200))
    with Scripted(respond) as server:
        assert Client(server.url).interrupt(ID) is False
        assert [asked.target for asked in server.asked] == ["/queue"]


QUEUE = {
    "queue_running": [[7, "running", {}, {}, []]],
    "queue_pending": [[9, "b"], [12, "last"], [9, "a"], [-3, "front"], ["odd", "odd"]],
}


def test_the_queue_is_told_in_the_servers_own_order() -> None:
    with Scripted(by_path(queue=http(200, json.dumps(QUEUE).encode()))) as server:
        waiting = Client(server.url).queue()
    assert waiting.order == ("running", "front", "a", "b", "last", "odd")
    assert waiting.running == {"running"}
    assert waiting.pending == set(waiting.order[1:])
    assert waiting.numbers["front"] == -3
    assert waiting.numbers["odd"] == math.inf


def cancelling(answer: bytes, running: str = "other", pending: str = "another") -> Answer:
    queue = {"queue_running": [[1, running]], "queue_pending": [[2, pending]]}
    asked_or_deleted = http(200, json.dumps(queue).encode())
    return by_path(**{f"api_jobs_{ID}_cancel": answer}, queue=asked_or_deleted, interrupt=http(200))


@pytest.mark.parametrize("said", [True, False])
def test_a_server_with_a_door_for_it_is_asked_to_cancel_there(said: bool) -> None:
    with Scripted(cancelling(http(200, json.dumps({"cancelled": said}).encode()))) as server:
        client = Client(server.url)
        assert client.cancel(ID) is said
        assert client.cancel(ID) is said
        assert [asked.target for asked in server.asked] == [f"/api/jobs/{ID}/cancel"] * 2


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize(
    ("running", "pending", "acted", "answer"),
    [(ID, "other", ("/interrupt", {"prompt_id": ID}), True), ("other", ID, ("/queue", {"delete": [ID]}), True),
     ("other", "another", None, False)],
)  # fmt: skip
def test_a_server_without_that_door_is_asked_once_and_by_id_from_then_on(
    status: int, running: str, pending: str, acted: tuple[str, dict[str, Any]] | None, answer: bool
) -> None:
    with Scripted(cancelling(http(status), running, pending)) as server:
        client = Client(server.url)
        assert client.cancel(ID) is answer
        assert client.cancel(ID) is answer
        assert [asked.target for asked in server.asked].count(f"/api/jobs/{ID}/cancel") == 1
        sent = [(asked.target, json.loads(asked.body)) for asked in server.asked[1:] if asked.method == "POST"]
    assert sent == [acted] * 2 if acted else sent == []


def test_prompts_that_are_over_are_forgotten_together() -> None:
    with Scripted(by_path(history=http(200))) as server:
        Client(server.url).forget(["a", "b"])
        Client(server.url).forget([])
        (asked,) = server.asked
    assert json.loads(asked.body) == {"delete": ["a", "b"]}


def test_a_file_is_streamed_and_its_reference_is_the_servers_answer(tmp_path: Path) -> None:
    picture = tmp_path / "Ünïcode name.png"
    picture.write_bytes(b"picture" * 1000)
    with Scripted(always(http(200, b'{"name": "a.png", "subfolder": "job-1", "type": "temp"}'))) as server:
        assert Client(server.url).upload(picture, "a.png", "job-1") == "job-1/a.png [temp]"
        (asked,) = server.asked
    assert picture.read_bytes() in asked.body
    for part in (b'name="image"; filename="a.png"', b'name="type"\r\n\r\ntemp', b'name="subfolder"\r\n\r\njob-1',
                 b'name="overwrite"\r\n\r\ntrue'):  # fmt: skip
        assert part in asked.body


def test_an_upload_that_landed_elsewhere_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with Scripted(always(http(200, b'{"name": "a", "subfolder": "", "type": "input"}'))) as server:
        assert trouble(lambda: Client(server.url).upload(tmp_path / "a", "a", "")).code == "not_comfyui"


def test_a_file_that_the_server_finds_too_large_fails_with_the_cure(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x" * 10)
    limit = http(413, b"Maximum request body size 104857600 exceeded.", "text/plain")
    with Scripted(always(limit)) as server, pytest.raises(Failed) as caught:
        Client(server.url).upload(tmp_path / "a.mp4", "a.mp4", "j")
    assert caught.value.problem.code == "upload_too_large"
    assert "--max-upload-size" in caught.value.problem.fix


def test_a_large_file_is_not_even_sent_where_the_limit_is_known(tmp_path: Path) -> None:
    with (tmp_path / "big.mp4").open("wb") as big:
        big.truncate(60_000_000)
    with Scripted(by_path(features=http(200, b'{"max_upload_size": 55000000}'))) as server:
        with pytest.raises(Failed):
            Client(server.url).upload(tmp_path / "big.mp4", "big.mp4", "j")
        assert [asked.target for asked in server.asked] == ["/features"]

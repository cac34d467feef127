"""What wedges or kills a true server is answered here, and a new prompt still runs."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.engine.recorded import PICTURE_GRAPH, blurred, picture_bytes, prepare, recording
from tests.engine.running import Engine, running_engine, until

RECORDED = recording("hostile_requests")

#: Recorded label: why it is not played.
EXCUSED = {
    "two pending DIFFERENT prompts with equal number and prompt_id": "a 500 that queues all the same; here both are "
    "taken and run as they came (test_equal_number_and_id_run_one_after_the_other)",
    "two pending prompts with equal number and prompt_id": "test_equal_number_and_id_run_one_after_the_other",
    "number is NaN": "the recording holds no body; played in test_odd_envelopes_are_answered",
    "output disk full (1 MB tmpfs as the output directory)": "needs a file system of its own",
    "kill -9 during SaveVideo": "a kill leaves what it leaves, whatever the server",
    "server hangs (SIGSTOP)": "a stopped process answers nothing, whatever it runs",
    "an allocation no machine can make (4 TB image batch)": "frames are lazy: nothing is allocated",
}


def with_node(**nodes: Any) -> dict[str, Any]:
    return {**PICTURE_GRAPH, **nodes}


def scale_of(node_id: str) -> dict[str, Any]:
    return {"class_type": "ImageScale", "inputs": {**PICTURE_GRAPH["2"]["inputs"], "image": [node_id, 0]}}


NO_INPUTS = {"class_type": "ImageScale"}

#: Recorded label: the body, and the status here if it isn't the recorded one.
PLAYED: dict[str, tuple[dict[str, Any], int | None]] = {
    "a disconnected node without 'inputs'": ({"prompt": with_node(**{"9": NO_INPUTS})}, 400),
    "a disconnected node linking to a missing node": ({"prompt": with_node(**{"9": scale_of("77")})}, None),
    "a reachable node without 'inputs'": ({"prompt": with_node(**{"2": NO_INPUTS})}, None),
    "a two-node cycle": ({"prompt": with_node(**{"2": scale_of("4"), "4": scale_of("2")})}, None),
    "a disconnected two-node cycle": ({"prompt": with_node(**{"8": scale_of("9"), "9": scale_of("8")})}, None),
    "client_id is a JSON list": ({"prompt": PICTURE_GRAPH, "client_id": ["a"]}, 400),
    "extra_data is a string": ({"prompt": PICTURE_GRAPH, "extra_data": "text"}, 400),
}
OWN_TESTS = {
    "a subscriber that never reads its socket",
    "cache against deleted outputs and replaced inputs",
    "client pings during a sampler run",
}


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, models_file: Path) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("hostile"), models_file) as engine:
        prepare(engine)
        yield engine


def assert_alive(engine: Engine) -> None:
    assert engine.run(PICTURE_GRAPH)["status"]["status_str"] == "success"
    assert engine.is_idle()


def test_every_recorded_request_is_played_or_excused() -> None:
    assert set(PLAYED) | OWN_TESTS | set(EXCUSED) == set(RECORDED)


@pytest.mark.parametrize("label", PLAYED)
def test_a_request_that_hurts_the_true_server_is_answered(fresh: Engine, label: str) -> None:
    body, status = PLAYED[label]
    recorded = RECORDED[label]["POST"]
    answer = fresh.ask("POST", "/prompt", json=body)
    assert answer.status_code == (status or recorded["status"])
    if status is None:
        told = recorded["json"] if isinstance(recorded["json"], dict) else json.loads(recorded["json"])
        assert blurred(answer.json()) | {"number": 0} == blurred(told) | {"number": 0}
    else:
        assert answer.json()["error"]["message"].endswith(".")
    assert_alive(fresh)


@pytest.mark.parametrize(
    "more",
    [
        {"extra_data": None},
        {"extra_data": None, "client_id": "x"},
        {"extra_data": []},
        {"extra_data": {"client_id": ["a"]}},
        {"client_id": {"a": 1}},
    ],
    ids=json.dumps,
)
def test_an_odd_envelope_is_refused_in_words(fresh: Engine, more: dict[str, Any]) -> None:
    answer = fresh.post(PICTURE_GRAPH, **more)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"].endswith(".")
    assert_alive(fresh)


@pytest.mark.parametrize(
    "raw",
    [
        '"number": NaN',
        '"number": 1e999',
        '"number": true',
        '"prompt_id": ["a"]',
        '"prompt_id": "\\ud800"',
        '"client_id": null',
        '"partial_execution_targets": 5',
        '"front": "yes"',
    ],
)
def test_odd_envelopes_are_answered(fresh: Engine, raw: str) -> None:
    answer = fresh.ask("POST", "/prompt", data=f'{{"prompt": {json.dumps(PICTURE_GRAPH)}, {raw}}}')
    assert answer.status_code == 200
    until(fresh.is_idle)
    assert_alive(fresh)


@pytest.mark.parametrize(
    "node",
    [
        {"class_type": "ImageScale", "inputs": None},
        {"class_type": "ImageScale", "inputs": [1]},
        {"class_type": ["ImageScale"], "inputs": {}},
        scale_of("2") | {"inputs": {**scale_of("1")["inputs"], "image": [["1"], 0]}},
        scale_of("2") | {"inputs": {**scale_of("1")["inputs"], "image": ["1", "0"]}},
        scale_of("2") | {"inputs": {**scale_of("1")["inputs"], "width": {"a": 1}}},
        scale_of("2") | {"inputs": {**scale_of("1")["inputs"], "width": float("inf")}},
    ],
    ids=str,
)
def test_an_odd_node_is_refused_wherever_it_is(fresh: Engine, node: dict[str, Any]) -> None:
    answer = fresh.ask("POST", "/prompt", data=json.dumps({"prompt": with_node(**{"2": node})}))
    assert answer.status_code == 400
    assert_alive(fresh)


def test_very_deep_graphs_and_bodies_are_answered(fresh: Engine) -> None:
    chain = {"0": PICTURE_GRAPH["1"], **{str(count): scale_of(str(count - 1)) for count in range(1, 2000)}}
    chain["save"] = {"class_type": "SaveImage", "inputs": {"images": ["1999", 0], "filename_prefix": "x"}}
    assert fresh.post(chain).status_code == 400
    unreachable = {key: node for key, node in chain.items() if key != "save"} | {
        f"p{key}": node if key != "2" else scale_of("p1") for key, node in PICTURE_GRAPH.items()
    }
    unreachable["p3"] = {"class_type": "SaveImage", "inputs": {"images": ["p2", 0], "filename_prefix": "x"}}
    assert fresh.run(unreachable)["status"]["status_str"] == "success"
    assert fresh.ask("POST", "/prompt", data="[" * 100_000).status_code == 500
    assert_alive(fresh)


def test_outputs_and_inputs_changed_behind_the_cache(fresh: Engine) -> None:
    recorded = RECORDED["cache against deleted outputs and replaced inputs"]

    def graph(width: int, prefix: str = "x/cachedel", image: str = "swap.png") -> dict[str, Any]:
        found = json.loads(json.dumps(PICTURE_GRAPH))
        found["1"]["inputs"]["image"] = image
        found["2"]["inputs"]["width"] = width
        found["3"]["inputs"]["filename_prefix"] = prefix
        return found

    def name_of(entry: dict[str, Any]) -> dict[str, str]:
        made: dict[str, str] = entry["outputs"]["3"]["images"][0]
        return made

    fresh.upload("swap.png", picture_bytes(), overwrite="true")
    assert name_of(fresh.run(graph(64))) == recorded["first run"]
    (fresh.base / "output" / "x" / "cachedel_00001_.png").unlink()
    assert fresh.run(graph(64))["outputs"] == recorded["identical re-run after the file was deleted"]
    assert fresh.ask("GET", "/view", params=recorded["first run"]).status_code == recorded["GET /view of it"]
    assert name_of(fresh.run(graph(32))) == recorded["run with another width after that: file name (reused?)"]
    names = []
    for size in (96, 90):
        fresh.upload("swap.png", picture_bytes(size, size), overwrite="true")
        names.append(name_of(fresh.run(graph(64, "x/swap")))["filename"])
    assert names == recorded["input image replaced under the same name: outputs of run 1 and 2"]


def test_client_pings_are_answered_during_a_run(fresh: Engine) -> None:
    with fresh.listen("pinging") as listener:
        listener.socket.ping("now")
        listener.hear_end(fresh.post(PICTURE_GRAPH, client_id="pinging").json()["prompt_id"])
    assert (
        len(listener.frames)
        > RECORDED["client pings during a sampler run"]["aiohttp client heartbeat=1 s during a sampler run"]["messages"]
    )


def test_a_subscriber_that_never_reads_stalls_nobody_and_is_cut_off(tmp_path: Path) -> None:
    with running_engine(tmp_path, module="tests.engine.own_classes") as engine:
        deaf = _open_socket_and_never_read(engine.url, "deaf")
        assert _holds_a_line_to(engine, deaf.getsockname()[1])
        loud = {"1": {"class_type": "Chatter", "inputs": {"frames": 40, "bytes": 2_000_000}}}
        chatter = engine.post(loud, client_id="deaf").json()["prompt_id"]
        with engine.listen("good") as listener:
            engine.entry(chatter)
            shown = {"1": {"class_type": "Show", "inputs": {"value": 1}}}
            listener.hear_end(engine.post(shown, client_id="good").json()["prompt_id"])
        assert "is cut off" in until((engine.base / "engine.log").read_text)
        until(lambda: not _holds_a_line_to(engine, deaf.getsockname()[1]))
        deaf.close()


def _open_socket_and_never_read(url: str, client: str) -> socket.socket:
    where = urlsplit(url)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect((where.hostname, where.port))
    deaf.sendall(
        f"GET /ws?clientId={client} HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    deaf.settimeout(10)
    assert deaf.recv(12).startswith(b"HTTP/1.1 101")
    return deaf


def _holds_a_line_to(engine: Engine, port: int) -> bool:
    lines = psutil.Process(engine.process.pid).net_connections("tcp4")
    return any(line.raddr and line.raddr.port == port for line in lines)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://evil.example", "Host": "evil.example"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Host": "localhost"}, 200),
        ({}, 200),
    ],
    ids=str,
)
def test_web_pages_of_other_origins_are_refused(fresh: Engine, headers: dict[str, str], status: int) -> None:
    assert fresh.ask("GET", "/api/queue", headers=headers).status_code == status


def test_a_foreign_page_cannot_open_a_socket(fresh: Engine) -> None:
    where = urlsplit(fresh.url)
    with socket.create_connection((where.hostname, where.port), timeout=10) as stranger:
        stranger.sendall(
            f"GET /ws HTTP/1.1\r\nHost: {where.netloc}\r\nOrigin: http://evil.example\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert stranger.recv(12) == b"HTTP/1.1 403"

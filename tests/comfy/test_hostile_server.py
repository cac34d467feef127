"""A server that is anything but a good ComfyUI: every call ends in time, as a hold or a failure with its cure."""

from __future__ import annotations

import gzip
import json
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from service.comfy.access import bearer
from service.comfy.client import Client
from service.comfy.verdict import OutputFile
from service.errors import Failed, Rejected, Unavailable
from tests.comfy.recorded import SAMPLER_GRAPH, VERSIONS, object_info
from tests.comfy.scripted import Answer, Asked, Scripted, always, http

ID = "0198c0de-0000-4000-8000-000000000001"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

CALLS: dict[str, Callable[[Client, Path], object]] = {
    "system_stats": lambda client, _: client.system_stats(),
    "object_info": lambda client, _: client.object_info(),
    "features": lambda client, _: client.features(),
    "queue": lambda client, _: client.queue(),
    "history": lambda client, _: client.history(ID),
    "submit": lambda client, _: client.submit(ID, SAMPLER_GRAPH, "client-1"),
    "upload": lambda client, file: client.upload(file, "a.png", "job-1"),
    "fetch": lambda client, file: client.fetch(OutputFile("a", "", "output", "9"), file.parent / "got", overall_s=0.5),
    "cancel": lambda client, _: client.cancel(ID),
    "interrupt": lambda client, _: client.interrupt(ID),
    "delete": lambda client, _: client.delete(ID),
    "forget": lambda client, _: client.forget([ID]),
    "free": lambda client, _: client.free(),
}
#: Three ask for a status alone, and what a result holds is for the examiner to say.
TAKE_ANY_BODY = {"delete", "forget", "free", "fetch"}


def troubles(
    respond: Answer | bytes, folder: Path, calls: set[str] | None = None, **limits: float
) -> dict[str, Unavailable | Failed | Rejected]:
    """What became of each call; fails if one took long, ended well, or ended without a cure."""
    picture = folder / "a.png"
    picture.write_bytes(b"picture")
    found: dict[str, Unavailable | Failed | Rejected] = {}
    with Scripted(always(respond) if isinstance(respond, bytes) else respond) as server:
        for name, call in CALLS.items():
            if calls is not None and name not in calls:
                continue
            client = Client(server.url, **{"read_s": 0.5, "ask_s": 0.8, **limits})
            began = time.monotonic()
            try:
                call(client, picture)
            except (Unavailable, Failed, Rejected) as trouble:
                found[name] = trouble
            else:
                assert name in TAKE_ANY_BODY, f"{name} takes it for ComfyUI's"
            finally:
                client.close()
            assert time.monotonic() - began < 5, f"{name} hangs"
        server.stopping.set()
    for name, trouble in found.items():
        problem = getattr(trouble, "problem", None) or getattr(trouble, "problems", [trouble])[0]
        assert problem.title, f"{name} ends without a word"
        assert problem.fix, f"{name} ends without a cure"
    return found


def codes(found: dict[str, Unavailable | Failed | Rejected]) -> set[str]:
    return {each.code for each in found.values() if isinstance(each, Unavailable)}


def page(status: int, **headers: str) -> bytes:
    return http(status, b"<!doctype html><title>Router</title>", "text/html", server="lighttpd", **headers)


NOT_COMFYUI = {
    "a web page": page(200),
    "a web page that isn't there": page(404),
    "plain text": http(200, b"It works!", "text/plain"),
    "nothing": http(200, b""),
    "no content": http(204, content_length=""),
    "a JSON list": http(200, b"[1, 2]"),
    "JSON null": http(200, b"null"),
    "a JSON text": http(200, b'"ok"'),
    "JSON that is nested too deep": http(200, b"[" * 100_000),
    "a number that is too long": http(200, b'{"number": ' + b"9" * 5000 + b"}"),
    "JSON that ends too early, by its own length": http(200, b'{"queue_running": [], "q', content_length="10"),
    "no UTF-8": http(200, b'{"\xff": 1}'),
    "half an UTF-16": http(200, b"\xff\xfe{\x00"),
    "another API's refusal": http(400, b'{"detail": "Not authenticated"}'),
    "another API's answer": http(418, b'{"teapot": true}'),
    "an SSH server": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a TLS server asked in plain words": b"\x15\x03\x01\x00\x02\x02\x46",
    "a status that is none": b"HTTP/1.1 20x OK\r\n\r\n",
    "a hundred headers": HEAD + b"X: y\r\n" * 200 + b"\r\n{}",
    "a header of a megabyte": HEAD + b"X: " + b"y" * 1_000_000 + b"\r\n\r\n{}",
}


@pytest.mark.parametrize("what", NOT_COMFYUI)
def test_what_is_no_comfyui_is_a_hold_with_the_address_to_correct(what: str, tmp_path: Path) -> None:
    found = troubles(NOT_COMFYUI[what], tmp_path)
    assert codes(found) <= {"not_comfyui", "cut_off", "timeout"}
    asked = found["system_stats"]
    assert isinstance(asked, Unavailable)
    assert asked.code == "not_comfyui"
    assert "`backends`" in asked.fix


def test_another_apis_refusal_is_no_refusal_of_the_workflow() -> None:
    """Its job would fail for good, though only the address is wrong."""
    with Scripted(always(NOT_COMFYUI["another API's refusal"])) as server, pytest.raises(Unavailable) as caught:
        Client(server.url).submit(ID, SAMPLER_GRAPH, "client-1")
    assert caught.value.code == "not_comfyui"


def endless(*pieces: bytes, wait_s: float = 0.0) -> Answer:
    """Send the first pieces once and the last one for ever."""

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        for piece in pieces[:-1]:
            send(piece)
        while not server_left(asked, wait_s):
            send(pieces[-1])

    return respond


def server_left(asked: Asked, wait_s: float) -> bool:
    threading.Event().wait(wait_s)
    return asked.connection.fileno() < 0


BROKEN = {
    "closed without a word": b"",
    "cut off in its head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "cut off in its body": http(200, b'{"system": ', content_length="500"),
    "cut off in a chunk": HEAD + b"Transfer-Encoding: chunked\r\n\r\n40\r\n{",
    "chunks that are none": HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
    "packed badly": http(200, b"\x1f\x8bnothing", content_encoding="gzip"),
    "a length that is none": HEAD + b"Content-Length: many\r\n\r\n{",
    "a length below nothing": HEAD + b"Content-Length: -5\r\n\r\n{",
    "two lengths": HEAD + b"Content-Length: 2\r\nContent-Length: 500\r\n\r\n{}",
    "a length that nobody has": http(200, b"{}", content_length=str(10**18)),
}


@pytest.mark.parametrize("what", BROKEN)
def test_an_answer_that_breaks_off_or_has_another_length_is_a_hold(what: str, tmp_path: Path) -> None:
    found = troubles(BROKEN[what], tmp_path)
    assert codes(found) <= {"not_comfyui", "cut_off", "timeout", "disk_full"}
    assert set(found) >= set(CALLS) - TAKE_ANY_BODY


SLOW = {
    "silence": lambda asked, _: asked.wait_for_end(),
    "a head that drips": endless(b"HTTP/1.1 200 OK\r\n", b"X", wait_s=0.05),
    "a body that drips": endless(HEAD + b"Content-Length: 100000\r\n\r\n", b" ", wait_s=0.05),
    "chunks that drip": endless(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n", wait_s=0.05),
    "a promise to go on, for ever": endless(b"HTTP/1.1 100 Continue\r\n\r\n", wait_s=0.01),
    "a head that never ends": endless(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", wait_s=0.05),
}


@pytest.mark.parametrize("what", SLOW)
def test_an_answer_that_never_comes_is_a_hold_in_time(what: str, tmp_path: Path) -> None:
    calls = {"system_stats", "object_info", "history", "cancel", "upload", "fetch", "free"}
    found = troubles(SLOW[what], tmp_path, calls, ask_s=0.15)
    assert set(found) == calls
    assert codes(found) <= {"timeout", "not_comfyui"}


@pytest.mark.parametrize("status", [401, 403, 407])
def test_a_wrong_token_is_a_hold_that_names_headers_and_token(status: int, tmp_path: Path) -> None:
    found = troubles(page(status), tmp_path)
    assert set(found) == set(CALLS)
    for name, trouble in found.items():
        if name != "fetch":
            assert isinstance(trouble, Unavailable)
            assert trouble.code == "forbidden"
            assert "`headers`" in trouble.fix
            assert "`token`" in trouble.fix


def test_a_redirect_to_another_host_is_not_followed_and_no_token_goes_there(tmp_path: Path) -> None:
    with Scripted(always(http(200, b"{}"))) as other:
        for status in (301, 302, 303, 307, 308):
            found = troubles(http(status, location=f"{other.url}/system_stats"), tmp_path)
            assert set(found) == set(CALLS)
            assert codes(found) <= {"redirected", "not_comfyui"}
        assert other.asked == []


def test_a_redirect_names_where_it_leads_without_its_secrets() -> None:
    with Scripted(always(http(302, location="//me:hush@elsewhere/login?ticket=hush"))) as server:
        with pytest.raises(Unavailable) as caught:
            Client(server.url, headers=bearer("t0ken")).queue()
        assert server.asked[0].headers["authorization"] == "Bearer t0ken"
    assert "http://elsewhere (HTTP 302)" in caught.value.title
    assert "hush" not in str(caught.value)
    assert "t0ken" not in str(caught.value)


@pytest.mark.parametrize("location", ["/queue", "", "http://[", "http://h:99999999", "\x01\x02", "/" * 60_000])
def test_a_redirect_loop_is_asked_once(location: str) -> None:
    with Scripted(always(http(302, location=location))) as server:
        with pytest.raises(Unavailable) as caught:
            Client(server.url).queue()
        assert len(server.asked) == 1
    assert caught.value.fix
    assert len(caught.value.title) < 400
    assert caught.value.title.isprintable()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_server_without_output_nodes_is_a_hold(version: str) -> None:
    classes = object_info(version)
    kept = {name: of for name, of in classes.items() if not of["output_node"]}
    assert 0 < len(kept) < len(classes)
    for said in (kept, {}, {"A": None, "B": {"output_node": "yes"}}):
        with Scripted(always(http(200, json.dumps(said).encode()))) as server, pytest.raises(Unavailable) as caught:
            Client(server.url).object_info()
        assert caught.value.code == "no_output_nodes"
        assert "log" in caught.value.fix
    with Scripted(always(http(200, json.dumps({**classes, "Odd": 5}).encode()))) as server:
        assert Client(server.url).object_info() == classes


def test_ten_megabytes_of_object_info_are_taken() -> None:
    many = {f"Class{number}": {"input": {"required": {"x": [["a", "b"] * 200, {}]}}} for number in range(5000)}
    many["SaveVideo"] = {"output_node": True}
    said = json.dumps(many).encode()
    assert len(said) > 10_000_000
    with Scripted(always(http(200, said))) as server:
        assert len(Client(server.url).object_info()) == 5001


def flood(piece: bytes, times: int) -> Answer:
    def respond(_: Asked, send: Callable[[bytes], None]) -> None:
        send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        for _number in range(times):
            send(piece)

    return respond


BOMBS = {
    "a long list": http(200, b"[" + b"[]," * 6_000_000 + b"[]]"),
    "a long object": http(200, b'{"a":[' + b"0," * 6_000_000 + b"0]}"),
    "an answer without end": flood(b" " * 1_000_000, 300),
    "a packed answer without end": http(200, gzip.compress(bytes(200_000_000), 1), content_encoding="gzip"),
}


@pytest.mark.parametrize("what", BOMBS)
def test_no_answer_fills_the_memory(what: str) -> None:
    answer = BOMBS[what]
    with Scripted(always(answer) if isinstance(answer, bytes) else answer) as server:
        client = Client(server.url)
        for call, limit in ((client.queue, 70_000_000), (client.object_info, 160_000_000)):
            tracemalloc.start()
            with pytest.raises(Unavailable) as caught:
                call()
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            assert caught.value.code == "not_comfyui"
            assert peak < limit, f"{peak / 1e6:.0f} MB"

"""A result comes whole or not at all, whatever breaks on the way."""

from __future__ import annotations

import filecmp
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from service.comfy.client import Client
from service.comfy.verdict import OutputFile
from service.errors import Failed, Unavailable
from tests.comfy.scripted import Asked, Scripted, always, http, in_turn
from tests.faults.giant import Giant, grow
from tests.media.drawing import clip

FILE = OutputFile("clip_00001_.mp4", "video/job", "output", "9")
VIDEO = bytes(range(256)) * 2000


def fetch(server: Scripted, target: Path, overall_s: float = 20) -> int:
    return Client(server.url, read_s=1).fetch(FILE, target, overall_s=overall_s)


def cut_at(size: int) -> bytes:
    return http(200, VIDEO[:size], "video/mp4", content_length=str(len(VIDEO)), etag='"v1"')


def resume(asked: Asked, send: Callable[[bytes], None]) -> None:
    start = int(re.fullmatch(r"bytes=(\d+)-", asked.headers["range"])[1])
    place = f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}"
    send(http(206, VIDEO[start:], "video/mp4", content_range=place, etag='"v1"'))


def assert_nothing_left(folder: Path) -> None:
    assert list(folder.iterdir()) == []


def test_a_result_is_asked_for_by_name_folder_and_type(tmp_path: Path) -> None:
    with Scripted(always(http(200, VIDEO, "video/mp4"))) as server:
        assert fetch(server, tmp_path / "out.mp4") == len(VIDEO)
        assert server.asked[0].target == "/view?filename=clip_00001_.mp4&subfolder=video%2Fjob&type=output"
    assert (tmp_path / "out.mp4").read_bytes() == VIDEO
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_break_is_resumed_where_it_was(tmp_path: Path) -> None:
    with Scripted(in_turn(cut_at(100_000), resume)) as server:
        fetch(server, tmp_path / "out.mp4")
        first, second = server.asked
    assert "range" not in first.headers
    assert second.headers["range"] == "bytes=100000-"
    assert second.headers["if-range"] == '"v1"'
    assert (tmp_path / "out.mp4").read_bytes() == VIDEO


def test_a_stalled_transfer_is_resumed_too(tmp_path: Path) -> None:
    def stall(_: Asked, send: Callable[[bytes], None]) -> None:
        send(cut_at(50_000))
        server.stopping.wait(3)

    with Scripted(in_turn(stall, resume)) as server:
        fetch(server, tmp_path / "out.mp4")
        server.stopping.set()
    assert (tmp_path / "out.mp4").read_bytes() == VIDEO


@pytest.mark.parametrize(
    "second",
    [http(200, VIDEO, "video/mp4", etag='"v2"'),
     http(206, VIDEO[:50], "video/mp4", content_range=f"bytes 0-49/{len(VIDEO)}")],
)  # fmt: skip
def test_a_file_that_changed_meanwhile_is_taken_anew(tmp_path: Path, second: bytes) -> None:
    with Scripted(in_turn(cut_at(100_000), second, http(200, VIDEO, "video/mp4"))) as server:
        fetch(server, tmp_path / "out.mp4")
    assert (tmp_path / "out.mp4").read_bytes() == VIDEO


def test_a_file_that_never_comes_whole_is_given_up(tmp_path: Path) -> None:
    with Scripted(always(http(206, b"", "video/mp4", content_range="bytes 9-9/10"))) as server:
        with pytest.raises(Unavailable):
            fetch(server, tmp_path / "out.mp4")
        assert len(server.asked) <= 4
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_result_that_is_gone_fails_the_job(tmp_path: Path, status: int) -> None:
    with Scripted(always(http(status))) as server, pytest.raises(Failed) as caught:
        fetch(server, tmp_path / "out.mp4")
    assert caught.value.problem.code == "result_missing"
    assert "clip_00001_.mp4" in caught.value.problem.title
    assert_nothing_left(tmp_path)


@pytest.mark.parametrize(
    ("answer", "code"),
    [(http(500), "server_error"), (http(200, b"<html>", "text/html"), "not_comfyui"), (http(302), "not_comfyui")],
)
def test_a_server_in_trouble_is_waited_for(tmp_path: Path, answer: bytes, code: str) -> None:
    with Scripted(always(answer)) as server, pytest.raises(Unavailable) as caught:
        fetch(server, tmp_path / "out.mp4")
    assert caught.value.code == code
    assert_nothing_left(tmp_path)


def test_a_slow_drip_ends_with_the_whole_deadline(tmp_path: Path) -> None:
    def drip(_: Asked, send: Callable[[bytes], None]) -> None:
        send(http(200, b"", "video/mp4", content_length="1000"))
        while not server.stopping.wait(0.05):
            send(b"x")

    with Scripted(drip) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            fetch(server, tmp_path / "out.mp4", overall_s=0.7)
        assert time.monotonic() - began < 3
    assert_nothing_left(tmp_path)


def test_an_older_result_is_replaced_only_by_a_whole_one(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"older")
    with Scripted(always(cut_at(10))) as server, pytest.raises(Unavailable):
        fetch(server, target)
    assert target.read_bytes() == b"older"


def test_an_empty_file_is_handed_on_for_the_examiner_to_judge(tmp_path: Path) -> None:
    with Scripted(always(http(200, b"", "video/mp4"))) as server:
        assert fetch(server, tmp_path / "out.mp4") == 0


def test_a_fetch_that_is_stopped_ends_at_once_though_the_server_keeps_silent(tmp_path: Path) -> None:
    def stall(_: Asked, send: Callable[[bytes], None]) -> None:
        send(cut_at(50_000)[:40_000])
        server.stopping.wait(20)

    stop = threading.Event()
    with Scripted(stall) as server:
        threading.Timer(0.3, stop.set).start()
        began_s = time.monotonic()
        with pytest.raises(Unavailable) as stopped:
            Client(server.url, read_s=10).fetch(FILE, tmp_path / "out.mp4", overall_s=60, stop=stop)
    assert stopped.value.code == "stopping"
    assert time.monotonic() - began_s < 2
    assert_nothing_left(tmp_path)


def test_a_result_that_our_disk_has_no_room_for_is_not_begun(tmp_path: Path) -> None:
    vast = http(200, b"", "video/mp4", content_length=str(1 << 60))
    with Scripted(always(vast)) as server, pytest.raises(Unavailable) as held:
        fetch(server, tmp_path / "out.mp4")
    assert held.value.code == "disk_full"
    assert len(server.asked) == 1
    assert_nothing_left(tmp_path)


def test_a_large_result_gets_more_time_and_resumes_after_each_of_many_breaks(tmp_path: Path) -> None:
    """A server that breaks off after each small piece, and a first deadline that is over long before the end."""
    pieces = 12
    size = len(VIDEO) // pieces

    def piece(asked: Asked, send: Callable[[bytes], None]) -> None:
        time.sleep(0.05)
        start = int(asked.headers.get("range", "bytes=0-")[6:-1])
        place = {"content_range": f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}"} if start else {}
        left = str(len(VIDEO) - start)
        send(http(206 if start else 200, VIDEO[start : start + size], "video/mp4", content_length=left, **place))

    with Scripted(piece) as server:
        assert fetch(server, tmp_path / "out.mp4", overall_s=0.2) == len(VIDEO)
        assert len(server.asked) >= pieces
    assert (tmp_path / "out.mp4").read_bytes() == VIDEO


def test_a_giant_comes_over_in_little_memory_and_resumes_after_each_break(tmp_path: Path) -> None:
    """The same with 5 GB is measured by `python -m bench giant`."""
    size, piece = 160_000_000, 23_000_000
    source = grow(clip(tmp_path / "source.mp4", frames=2), size)
    own, most = psutil.Process(), 0
    with Giant(source, piece) as server:
        before = own.memory_info().rss
        fetching = threading.Thread(target=lambda: Client(server.url).fetch(FILE, tmp_path / "out.mp4"))
        fetching.start()
        while fetching.is_alive():
            most = max(most, own.memory_info().rss - before)
            fetching.join(0.01)
        assert server.asked == list(range(0, size, piece))
    assert (tmp_path / "out.mp4").stat().st_size == size
    assert filecmp.cmp(source, tmp_path / "out.mp4", shallow=False)
    assert most < 32_000_000

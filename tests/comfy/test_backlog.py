"""What waits for a busy lane: frames up to a bound, everything else always, in order."""

from __future__ import annotations

import queue
import threading

import pytest

from service.comfy.backlog import Backlog
from service.comfy.socket import Connected


def taken(backlog: Backlog) -> list[object]:
    found = []
    try:
        while True:
            found.append(backlog.get(timeout=0.01))
    except queue.Empty:
        return found


def test_it_keeps_its_order() -> None:
    backlog = Backlog()
    for message in ("a", b"b", None, Connected("me"), "c"):
        backlog.put(message)
    assert taken(backlog) == ["a", b"b", None, Connected("me"), "c"]


def test_a_flood_is_dropped_and_what_is_no_frame_is_not() -> None:
    backlog = Backlog(most_bytes=10, most_frames=100)
    for message in (b"12345", b"12345", b"1", None, "x", Connected("me")):
        backlog.put(message)
    assert taken(backlog) == [b"12345", b"12345", None, Connected("me")]


def test_many_small_frames_are_a_flood_as_well() -> None:
    backlog = Backlog(most_frames=3)
    for number in range(10):
        backlog.put(str(number))
    assert taken(backlog) == ["0", "1", "2"]


def test_there_is_room_again_when_something_was_taken() -> None:
    backlog = Backlog(most_bytes=10, most_frames=1)
    for _ in range(5):
        backlog.put(b"0123456789")
        backlog.put(b"dropped")
        assert taken(backlog) == [b"0123456789"]


def test_threads_may_put_at_once() -> None:
    backlog = Backlog(most_frames=10_000)
    threads = [threading.Thread(target=lambda: [backlog.put("x") for _ in range(1000)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken(backlog)) == 4000
    assert (backlog._bytes, backlog._frames) == (0, 0)


def test_waiting_ends_in_time() -> None:
    with pytest.raises(queue.Empty):
        Backlog().get(timeout=0.01)

"""Law 4 on real sockets: the old one is closed first; who turns deaf all the same finds it out and takes a fresh id."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from service.comfy.client import Client, Queue
from service.comfy.hearing import GRACE_S, Hearing
from service.comfy.socket import Connected, Disconnected, Socket
from tests.comfy.deafening import Deafening
from tests.comfy.following import Ears, new_id, picture_graph, until
from tests.comfy.recorded import FOLDERS, RECORDINGS, VERSIONS
from tests.comfy.replaying import trace
from tests.comfy.scripted import Scripted

EMPTY = Queue(frozenset(), frozenset())


@dataclass
class Listener:
    """What a lane does with its socket, its client and its hearing, as small as it can be."""

    socket: Socket
    client: Client
    ears: Ears
    hearing: Hearing = field(default_factory=Hearing)
    looked: Queue = EMPTY
    looked_s: float = 0.0

    def post(self) -> None:
        began_s = time.monotonic()
        self.client.submit(new_id(), picture_graph(), self.socket.client_id)
        self.hearing.posted(time.monotonic(), self.socket.client_id, began_s=began_s)

    def look(self) -> None:
        began_s = time.monotonic()
        found = self.client.queue()
        if found != self.looked:
            self.hearing.changed(time.monotonic(), since_s=self.looked_s)
        self.looked, self.looked_s = found, began_s

    def deaf(self) -> bool:
        if self.socket.heard_s is not None:
            self.hearing.heard(self.socket.heard_s)
        return self.hearing.deaf(time.monotonic())

    def connected(self) -> str:
        said = self.ears.wait_for_kind(Connected)
        self.hearing.connected(time.monotonic(), said.client_id)
        self.ears.wait_for(lambda message: isinstance(message, str))
        self.look()
        return str(said.client_id)

    def lost(self) -> None:
        self.ears.wait_for_kind(Disconnected)
        self.hearing.disconnected()


@contextmanager
def listener(server: Deafening) -> Iterator[Listener]:
    with Scripted(server) as scripted:
        ears = Ears()
        socket, client = Socket(scripted.url, "me", ears.put), Client(scripted.url)
        socket.start()
        try:
            yield Listener(socket, client, ears)
        finally:
            socket.stop()
            client.close()


def test_the_old_socket_is_closed_there_before_the_same_id_opens_a_new_one() -> None:
    server = Deafening(0.5)
    with listener(server) as mine:
        mine.connected()
        server.drop_newest()
        mine.lost()
        assert mine.connected() == "me"
        assert server.happened == ["opened me", "closed me", "opened me"]
        mine.post()
        mine.ears.wait_for(lambda message: isinstance(message, str) and "queue_remaining" in message)
        assert not mine.deaf()
        assert mine.hearing.hears("me")


@pytest.mark.parametrize("shown_by", ["our own POST", "somebody else's prompt"])
def test_a_socket_made_deaf_by_its_predecessors_late_end_is_renewed_and_hears(shown_by: str) -> None:
    server = Deafening(1.8)
    with listener(server) as mine:
        mine.connected()
        server.drop_newest()
        mine.lost()
        assert mine.connected() == "me"
        until(lambda: "closed me" in server.happened, 5)
        assert server.happened == ["opened me", "opened me", "closed me"], "the server heard of the old one's end late"
        assert not mine.deaf()
        assert mine.hearing.hears("me"), "nothing shows it yet"
        if shown_by == "our own POST":
            mine.post()
        else:
            server.pending.append([1, new_id()])
        changed_s = time.monotonic()
        mine.look()
        until(mine.deaf, 6)
        assert GRACE_S - 0.2 < time.monotonic() - changed_s < 5
        fresh = mine.socket.renew()
        mine.lost()
        assert mine.connected() == fresh == "me-1"
        mine.post()
        mine.ears.wait_for(lambda message: isinstance(message, str) and "queue_remaining" in message)
        assert not mine.deaf()


def recorded_hearing(version: str, name: str) -> list[float]:
    """Replay a trace: when the judge says deaf, by the trace's own clock."""
    hearing, deaf_at = Hearing(), []
    for event in trace(version, name):
        now, mark = event["t"], str(event.get("mark", ""))
        if hearing.deaf(now):
            deaf_at.append(now)
        if mark == "connected":
            hearing.connected(now, "me")
        elif event.get("dir") == "server->client":
            hearing.heard(now)
        elif "queued" in mark or mark == "POST /prompt answered" or "prompt with NO" in mark:
            # The recorder's own remarks may be a few milliseconds late, and the broadcast with them.
            hearing.posted(now, "me", began_s=now - 0.05)
        elif mark.startswith("history has the prompt"):
            hearing.changed(now)
    return deaf_at


@pytest.mark.parametrize("version", VERSIONS)
def test_the_second_socket_of_a_recorded_overlap_is_found_deaf(version: str) -> None:
    deaf_at = recorded_hearing(version, "ws_reconnect_overlap_new.jsonl")
    assert deaf_at
    assert deaf_at[0] - {"0.3.64": 13.7543, "0.8.0": 2.7475, "0.33.0": 2.5876}[version] < 8


HEALTHY = [
    (version, path.name)
    for version in VERSIONS
    for path in sorted((RECORDINGS / FOLDERS[version]).glob("ws_*.jsonl"))
    if "overlap" not in path.name
]


@pytest.mark.parametrize(("version", "name"), HEALTHY)
def test_no_other_recorded_socket_is_called_deaf(version: str, name: str) -> None:
    assert recorded_hearing(version, name) == []

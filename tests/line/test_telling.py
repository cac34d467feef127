"""Who is named in config.yaml is told what becomes of a drop, by the daemon itself."""

from __future__ import annotations

import socket

import pytest

from service.tidings import may_connect
from tests.line.world import SMALL, World
from tests.test_tidings import receiving


def own_address() -> str | None:
    """Return an address of this machine that isn't loopback, or None."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Nothing is sent: connecting a datagram socket only chooses the way.
            probe.connect(("198.51.100.1", 9))
        except OSError:
            return None
        address = str(probe.getsockname()[0])
    return address if may_connect(address) else None


def test_a_daemon_tells_what_becomes_of_a_drop(tmp_path, engine_outside):
    address = own_address()
    if address is None:
        pytest.skip("this machine has no address but loopback, to which nothing is sent")
    with receiving(address) as server:
        world = World(tmp_path, engine_outside, notify=[{"url": server.url, "events": ["started", "done", "failed"]}])
        with world:
            world.drop("text-to-video/harbour.yaml", f"prompt: a harbour\n{SMALL}")
            world.drop("text-to-video/wrong.yaml", "promt: a harbour\n")
            world.until(lambda: len(server.events()) == 3, "three events")
    found = {(event["event"], event["name"]) for event in server.events()}
    assert found == {
        ("started", "text-to-video/harbour"),
        ("done", "text-to-video/harbour"),
        ("failed", "text-to-video/wrong"),
    }

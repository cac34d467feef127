"""Recorded answers, spoilt by chance: no call ends in any other way than the ones that its caller knows."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from service.comfy.client import Client
from service.errors import Failed, Rejected, Unavailable
from tests.comfy.recorded import VERSIONS, load
from tests.comfy.scripted import Scripted, http
from tests.comfy.test_hostile_server import CALLS, ID

ODD: list[Any] = [None, True, -1, 1e308, "", "x" * 5000, [], {}, [[]], {"a": {}}, 10**400, "\ud800", [1, [2]], ID]
STATUSES = [200, 204, 206, 301, 304, 400, 401, 404, 413, 416, 500, 999]


def recorded_answers() -> list[tuple[int, Any]]:
    return [
        (said["status"], said["json"])
        for version in VERSIONS
        for name in ("endpoints.json", "prompt_post.json", "uploads.json")
        for said in load(version, name).values()
        if isinstance(said, dict) and "json" in said and "status" in said
    ]


def spoil(chance: random.Random, said: Any) -> Any:
    if chance.random() < 0.15:
        return chance.choice(ODD)
    if isinstance(said, dict):
        return {key if chance.random() < 0.95 else ID: spoil(chance, value) for key, value in list(said.items())[:40]}
    if isinstance(said, list):
        return [spoil(chance, value) for value in said[:40] if chance.random() < 0.95]
    return said


def garble(chance: random.Random, raw: bytes) -> bytes:
    spoilt = bytearray(raw)
    for _ in range(chance.randint(0, 4)):
        at, length = chance.randrange(len(spoilt)), chance.randint(0, 8)
        spoilt[at : at + chance.randint(0, 8)] = chance.randbytes(length) or b"x"
    return bytes(spoilt)


@pytest.mark.parametrize("seed", range(4))
def test_no_spoilt_answer_ends_a_call_in_an_unknown_way(seed: int, tmp_path: Path) -> None:
    chance, answers = random.Random(seed), recorded_answers()
    (tmp_path / "a.png").write_bytes(b"picture")
    answer = b""
    with Scripted(lambda _, send: send(answer)) as server:
        client = Client(server.url, read_s=0.3, ask_s=0.3)
        for _ in range(25):
            status, said = chance.choice(answers)
            body = json.dumps(spoil(chance, said)).encode()
            status = status if chance.random() < 0.7 else chance.choice(STATUSES)
            answer = garble(chance, http(status, body, location=chance.choice(["", "/x", "http://["])))
            for name, call in CALLS.items():
                try:
                    call(client, tmp_path / "a.png")
                except (Unavailable, Failed, Rejected):
                    pass
                except Exception as escaped:
                    raise AssertionError(f"{name} fell over {answer!r}") from escaped
        client.close()

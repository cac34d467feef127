"""Recorded answers, given once more on a real socket."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.comfy.client import Client, Refused
from tests.comfy.recorded import (
    FOLDERS,
    RECORDINGS,
    VERSIONS,
    load,
)
from tests.comfy.scripted import Answer, Asked, Scripted, always, http

each_version = pytest.mark.parametrize("version", VERSIONS)
ID = "0198c0de-0000-4000-8000-000000000001"
GRAPH = {"1": {"class_type": "EmptyImage", "inputs": {"width": 64}},
         "3": {"class_type": "SaveImage", "inputs": {"images": ["1", 0]}}}  # fmt: skip


def replay(recorded: Mapping[str, Any]) -> bytes:
    """A recorded answer, once more."""
    body = json.dumps(recorded["json"]).encode() if "json" in recorded else str(recorded.get("text", "")).encode()
    return http(recorded["status"], body, "application/json" if "json" in recorded else "text/plain")


def by_target(answers: Mapping[str, bytes]) -> Answer:
    """Answer by method and path, such as "POST /queue"; unnamed ones get 404."""

    def respond(asked: Asked, send: Callable[[bytes], None]) -> None:
        path = asked.target.partition("?")[0]
        send(answers.get(f"{asked.method} {path}", answers.get(path, http(404))))

    return respond


def queue_of(running: list[Any], pending: list[Any]) -> bytes:
    return http(200, json.dumps({"queue_running": running, "queue_pending": pending}).encode())


def refusal(version: str, label: str, graph: Mapping[str, Any] | None = None) -> Refused:
    with Scripted(always(replay(load(version, "prompt_post.json")[label]))) as server:
        with pytest.raises(Refused) as caught:
            Client(server.url).submit(ID, graph or GRAPH, "client-1")
        return caught.value


def trace(version: str, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (RECORDINGS / FOLDERS[version] / name).read_text().splitlines()[1:]]

"""A server that runs out of memory: free it, the same again, then smaller, step by step; the status says so."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.examiner import OpenNsfw
from tests.faults.proxy import Proxy
from tests.line.world import World

JOB = "prompt: a cup\nseed: 1\nwidth: 256\nheight: 256\nframes: 4\nsteps: 1\n"


class Cramped(Proxy):
    """Stands before a server whose memory is too small for pictures wider than `fits`."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self.fits = 0
        self.widths: list[int] = []
        self._too_wide: set[str] = set()

    async def _ask_upstream(self, method: str, target: str, head: bytes, body: bytes) -> bytes:
        if target == "/prompt" and method == "POST":
            said = json.loads(body)
            width = max(node["inputs"].get("width", 0) for node in said["prompt"].values())
            self.widths.append(width)
            if width > self.fits:
                self._too_wide.add(said["prompt_id"])
        answer = await super()._ask_upstream(method, target, head, body)
        prompt_id = target.removeprefix("/history/")
        return self._run_out(answer, prompt_id) if prompt_id in self._too_wide else answer

    def _run_out(self, answer: bytes, prompt_id: str) -> bytes:
        head, _, body = answer.partition(b"\r\n\r\n")
        entries = json.loads(body)
        if prompt_id not in entries:
            return answer
        message = "Allocation on device 0 would exceed allowed memory. (out of memory)"
        error = {"node_id": "12", "node_type": "KSampler", "exception_type": "torch.OutOfMemoryError"}
        entries[prompt_id]["outputs"] = {}
        entries[prompt_id]["status"] = {
            "status_str": "error",
            "completed": False,
            "messages": [["execution_error", {**error, "exception_message": message}]],
        }
        body = json.dumps(entries).encode()
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
        return b"\r\n".join([*lines, b"Content-Length: %d" % len(body)]) + b"\r\n\r\n" + body


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Cramped]:
    with Cramped(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, proxy: Cramped) -> Iterator[World]:
    world = World(tmp_path, proxy.url)
    world.classifier = OpenNsfw
    yield world
    world.stop()


def test_memory_is_freed_then_the_same_again_then_smaller_until_it_fits(world: World, proxy: Cramped):
    proxy.fits = 200
    world.start()
    world.drop("text-to-video/cup.yaml", JOB)
    status = world.until_state("text-to-video/cup", "done", "failed")
    assert status["state"] == "done"
    assert proxy.widths[:2] == [256, 256]
    assert proxy.widths[2] < 256
    assert proxy.requests.count(("POST", "/free")) == 2
    assert status["attempt"] == 3
    assert any("256" in text for text in status["adjusted"])
    assert status["outputs"][0]["width"] == proxy.widths[-1]


def test_a_job_that_may_not_shrink_is_tried_again_as_it_is_and_then_fails(world: World, proxy: Cramped):
    world.start()
    world.drop("text-to-video/cup.yaml", f"{JOB}shrink: false\n")
    status = world.until_state("text-to-video/cup", "failed")
    assert status["error"]["code"] == "out_of_memory"
    assert proxy.widths == [256, 256]
    world.until_returned("rejected/text-to-video/cup.yaml")


def test_at_the_end_of_the_ladder_the_job_fails_with_the_cure_and_the_next_one_renders(world: World, proxy: Cramped):
    world.start()
    world.drop("text-to-video/cup.yaml", JOB)
    status = world.until_state("text-to-video/cup", "failed")
    assert status["error"]["code"] == "out_of_memory"
    assert status["error"]["fix"]
    assert proxy.widths == sorted(proxy.widths, reverse=True)
    assert len(set(proxy.widths)) > 2
    proxy.fits = 1024
    world.drop("text-to-video/mug.yaml", JOB.replace("cup", "mug"))
    world.until_state("text-to-video/mug", "done")

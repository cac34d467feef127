"""How fast the embedded engine answers, idle and while it renders."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import requests

from bench.figures import Figure
from bench.site import ROOT, TINY, engine, wait_until
from service import config as configuration
from service.jobfile import parse
from service.library import load
from service.workflow import bind

_PAUSE_S = 0.02


def measure_engine(asks: int, posts: int) -> list[Figure]:
    """Time GET /queue of an idle and of a rendering engine, and POST /prompt of an idle one, on one kept connection."""
    with engine() as url, requests.Session() as session:
        session.trust_env = False
        posting = [_time_post(session, url, number) for number in range(-2, posts)][2:]
        idle = [_time_queue(session, url) for _ in range(asks)]
        busy: list[float] = []
        _post(session, url, _graph("steps: 60\n", posts + 2))
        while (running := _rendering(session, url)) or not busy:
            if running:
                busy.append(_time_queue(session, url))
            time.sleep(_PAUSE_S)
    return [
        Figure("engine: `GET /queue`, idle", idle, "ms"),
        Figure("engine: `GET /queue`, while it renders", busy, "ms"),
        Figure("engine: `POST /prompt`, idle", posting, "ms"),
    ]


def _graph(settings: str, seed: int) -> dict[str, Any]:
    """Return the graph that the daemon would send for such a job."""
    library = load(configuration.parse(json.dumps({"workflows_dir": str(ROOT / "workflows")}), ROOT))
    job = parse(f"prompt: a harbour at dawn\n{settings}".encode())
    workflow = library.workflows["text_to_video_basic"]
    return dict(bind(workflow, job.settings, seed, {}, f"bench/{seed}", library.defaults).graph)


def _post(session: requests.Session, url: str, prompt: dict[str, Any]) -> float:
    began_s = time.perf_counter()
    answer = session.post(f"{url}/prompt", json={"prompt": prompt, "prompt_id": str(uuid.uuid4())}, timeout=10)
    took_ms = (time.perf_counter() - began_s) * 1000
    answer.raise_for_status()
    return took_ms


def _time_post(session: requests.Session, url: str, number: int) -> float:
    took_ms = _post(session, url, _graph(TINY, number + 2))
    wait_until(lambda: not _rendering(session, url), 30, "the queue is empty")
    return took_ms


def _time_queue(session: requests.Session, url: str) -> float:
    began_s = time.perf_counter()
    session.get(f"{url}/queue", timeout=10).raise_for_status()
    return (time.perf_counter() - began_s) * 1000


def _rendering(session: requests.Session, url: str) -> bool:
    queue = session.get(f"{url}/queue", timeout=10).json()
    return bool(queue["queue_running"] or queue["queue_pending"])

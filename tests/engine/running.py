"""Start a real engine process and speak to it as a client does."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import websocket

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 20.0


@dataclass
class Engine:
    """A running engine: its URL, its base folder, its process."""

    url: str
    base: Path
    process: subprocess.Popen[str]
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        self.session.trust_env = False

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=DEADLINE_S, **more)

    def get(self, path: str) -> Any:
        return self.ask("GET", path).json()

    def post(self, graph: dict[str, Any], **more: Any) -> requests.Response:
        return self.ask("POST", "/prompt", json={"prompt": graph, **more})

    def run(self, graph: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Queue a graph and return its history entry when it has ended."""
        answer = self.post(graph, **more).json()
        return self.entry(answer["prompt_id"])

    def entry(self, prompt_id: str) -> dict[str, Any]:
        return until(lambda: self.get(f"/history/{prompt_id}").get(prompt_id))

    def upload(self, name: str, content: bytes, **form: str) -> dict[str, Any]:
        answer = self.ask("POST", "/upload/image", files={"image": (name, content)}, data=form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def is_idle(self) -> bool:
        return self.get("/prompt") == {"exec_info": {"queue_remaining": 0}}

    def listen(self, client: str | None = None, features: dict[str, Any] | None = None) -> Listener:
        return Listener(self.url, client, features)


def until(look: Callable[[], Any], deadline_s: float = DEADLINE_S) -> Any:
    """Return the first truthy answer; fail at the deadline."""
    end = time.monotonic() + deadline_s
    while not (found := look()):
        assert time.monotonic() < end, "the deadline passed"
        time.sleep(0.01)
    return found


class Listener:
    """One WebSocket; keeps every frame that came."""

    def __init__(self, url: str, client: str | None, features: dict[str, Any] | None) -> None:
        query = f"?clientId={client}" if client is not None else ""
        address = url.replace("http", "ws", 1) + "/ws" + query
        self.client = client or uuid.uuid4().hex
        self.frames: list[str | bytes] = []
        self.socket = websocket.create_connection(address, timeout=DEADLINE_S, http_no_proxy=["*"])
        if features is not None:
            self.send({"type": "feature_flags", "data": features})
        self.hear()

    def send(self, said: Any) -> None:
        self.socket.send(said if isinstance(said, str) else json.dumps(said))

    def hear(self) -> str | bytes:
        """Wait for one frame and return it."""
        frame = self.socket.recv()
        assert frame != "", "the socket closed"
        self.frames.append(frame)
        return frame

    def hear_until(self, kind: str, prompt_id: str | None = None, **wanted: Any) -> dict[str, Any]:
        """Listen until a JSON message of this type comes with these data; return its data."""
        while True:
            frame = self.hear()
            if isinstance(frame, bytes):
                continue
            said = json.loads(frame)
            data = said["data"]
            if said["type"] != kind or (prompt_id is not None and data.get("prompt_id") != prompt_id):
                continue
            if all(data.get(key) == value for key, value in wanted.items()):
                return data

    def hear_end(self, prompt_id: str) -> None:
        self.hear_until("executing", prompt_id, node=None)

    def hear_rest(self, quiet_s: float = 0.2) -> None:
        """Take what has come already, until it has been quiet for a moment."""
        self.socket.settimeout(quiet_s)
        try:
            while True:
                self.hear()
        except websocket.WebSocketTimeoutException:
            self.socket.settimeout(DEADLINE_S)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def running_engine(
    base: Path, models: Path | None = None, *more: str, module: str = "service.engine"
) -> Iterator[Engine]:
    """Start an engine on a free port; end it by closing its standard input, as its parent's death does."""
    command = [sys.executable, "-m", module, "--base", str(base), *more]
    if models is not None:
        command += ["--models", str(models)]
    base.mkdir(parents=True, exist_ok=True)
    with (base / "engine.log").open("w") as trouble:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=trouble, text=True
        )
    try:
        ready, _, _ = select.select([process.stdout], [], [], DEADLINE_S)
        line = process.stdout.readline() if ready else ""
        assert line, f"the engine said nothing: {(base / 'engine.log').read_text()}"
        engine = Engine(json.loads(line)["url"], base, process)
        yield engine
        engine.session.close()
    finally:
        process.stdin.close()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

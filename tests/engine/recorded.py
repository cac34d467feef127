"""Play recorded requests and prompts against an engine, and compare the answers with what a true server said.

What can't be equal becomes a placeholder on both sides: prompt ids that a server made, times, folders, traceback lines.
"""

from __future__ import annotations

import io
import json
import random
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.engine.running import Engine, Listener

FOLDER = Path(__file__).resolve().parents[1] / "recordings" / "comfyui-0.3.64"

_ID = re.compile(r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
_RANDOM_NAME = re.compile(r"ComfyUI_temp_[a-z]{5}_")
_FOLDERS = re.compile(r"(?:/[^\s/'\"]+)+/(?=(?:input|output|temp)\b)")

SCALE = {"image": ["1", 0], "upscale_method": "bilinear", "width": 64, "height": 64, "crop": "disabled"}
PICTURE_GRAPH: dict[str, Any] = {
    "1": {"class_type": "LoadImage", "inputs": {"image": "rec_a.png"}},
    "2": {"class_type": "ImageScale", "inputs": SCALE},
    "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "rec/img"}},
}
VIDEO_GRAPH: dict[str, Any] = {
    "1": PICTURE_GRAPH["1"],
    "2": PICTURE_GRAPH["2"],
    "3": {"class_type": "RepeatImageBatch", "inputs": {"image": ["2", 0], "amount": 12}},
    "4": {"class_type": "CreateVideo", "inputs": {"images": ["3", 0], "fps": 12.0}},
    "5": {
        "class_type": "SaveVideo",
        "inputs": {"video": ["4", 0], "filename_prefix": "rec/vid", "format": "auto", "codec": "auto"},
    },
}


def recording(name: str) -> dict[str, Any]:
    """Return a recorded JSON file."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def picture_bytes(width: int = 96, height: int = 80) -> bytes:
    """Return a PNG that looks like a picture, the same each time."""
    tones = random.Random(7).randbytes(6 * 5 * 3)
    buffer = io.BytesIO()
    Image.frombytes("RGB", (6, 5), tones).resize((width, height)).save(buffer, "PNG")
    return buffer.getvalue()


def prepare(engine: Engine) -> None:
    """Give the engine the input and output files that the recorded server had."""
    picture = picture_bytes()
    engine.upload("example.png", picture, overwrite="true")
    engine.upload("rec_a.png", picture, overwrite="true")
    engine.upload("u.png", picture, subfolder="rec_up", overwrite="true")
    engine.upload("bad.png", b"no image at all", subfolder="rec_up", overwrite="true")
    (engine.base / "output" / "rec").mkdir(exist_ok=True)
    (engine.base / "output" / "rec" / "img_00001_.png").write_bytes(picture)
    made = engine.run(VIDEO_GRAPH)["outputs"]["5"]["images"][0]
    clip = (engine.base / "output" / made["subfolder"] / made["filename"]).read_bytes()
    engine.upload("rec_clip.mp4", clip, overwrite="true")
    engine.upload("rec_clip.mp4", clip, subfolder="rec_up", overwrite="true")


def blurred(value: Any, key: str = "") -> Any:
    """Return the value with placeholders for what no two servers have in common."""
    if key in ("traceback", "timestamp", "current_outputs") or (key == "executed" and isinstance(value, list)):
        # Sets there, so their order is chance; the lines of a traceback are each program's own.
        return sorted(value) if key in ("executed", "current_outputs") else f"<{key}>"
    if key == "exception_message":
        # Its first line; the rest names the folders of that machine.
        value = value.splitlines()[0]
    if isinstance(value, dict):
        return {name: blurred(item, name) for name, item in value.items() if name not in ("tooltip", "description")}
    if isinstance(value, list):
        return [blurred(item, key) for item in value]
    if isinstance(value, str):
        if _ID.match(value):
            return "<id>"
        if value.startswith("tensor(") or "Frames" in value[:40]:
            return "<pixels>"
        return _FOLDERS.sub("<folder>/", _RANDOM_NAME.sub("ComfyUI_temp_<random>_", value))
    return value


@dataclass
class Answer:
    """What came back: the parts of it that are compared."""

    status: int
    body: Any
    headers: dict[str, str]
    magic: bytes


def play(engine: Engine, request: dict[str, Any], content: bytes | None = None) -> Answer:
    """Send one recorded request; `content` stands for bytes that the recording doesn't hold."""
    more: dict[str, Any] = {"headers": dict(request.get("headers", {}))}
    origin = more["headers"].get("Origin", "")
    more["headers"].update({"Origin": origin.replace("8188", engine.url.rsplit(":", 1)[1])} if origin else {})
    if "json" in request:
        more["json"] = request["json"]
    if "raw" in request:
        more["data"] = request["raw"].encode()
    if content is not None:
        more["data"] = content
    if "query" in request:
        more["params"] = request["query"]
    response = engine.ask(request["method"], request["path"], **more)
    return answer_of(response.status_code, response.content, dict(response.headers))


def answer_of(status: int, content: bytes, headers: dict[str, str]) -> Answer:
    kind = headers.get("Content-Type", "")
    body: Any = None
    if "json" in kind:
        body = json.loads(content)
    elif kind.startswith("text/plain") or not content:
        body = content.decode()
    return Answer(status, body, headers, content[:16])


def recorded_answer(entry: dict[str, Any]) -> Answer:
    body = entry["json"] if "json" in entry else entry.get("text")
    if body is None and not entry.get("length"):
        body = ""
    return Answer(entry["status"], body, entry.get("headers", {}), bytes.fromhex(entry.get("body_first_16_hex", "")))


def multipart(request: dict[str, Any], content: bytes) -> tuple[bytes, dict[str, str]]:
    """Return the body and the headers of a recorded upload; names are escaped as the recorder's client did."""
    boundary = "xxBOUNDxx"
    parts = []
    if "raw_multipart_disposition" in request:
        parts.append((request["raw_multipart_disposition"], content))
        form = {"subfolder": "rec_up"}
    else:
        form = dict(request["form"])
        name, filename = form.pop("file_field", None), form.pop("filename", None)
        form.pop("file_bytes", None)
        form.pop("content_type", None)
        if name is not None:
            parts.append((f'form-data; name="{name}"; filename="{quote(filename, safe="")}"', content))
    parts += [(f'form-data; name="{name}"', value.encode()) for name, value in form.items()]
    body = b"".join(
        f"--{boundary}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + value + b"\r\n"
        for disposition, value in parts
    )
    return body + f"--{boundary}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={boundary}"}


# ── prompts ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Played:
    """One prompt that was played: the answer to its POST, its history entry, and the frames that its client heard."""

    post_status: int
    answer: dict[str, Any]
    entry: dict[str, Any] = field(default_factory=dict)
    frames: list[str | bytes] = field(default_factory=list)

    @property
    def executed_messages(self) -> list[dict[str, Any]]:
        said = [json.loads(frame) for frame in self.frames if isinstance(frame, str)]
        return [message for message in said if message["type"] == "executed"]

    @property
    def message_types(self) -> list[str]:
        """The kinds of message heard, sorted; binary ones as binary:1 or binary:4."""
        kinds = {
            json.loads(frame)["type"] if isinstance(frame, str) else f"binary:{int.from_bytes(frame[:4], 'big')}"
            for frame in self.frames
        }
        return sorted(kinds)


def play_prompt(engine: Engine, graph: dict[str, Any], listener: Listener, **more: Any) -> Played:
    """Queue a graph for the listener's client and hear it to its end."""
    before = len(listener.frames)
    response = engine.post(graph, client_id=listener.client, **more)
    answer = response.json()
    played = Played(response.status_code, answer)
    if response.status_code == 200:
        listener.hear_end(answer["prompt_id"])
        played.entry = engine.entry(answer["prompt_id"])
    played.frames = listener.frames[before:]
    return played


def line_of(frame: str | bytes) -> str:
    """Return a frame as one line in which everything that must be equal is seen."""
    if isinstance(frame, bytes):
        event = int.from_bytes(frame[:4], "big")
        if event == 4:
            length = int.from_bytes(frame[4:8], "big")
            metadata = json.loads(frame[8 : 8 + length])
            return f"binary 4 {json.dumps(blurred(metadata))} {_magic(frame[8 + length :])}"
        return f"binary 1 kind {int.from_bytes(frame[4:8], 'big')} {_magic(frame[8:])}"
    return _line_of_text(json.loads(frame))


def _line_of_text(said: dict[str, Any]) -> str:
    kind, data = said["type"], said["data"]
    if kind == "progress_state":
        nodes = [f"{name}:{node['value']}/{node['max']}:{node['state']}" for name, node in data["nodes"].items()]
        keys = sorted({key for node in data["nodes"].values() for key in node} | set(data))
        return f"progress_state {' '.join(nodes)} {keys}"
    return f"{kind} {json.dumps(blurred(data), sort_keys=True)}"


def _magic(picture: bytes) -> str:
    return {b"\xff\xd8": "jpeg", b"\x89P": "png"}.get(picture[:2], "?")


def recorded_trace(name: str) -> list[tuple[str, str]]:
    """Return a recorded trace as ("heard", line) of server frames and ("mark", label) of what the recorder did."""
    rows = []
    for text in (FOLDER / f"{name}.jsonl").read_text().splitlines()[1:]:
        event = json.loads(text)
        if "mark" in event:
            rows.append(("mark", event.get("label") or event["mark"]))
        elif event.get("dir") == "client->server":
            rows.append(("sent", event.get("text", "")))
        elif event.get("binary"):
            picture = event["payload_magic"]
            if event["event_type"] == 4:
                rows.append(("heard", f"binary 4 {json.dumps(blurred(event['metadata']))} {picture}"))
            else:
                rows.append(("heard", f"binary 1 kind {event['image_type']} {picture}"))
        else:
            rows.append(("heard", _line_of_text(json.loads(event["text"]))))
    return rows


def heard_for(trace: list[tuple[str, str]], label: str) -> list[str]:
    """Return what was heard from one labelled prompt on, up to its executing {node: null}."""
    start = trace.index(("mark", label))
    lines: list[str] = []
    for kind, line in trace[start:]:
        if kind == "heard":
            lines.append(line)
            if line.startswith("executing") and '"node": null' in line:
                return lines
    return lines


def without_steps(lines: list[str]) -> list[str]:
    """Leave out how far a node's steps got: progress, previews, and the progress states between start and end.

    Files are numbered by what lies there already, so the numbers become placeholders too.
    """
    kept = []
    for line in lines:
        if line.startswith(("progress {", "binary ")):
            continue
        if line.startswith("progress_state") and re.search(r":[1-9]\d*/\d+:running", line):
            continue
        kept.append(re.sub(r"_\d{5}_", "_<count>_", re.sub(r":(\d+)/\1:finished", ":all:finished", line)))
    return kept


def runs_of(lines: list[str]) -> list[list[str]]:
    """Split what one client heard into its prompts, from execution_start to executing {node: null}; no status."""
    runs: list[list[str]] = []
    for line in lines:
        if line.startswith("execution_start"):
            runs.append([])
        if runs and not line.startswith("status"):
            runs[-1].append(line)
    return runs


def classes_of(graph: dict[str, Any]) -> set[str]:
    """Return the class names of a graph."""
    return {node["class_type"] for node in graph.values() if isinstance(node, dict) and "class_type" in node}

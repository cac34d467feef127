"""Each recorded request gets the recorded answer; what is left out stands in EXCUSED with its reason."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engine.recorded import (
    PICTURE_GRAPH,
    Answer,
    answer_of,
    blurred,
    multipart,
    picture_bytes,
    play,
    prepare,
    recorded_answer,
    recording,
)
from tests.engine.running import Engine, running_engine, until

_FRONT_END = "serves the browser front end, which the engine hasn't"
_FOLDERS_OF_MODELS = "the engine has no model files, so it has no folders of them to tell about"

#: Recording, label: why the engine answers otherwise or not at all.
EXCUSED: dict[str, dict[str, str]] = {
    "uploads": {
        "_note": "a remark of the recorder, no request",
    },
    "endpoints": {
        "/extensions": _FRONT_END,
        "/users": _FRONT_END,
        "/settings": _FRONT_END,
        "/workflow_templates": _FRONT_END,
        "/i18n": _FRONT_END,
        "/internal/folder_paths": _FRONT_END,
        "/internal/files/output": _FRONT_END,
        "/internal/files/nosuch": _FRONT_END,
        "/view_metadata/checkpoints?filename=random_sd15_tiny.safetensors": _FOLDERS_OF_MODELS,
        "/experiment/models": _FOLDERS_OF_MODELS,
    },
    "view": {},
    "prompt_post": {
        "extra_data null": "wedges the true server's worker for good; 400 here",
        "extra_data null with client_id": "a 500 there; the engine refuses extra_data null in words",
        "GET /prompt 3 s after all of these": "counts the prompt that wedged the true server; none hangs here",
    },
}

#: Labels of which only the status is compared, and why.
STATUS_ONLY = {
    "/nosuchendpoint": "there the file server of the browser front end says 404",
    "/vhs/nosuch": "there the file server of the browser front end says 404",
}

#: Labels whose values are the machine's own: the keys and types are compared.
SHAPE_ONLY = {"/system_stats", "/api/system_stats"}

FILES = {name: recording(name) for name in EXCUSED}
COMPARED = [(name, label) for name, entries in FILES.items() for label in entries if label not in EXCUSED[name]]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory, models_file: Path) -> Iterator[Engine]:
    """An engine with the two pictures that the recorded server had before the first upload."""
    base = tmp_path_factory.mktemp("fresh")
    (base / "input").mkdir()
    for name in ("example.png", "rec_a.png"):
        (base / "input" / name).write_bytes(picture_bytes())
    with running_engine(base, models_file) as engine:
        yield engine


@pytest.fixture(scope="module")
def answers(fresh: Engine) -> dict[tuple[str, str], Answer]:
    """All answers, asked in the recorded order: uploads rename by what is there, and prompts count up."""
    found: dict[tuple[str, str], Answer] = {}
    for label, entry in FILES["uploads"].items():
        if label not in EXCUSED["uploads"]:
            found["uploads", label] = _play_upload(fresh, entry["request"])
    prepare(fresh)
    for label, entry in FILES["endpoints"].items():
        raw = ast.literal_eval(label.split(" raw ")[1]).encode() if " raw " in label else None
        found["endpoints", label] = play(fresh, entry["request"], raw)
    for label, entry in FILES["view"].items():
        found["view", label] = play(fresh, _with_present_marks(fresh, entry["request"]))
    while fresh.post(PICTURE_GRAPH).json()["number"] < 4:
        continue
    for label, entry in FILES["prompt_post"].items():
        found["prompt_post", label] = play(fresh, entry["request"])
    return found


def _play_upload(engine: Engine, request: dict[str, Any]) -> Answer:
    if "form" not in request and "raw_multipart_disposition" not in request:
        return play(engine, request)
    length = request.get("form", {}).get("file_bytes", 93)
    content = (b"\x89PNG\r\n\x1a\n" + bytes(range(200)))[:length].ljust(length, b"\0")
    body, headers = multipart(request, content)
    response = engine.ask("POST", request["path"], data=body, headers=headers)
    return answer_of(response.status_code, response.content, dict(response.headers))


def _with_present_marks(engine: Engine, request: dict[str, Any]) -> dict[str, Any]:
    """Return the request with the file's own ETag and time in place of the recorded ones."""
    headers = dict(request.get("headers", {}))
    for ours, theirs in (("If-None-Match", "ETag"), ("If-Modified-Since", "Last-Modified")):
        if ours in headers:
            headers[ours] = engine.ask("HEAD", "/view", params=request["query"]).headers[theirs]
    return {**request, "headers": headers}


@pytest.mark.parametrize(("name", "label"), COMPARED)
def test_a_recorded_request_gets_the_recorded_answer(
    answers: dict[tuple[str, str], Answer], name: str, label: str
) -> None:
    answer, recorded = answers[name, label], recorded_answer(FILES[name][label])
    assert answer.status == recorded.status
    if label in STATUS_ONLY:
        return
    if label in SHAPE_ONLY:
        assert _shape(recorded.body).items() <= _shape(answer.body).items()
    elif label.startswith("/history?max_items=1"):
        assert _keys_of_entry(answer.body) == _keys_of_entry(recorded.body)
    elif recorded.body is not None:
        assert blurred(answer.body) == blurred(recorded.body)
    assert _told_headers(answer) == _told_headers(recorded)
    if recorded.magic and answer.headers["Content-Type"].startswith("image/"):
        assert answer.magic[:4] == recorded.magic[:4]


def _shape(body: Any, path: str = "") -> dict[str, str]:
    if isinstance(body, dict):
        return {key: kind for name, value in body.items() for key, kind in _shape(value, f"{path}.{name}").items()}
    if isinstance(body, list) and body and isinstance(body[0], dict):
        return _shape(body[0], path + "[]")
    return {path: type(body).__name__}


def _keys_of_entry(history: dict[str, Any]) -> tuple[list[str], list[str], int]:
    (entry,) = history.values()
    return list(entry), list(entry["status"]), len(entry["prompt"])


def _told_headers(answer: Answer) -> dict[str, str]:
    """Return the headers that a client reads; sizes and marks of files are each server's own."""
    told = {
        key: value
        for key, value in answer.headers.items()
        if key in ("Content-Type", "Content-Disposition", "Accept-Ranges", "Content-Range")
    }
    told |= {key: "<its own>" for key in ("Last-Modified",) if key in answer.headers}
    if "Content-Range" in told:
        told["Content-Range"] = re.sub(r"\d{4,}", "<size>", told["Content-Range"])
    return told


@pytest.mark.parametrize("name", EXCUSED)
def test_every_label_is_compared_or_excused_with_a_reason(name: str) -> None:
    assert set(EXCUSED[name]) <= set(FILES[name])
    assert all(EXCUSED[name].values())
    assert {label for file, label in COMPARED if file == name} | set(EXCUSED[name]) == set(FILES[name])


def test_a_range_is_exactly_the_bytes_asked_for(fresh: Engine, answers: dict[tuple[str, str], Answer]) -> None:
    assert answers
    query = {"filename": "vid_00001_.mp4", "subfolder": "rec", "type": "output"}
    whole = (fresh.base / "output" / "rec" / "vid_00001_.mp4").read_bytes()
    for wish, part in (("0-99", whole[:100]), ("500-", whole[500:]), ("-50", whole[-50:])):
        answer = fresh.ask("GET", "/view", params=query, headers={"Range": f"bytes={wish}"})
        assert (answer.status_code, answer.content) == (206, part)


def test_the_prompts_ran_as_recorded(fresh: Engine, answers: dict[tuple[str, str], Answer]) -> None:
    assert answers
    until(fresh.is_idle)
    rows = {
        row["number"]: row for row in recording("prompt_post_history_after")["rows"] if row["number"] not in range(5)
    }
    history = {entry["prompt"][0]: entry for entry in fresh.get("/history").values()}
    for number, row in rows.items():
        entry = history[number]
        assert blurred(entry["prompt"][3]) == blurred(row["extra_data"])
        assert entry["prompt"][4] == row["outputs_to_execute"]
        assert entry["status"]["status_str"] == row["status_str"]
        assert entry["status"]["messages"][-1][0] == row["last_message"][0]
        assert blurred(entry["outputs"]) == blurred(row["outputs"])
    # An id that was sent twice has one entry, the last.
    assert 7 not in {entry["prompt"][0] for entry in history.values() if entry["prompt"][1].startswith("11111111")}

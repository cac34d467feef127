"""The requests door: what a command asks is carried out once and answered, and old requests never are."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from service.errors import Problem, Rejected, Unavailable
from service.requests import Request, Requests


class Daemon:
    """Answers requests in a thread of its own until it is left."""

    def __init__(self, folder: Path, verbs: dict) -> None:
        self.seen: list[Request] = []
        self._requests = Requests(folder)
        self._verbs = {name: self._noting(verb) for name, verb in verbs.items()}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _noting(self, verb):
        def note(request: Request) -> str:
            self.seen.append(request)
            return verb(request)

        return note

    def _run(self) -> None:
        while not self._over.wait(0.01):
            self._requests.answer_all(self._verbs)

    def __enter__(self) -> Daemon:
        self._thread.start()
        return self

    def __exit__(self, *_trouble: object) -> None:
        self._over.set()
        self._thread.join()


def refuse(request: Request) -> str:
    raise Rejected(Problem("not_found", f"There is no {request.target}.", "Look."), Problem("also", "More.", "Cure."))


def test_what_is_asked_is_done_once_and_answered_and_nothing_stays(tmp_path: Path):
    folder = tmp_path / "requests"
    with Daemon(folder, {"cancel": lambda request: f"{request.target} of {request.task}: cancelled."}) as daemon:
        assert Requests(folder).ask("cancel", "Käse\n", "text-to-video") == "Käse\n of text-to-video: cancelled."
        assert [(each.verb, each.target) for each in daemon.seen] == [("cancel", "Käse\n")]
    assert list(folder.iterdir()) == []


def test_every_reason_comes_back_to_whoever_asked(tmp_path: Path):
    with Daemon(tmp_path, {"cancel": refuse}), pytest.raises(Rejected) as rejected:
        Requests(tmp_path).ask("cancel", "cup")
    assert [problem.code for problem in rejected.value.problems] == ["not_found", "also"]


@pytest.mark.parametrize("fault", [KeyError("x"), Unavailable("away", "It is away.", "Wait.")])
def test_a_fault_is_an_answer_too_and_the_next_request_is_answered(tmp_path: Path, fault: Exception):
    def fall(_request: Request) -> str:
        raise fault

    with Daemon(tmp_path, {"cancel": fall, "retry": lambda _: "done"}):
        with pytest.raises(Rejected):
            Requests(tmp_path).ask("cancel", "cup")
        with pytest.raises(Rejected, match="can't dance"):
            Requests(tmp_path).ask("dance", "cup")
        assert Requests(tmp_path).ask("retry", "cup") == "done"


def test_whoever_gets_no_answer_takes_the_request_back(tmp_path: Path):
    with pytest.raises(Unavailable, match="has not answered within"):
        Requests(tmp_path).ask("cancel", "cup", wait_s=0.2)
    assert list(tmp_path.iterdir()) == []


def test_an_old_request_is_dropped_and_an_old_answer_removed(tmp_path: Path):
    old_s = time.time() - 3600
    for name in ("a.json", "b.answer.json"):
        (tmp_path / name).write_text(json.dumps({"verb": "cancel", "target": "cup"}))
        os.utime(tmp_path / name, (old_s, old_s))
    done: list[Request] = []
    assert Requests(tmp_path).answer_all({"cancel": lambda request: done.append(request) or ""}) == 0
    assert done == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"verb": "cancel"}', b"\xff"])
def test_what_is_no_request_is_taken_away(tmp_path: Path, content: bytes):
    (tmp_path / "a.json").write_bytes(content)
    assert Requests(tmp_path).answer_all({}) == 0
    assert list(tmp_path.iterdir()) == []


def test_no_folder_is_no_request(tmp_path: Path):
    assert Requests(tmp_path / "none").answer_all({}) == 0

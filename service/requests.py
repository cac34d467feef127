"""The requests door: commands leave what they ask in a folder of the state folder, the daemon answers beside it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from service.disk import Disk
from service.errors import Problem, Rejected, Unavailable

LOG = logging.getLogger(__name__)
ANSWER_S = 10.0
_POLL_S = 0.05
#: Whoever asked has given up by then: an old request is never carried out, an old answer is nobody's.
_STALE_S = 60.0
_ANSWER = ".answer.json"


@dataclass(frozen=True)
class Request:
    """What one command asks: a verb such as cancel, what it is about, and the task that it is limited to."""

    id: str
    verb: str
    target: str
    task: str | None = None
    #: What else somebody says with it, such as who asks and why.
    more: Mapping[str, str] = field(default_factory=dict)


class Requests:
    """One folder, var/requests; each request and each answer appears there whole."""

    def __init__(self, folder: Path, *, now: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._now = now
        self._disk = Disk()

    # the command's side ----------------------------------------------------------------------------------------------

    def ask(
        self,
        verb: str,
        target: str,
        task: str | None = None,
        *,
        wait_s: float = ANSWER_S,
        more: Mapping[str, str] | None = None,
    ) -> str:
        """
        Leave a request, wait for its answer and return what was done.

        Raises Rejected with what is wrong with the request, Unavailable where no daemon answers within `wait_s`.
        """
        request_id = uuid4().hex
        path, answer = self._folder / f"{request_id}.json", self._folder / f"{request_id}{_ANSWER}"
        self._disk.make_folders(self._folder)
        asked = {"verb": verb, "target": target, "task": task, "more": dict(more or {})}
        self._disk.write(path, json.dumps(asked).encode())
        try:
            end_s = time.monotonic() + wait_s
            while time.monotonic() < end_s:
                if answer.exists():
                    return _said(json.loads(answer.read_bytes()))
                time.sleep(_POLL_S)
        finally:
            path.unlink(missing_ok=True)
            answer.unlink(missing_ok=True)
        title = f"The daemon has not answered within {wait_s:g} seconds."
        fix = "It may have done what was asked all the same: `reeldrop status` shows it. If not, look into its log."
        raise Unavailable("no_answer", title, fix)

    # the daemon's side -----------------------------------------------------------------------------------------------

    def answer_all(self, verbs: Mapping[str, Callable[[Request], str]]) -> int:
        """Carry out every request that lies there, each once, and answer it; return how many there were."""
        found = 0
        for path in self._lying():
            request = self._take(path)
            if request is not None:
                found += 1
                self._answer(request, verbs)
        return found

    def _lying(self) -> list[Path]:
        try:
            entries = [path for path in self._folder.iterdir() if path.suffix == ".json" and path.name[0] != "."]
        except FileNotFoundError:
            return []
        for path in entries:
            if path.name.endswith(_ANSWER) and self._age_s(path) > _STALE_S:
                path.unlink(missing_ok=True)
        return sorted(path for path in entries if not path.name.endswith(_ANSWER))

    def _age_s(self, path: Path) -> float:
        with suppress(OSError):
            return self._now() - path.stat().st_mtime
        return 0.0

    def _take(self, path: Path) -> Request | None:
        """Return a request and take its file away, so that it is never carried out twice."""
        try:
            stale = self._age_s(path) > _STALE_S
            content = json.loads(path.read_bytes())
            path.unlink()
            if stale:
                LOG.info("an old request to %s was dropped: whoever asked has gone", content.get("verb"))
                return None
            more = {str(name): str(said) for name, said in (content.get("more") or {}).items()}
            return Request(
                path.name.removesuffix(".json"), content["verb"], content["target"], content.get("task"), more
            )
        except FileNotFoundError:
            return None
        except (ValueError, LookupError, TypeError, AttributeError) as trouble:
            LOG.warning("%s is no request: %s", path.name, trouble)
            path.unlink(missing_ok=True)
            return None

    def _answer(self, request: Request, verbs: Mapping[str, Callable[[Request], str]]) -> None:
        try:
            if request.verb not in verbs:
                fix = "Restart the daemon, so that it is of the same version as the command."
                raise Rejected(Problem("unknown_verb", f"The running daemon can't {request.verb}.", fix))
            answer: dict[str, Any] = {"said": verbs[request.verb](request)}
        except Rejected as rejected:
            answer = {"problems": [problem.as_json() for problem in rejected.problems]}
        except Unavailable as away:
            answer = {"problems": [Problem(away.code, away.title, away.fix).as_json()]}
        except Exception:  # a fault of ours is told to whoever asked, and never fells the daemon
            LOG.exception("a fault in Reeldrop while it was asked to %s %s", request.verb, request.target)
            fix = "Look into the daemon's log, and report it."
            answer = {"problems": [Problem("internal", "Reeldrop made a mistake of its own.", fix).as_json()]}
        self._disk.write(self._folder / f"{request.id}{_ANSWER}", json.dumps(answer).encode())


def _said(answer: Mapping[str, Any]) -> str:
    if "problems" in answer:
        raise Rejected(*(Problem(**problem) for problem in answer["problems"]))
    return str(answer["said"])

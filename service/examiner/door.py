"""The daemon's side of an examiner: one child process, one request at a time, a deadline on each."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from service.errors import Failed, Problem, Rejected, Unavailable
from service.examiner import child
from service.examiner.classifier import Classifier, OpenNsfw
from service.examiner.deadlines import Deadlines
from service.job import Expected, MediaFacts, MediaKind, Screening
from service.media import trouble
from service.media.limits import MAX_SECONDS

_log = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_SEND_S = 5


@dataclass(frozen=True)
class Inspection:
    """A result as it was verified and screened; `pictures` is the digest of what was looked at."""

    facts: MediaFacts
    warnings: tuple[str, ...]
    screening: Screening
    pictures: str


class Examiner:
    """Decodes and screens files in a child process, so that no crafted file can fell the daemon.

    All methods may be called from any thread; one file is examined at a time. A child that dies or overruns its
    deadline is killed and started again, and the file is judged for it: `Rejected` for what users drop, `Failed` with
    `results=True`, for what servers return. `Unavailable` says nothing about the file.
    """

    def __init__(
        self,
        name: str,
        classifier: Callable[[], Classifier] = OpenNsfw,
        *,
        temporary: Path,
        results: bool = False,
        deadlines: Deadlines | None = None,
    ) -> None:
        self.name = name
        self._classifier = classifier
        self._temporary = temporary
        self._results = results
        self._deadlines = deadlines or Deadlines()
        self._turn = threading.Lock()
        self._stopped = threading.Event()
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._greeted = False
        #: This child has made its classifier; it keeps it for life.
        self._screens = False

    def start(self) -> None:
        """Start the child and return at once; it loads its decoders meanwhile."""
        with self._turn:
            self._stopped.clear()
            self._spawn()

    def stop(self) -> None:
        """End the child at once; requests under way raise Unavailable."""
        self._stopped.set()
        process = self._process
        if process is not None:
            with suppress(ValueError):  # its own thread closed it a moment ago
                process.kill()
        with self._turn:
            self._discard()

    def ready(self) -> None:
        """Return when the child can decode and screen; raises Unavailable with the cure if it can't.

        A child that could once is not asked again, so this costs nothing while files are being examined.
        """
        if self._stopped.is_set():
            raise _stopping()
        if self._screens:
            return
        try:
            self._ask("ready", self._deadlines.start_s, "", turn_s=self._deadlines.start_s)
        except (Failed, Rejected) as trouble:
            # Nothing was examined, so nothing is to blame but the screen itself.
            title = "The nudity screen doesn't start."
            raise Unavailable("screening_missing", title, "See the log; make setup installs it again.") from trouble
        self._screens = True

    def probe(self, path: Path) -> MediaFacts:
        """Say what a file is; raises Rejected for one that is broken, cut off, mislabelled or too large."""
        answer, _ = self._ask("probe", self._deadlines.probe_s, trouble.name_of(path), path=str(path))
        return _facts(answer)

    def screen(self, path: Path, facts: MediaFacts) -> Screening:
        """Return the nudity screen's answer; raises Rejected if the file can't be looked at, Unavailable if we can't.

        `frame` of the answer is the number of the frame with the highest score, counted from 0.
        """
        deadline_s = self._long_s(facts.seconds)
        answer, _ = self._ask("screen", deadline_s, trouble.name_of(path), path=str(path))
        return Screening(**answer)

    def prepare(self, path: Path, target: Path) -> tuple[MediaFacts, list[str]]:
        """Write a picture's first frame to `target`, whole or not at all: upright 8-bit RGB PNG without metadata.

        Returns what was written and a line for each thing that was left out.
        """
        name = trouble.name_of(path)
        answer, _ = self._ask("prepare", self._deadlines.screen_s, name, path=str(path), target=str(target))
        return _facts(answer[0]), list(answer[1])

    def prepare_video(
        self, path: Path, target: Path, facts: MediaFacts, large_bytes: int
    ) -> tuple[MediaFacts, list[str], bool]:
        """Write a video or animation to `target` as an MP4 that every loader reads: upright, at a constant rate.

        Returns what it is, a line for each change, and whether it was written: one of more than `large_bytes` that
        needs no change is used where it lies.
        """
        seconds = facts.seconds or 0
        deadline_s = min(self._deadlines.video_s + seconds * self._deadlines.video_s_for_s, self._deadlines.longest_s)
        name = trouble.name_of(path)
        answer, _ = self._ask(
            "prepare_video", deadline_s, name, path=str(path), target=str(target), large_bytes=large_bytes
        )
        return _facts(answer[0]), list(answer[1]), bool(answer[2])

    def tags(self, path: Path) -> dict[str, str]:
        """Return what a video's container says about it, at most a megabyte; raises Rejected for what is no video."""
        answer, _ = self._ask("tags", self._deadlines.probe_s, trouble.name_of(path), path=str(path))
        return dict(answer)

    def verify(self, path: Path, expected: Expected, pictures: str = "") -> tuple[MediaFacts, list[str]]:
        """Decode a result to its end: what it is, and warnings; raises Failed if it isn't what was asked for.

        One whose pictures have the digest of an inspected one is not decoded again.
        """
        (facts, warnings), _ = self._ask_of_result("verify", path, expected, pictures=pictures)
        return _facts(facts), list(warnings)

    def inspect(self, path: Path, expected: Expected) -> Inspection:
        """Verify and screen a result, decoding it once for both; raises what verify and screen raise."""
        (facts, warnings, screening, pictures), _ = self._ask_of_result("inspect", path, expected)
        return Inspection(_facts(facts), tuple(warnings), Screening(**screening), str(pictures))

    def remux(self, path: Path, target: Path, tags: Mapping[str, str], inspected: Inspection) -> MediaFacts | None:
        """Write an inspected result's very tracks to `target`, an MP4 with these tags alone, and check it.

        Returns what was written, whole or not at all; None where that has to be done otherwise.
        """
        more: dict[str, Any] = {"target": str(target), "tags": dict(tags), "pictures": inspected.pictures}
        deadline_s = self._long_s(inspected.facts.seconds)
        answer, _ = self._ask("remux", deadline_s, trouble.name_of(path), path=str(path), **more)
        return None if answer is None else _facts(answer)

    def _ask_of_result(self, operation: str, path: Path, expected: Expected, **more: Any) -> tuple[Any, bytes]:
        name = trouble.name_of(path)
        try:
            # What is longer than was asked for is refused before it is decoded.
            known = expected.frames is not None and expected.fps
            deadline_s = self._long_s(_seconds(expected) if known else self.probe(path).seconds)
            return self._ask(operation, deadline_s, name, path=str(path), expected=asdict(expected), **more)
        except Rejected as refusal:
            raise _failed(refusal.problems[0]) from refusal

    def preview(self, data: bytes) -> tuple[bytes, Screening]:
        """Return a server's preview as a clean JPEG of at most 512 pixels, with its score.

        Raises Rejected, for results too, if it can't be shown: then it is left out and the result decides. Raises
        Unavailable when another file is being examined.
        """
        turn_s = self._deadlines.preview_turn_s
        try:
            answer, jpeg = self._ask("preview", self._deadlines.preview_s, "The preview", data, turn_s=turn_s)
        except Failed as failure:
            raise Rejected(failure.problem) from failure
        return jpeg, Screening(**answer)

    def _long_s(self, seconds: float | None) -> float:
        return self._deadlines.screen_s + (seconds or 0) / self._deadlines.video_s_per_s

    def _ask(
        self,
        operation: str,
        deadline_s: float,
        name: str,
        payload: bytes = b"",
        *,
        turn_s: float | None = None,
        **arguments: Any,
    ) -> tuple[Any, bytes]:
        # Whoever has the turn ends within a deadline of its own, the longest clip's included.
        longest_s = self._deadlines.screen_s + MAX_SECONDS / self._deadlines.video_s_per_s
        if not self._turn.acquire(timeout=turn_s if turn_s is not None else longest_s):
            raise Unavailable("examiner_busy", "Another file is being examined.", "It goes on by itself.")
        try:
            request = {"operation": operation, "deadline_s": deadline_s, "arguments": arguments}
            answer, extra = self._exchange(request, payload, name)
        finally:
            self._turn.release()
        return self._judge(answer, name), extra

    def _exchange(self, request: dict[str, Any], payload: bytes, name: str) -> tuple[dict[str, Any], bytes]:
        try:
            pipe = self._hand_over(json.dumps({**request, "payload": bool(payload)}).encode())
            until = time.monotonic() + request["deadline_s"]
            if payload:
                pipe.send_bytes(payload)
            return _receive(pipe, until)
        except TimeoutError as error:
            self._restart()
            raise self._verdict(trouble.too_slow(name, request["deadline_s"])) from error
        except (EOFError, OSError, ValueError) as error:
            raise self._death(name) from error

    def _hand_over(self, document: bytes) -> Connection:
        """Give the request to a living child; one that died idle, before it knew of this file, is replaced once."""
        pipe = self._greet()
        try:
            pipe.send_bytes(document)
        except OSError:
            self._discard()
            pipe = self._greet()
            pipe.send_bytes(document)
        return pipe

    def _death(self, name: str) -> Exception:
        """Say whose fault it was that the child is gone: whoever stopped us sends SIGTERM, decoders never do."""
        code = self._process_code()
        self._restart()
        if self._stopped.is_set() or code == -signal.SIGTERM:
            return _stopping()
        _log.warning("examiner %s: the child ended with %s over %s", self.name, code, name)
        return self._verdict(trouble.crashed(name))

    def _judge(self, answer: dict[str, Any], name: str) -> Any:
        match answer:
            case {"value": value}:
                return value
            case {"rejected": [*problems]}:
                raise self._verdict(Rejected(*(Problem(**problem) for problem in problems)))
            case {"failed": problem}:
                raise Failed(Problem(**problem))
            case {"unavailable": [code, title, fix]}:
                raise Unavailable(code, title, fix)
            case {"heavy": _}:
                raise self._verdict(trouble.too_heavy(name))
            case _:
                _log.warning("examiner %s: %s can't be decoded\n%s", self.name, name, answer.get("broken", answer))
                raise self._verdict(trouble.unreadable(name))

    def _verdict(self, refusal: Rejected) -> Exception:
        return _failed(refusal.problems[0]) if self._results else refusal

    def _greet(self) -> Connection:
        """Return the pipe of a child that has loaded its decoders, starting one if there is none."""
        if self._stopped.is_set():
            raise _stopping()
        if self._process is None or not self._process.is_alive():
            self._spawn()
        pipe = self._pipe
        assert pipe is not None, "a child has a pipe"
        if not self._greeted:
            try:
                _receive(pipe, time.monotonic() + self._deadlines.start_s)
            except (TimeoutError, EOFError, OSError, ValueError) as error:
                self._discard()
                if self._stopped.is_set():
                    raise _stopping() from error
                raise Unavailable(
                    "examiner_unavailable",
                    "The process that examines files doesn't start.",
                    "See the log; the decoders may be missing (make setup) or the machine may be out of memory.",
                ) from error
            self._greeted = True
        return pipe

    def _restart(self) -> None:
        self._discard()
        if not self._stopped.is_set():
            self._spawn()

    def _spawn(self) -> None:
        self._discard()
        self._temporary.mkdir(parents=True, exist_ok=True)
        ours, theirs = _SPAWN.Pipe()
        with socket.socket(fileno=os.dup(ours.fileno())) as line:
            # A large preview for a child that was stopped must not hold its thread for ever.
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", _SEND_S, 0))
        process = _SPAWN.Process(
            target=child.serve,
            args=(theirs, self._classifier, str(self._temporary)),
            name=f"examiner-{self.name}",
            daemon=True,
        )
        # The child inherits this mask: Ctrl-C can't hit it before it has said that it ignores it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self._process, self._pipe, self._greeted = process, ours, False

    def _process_code(self) -> int | None:
        if self._process is None:
            return None
        self._process.join(5)
        return self._process.exitcode

    def _discard(self) -> None:
        self._screens = False
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.kill()
            process.join(5)
            with suppress(ValueError):  # still not gone, as in a hung share: the kernel ends it when it can
                process.close()


def _receive(pipe: Connection, until: float) -> tuple[dict[str, Any], bytes]:
    document = json.loads(_bytes(pipe, until))
    if not isinstance(document, dict):
        raise ValueError("the child answered nonsense")
    return document, _bytes(pipe, until) if document.get("payload") else b""


def _bytes(pipe: Connection, until: float) -> bytes:
    if not pipe.poll(max(0.0, until - time.monotonic())):
        raise TimeoutError
    return pipe.recv_bytes(_MAX_ANSWER_BYTES)


def _seconds(expected: Expected) -> float:
    return (expected.frames or 0) / expected.fps if expected.fps else 0.0


def _facts(answer: dict[str, Any]) -> MediaFacts:
    found = MediaFacts(**answer)
    return replace(found, kind=MediaKind(found.kind))


def _failed(problem: Problem) -> Failed:
    fix = "Retry the job; if it comes out the same way, look at the server's log."
    return Failed(replace(problem, code="result_broken", fix=fix))


def _stopping() -> Unavailable:
    return Unavailable("examiner_stopped", "The service is stopping.", "It goes on after the next start.")

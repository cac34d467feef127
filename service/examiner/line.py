"""One child process that decodes: started, asked one thing at a time, each with a deadline, judged and replaced."""

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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, ClassVar

from service.errors import Failed, Problem, Rejected, Unavailable
from service.examiner import child
from service.examiner.classifier import Classifier, OpenNsfw
from service.examiner.deadlines import Deadlines
from service.media import trouble
from service.media.limits import MAX_SECONDS

_log = logging.getLogger(__name__)
_SPAWN = multiprocessing.get_context("spawn")
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
_SEND_S = 5


class Line:
    """The line to one child; may be used from any thread, and one request is under way at a time.

    A child that dies or overruns its deadline is killed and started again, and the file that it had is judged for it:
    `Rejected`, or `Failed` with `results=True`. `Unavailable` says nothing about the file.
    """

    #: The module whose `Operations` answer in the child.
    operations: ClassVar[str] = "service.examiner.operations"

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
            return stopping()
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
        return failed(refusal.problems[0]) if self._results else refusal

    def _greet(self) -> Connection:
        """Return the pipe of a child that has loaded its decoders, starting one if there is none."""
        if self._stopped.is_set():
            raise stopping()
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
                    raise stopping() from error
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
            args=(theirs, self._classifier, str(self._temporary), self.operations),
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


def failed(problem: Problem) -> Failed:
    """Turn what is wrong with a file into the failure of the render that made it."""
    fix = "Retry the job; if it comes out the same way, look at the server's log."
    return Failed(replace(problem, code="result_broken", fix=fix))


def stopping() -> Unavailable:
    """Return what anybody is told who asks a line that was stopped."""
    return Unavailable("examiner_stopped", "The service is stopping.", "It goes on after the next start.")

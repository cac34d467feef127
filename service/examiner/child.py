"""The examiner's child process: limits itself, then answers one request after another until the pipe closes.

Nothing heavy may be imported above `serve`'s body: the limits and thread counts must stand before any decoder loads.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import resource
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict
from multiprocessing import connection, parent_process
from typing import TYPE_CHECKING, Any

from service.errors import Failed, Rejected, Unavailable

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from service.examiner.classifier import Classifier

#: Decoders and classifier map 0.5 GB; a picture of 120 million pixels takes up to 1.5 GB more to turn and blend.
MEMORY_BYTES = 4 * 1024**3
#: After this long beyond its deadline a request ends the process by itself, even if nobody is left to kill it.
_GRACE_S = 2.0
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.EROFS}

Answer = tuple[dict[str, Any], bytes]


def serve(pipe: Connection, classifier: Callable[[], Classifier], temporary: str, module: str) -> None:
    """Say hello when all decoders are loaded, then answer requests; returns when the other end is closed."""
    _limit(temporary)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    # This loads the decoders, or whatever else the module works with.
    operations = importlib.import_module(module).Operations(classifier)
    with contextlib.suppress(EOFError, OSError):
        _send(pipe, ({"hello": os.getpid()}, b""))
        while True:
            request = json.loads(pipe.recv_bytes())
            payload = pipe.recv_bytes() if request["payload"] else b""
            signal.setitimer(signal.ITIMER_REAL, request["deadline_s"] + _GRACE_S)
            answer = _answer(operations, request, payload)
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(pipe, answer)


def _limit(temporary: str) -> None:
    # Ctrl-C goes to the whole process group; the daemon decides when this process ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    with contextlib.suppress(ValueError, OSError):  # macOS knows the limit and refuses to set it
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    tempfile.tempdir = temporary
    os.environ["TMPDIR"] = temporary


def _leave_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(0)


def _send(pipe: Connection, answer: Answer) -> None:
    # JSON, not pickle: whatever takes over a decoder must not be able to run code in the daemon.
    document, payload = answer
    pipe.send_bytes(json.dumps({**document, "payload": bool(payload)}).encode())
    if payload:
        pipe.send_bytes(payload)


def _answer(operations: Any, request: Mapping[str, Any], payload: bytes) -> Answer:
    """Run one operation; every way in which it can end has its own key in the answer."""
    try:
        value, extra = getattr(operations, request["operation"])(payload=payload, **request["arguments"])
    except Exception as error:  # noqa: BLE001, decoders raise anything at all over a hostile file
        return _ending(error), b""
    return {"value": value}, extra


def _ending(error: Exception) -> dict[str, Any]:
    ending: dict[str, Any]
    match error:
        case Rejected():
            ending = {"rejected": [asdict(problem) for problem in error.problems]}
        case Failed():
            ending = {"failed": asdict(error.problem)}
        case Unavailable():
            ending = {"unavailable": [error.code, error.title, error.fix]}
        case MemoryError():
            ending = {"heavy": True}
        case OSError(errno=number) if number in _STORAGE:
            ending = {"unavailable": _storage_trouble(error)}
        case _:
            ending = {"broken": "".join(traceback.format_exception(error))}
    return ending


def _storage_trouble(error: OSError) -> list[str]:
    reason = error.strerror or "input/output error"
    return ["storage", f"A disk or share answered: {reason}.", "It goes on by itself when the disk or share works."]

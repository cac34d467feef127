"""The embedded engine as a child process: started, watched and stopped here; spoken to over HTTP like any server."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import service
from service.errors import Unavailable
from service.foreign import without_paths

_START_S = 20.0
_NICENESS = 10
_STOP_STEPS_S = 1.2
_LARGEST_LOG_BYTES = 5_000_000


class EmbeddedEngine:
    """One engine on a free loopback port; its files lie in `state_dir`/engine, its words in `state_dir`/engine.log."""

    def __init__(self, state_dir: Path, models: Path) -> None:
        self._base = state_dir / "engine"
        self._log = state_dir / "engine.log"
        self._models = models
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def output(self) -> Path:
        """The folder that the engine saves results in."""
        return self._base / "output"

    def start(self) -> str:
        """Start the engine and return its address; raise Unavailable (engine_failed) if it doesn't answer in 20 s."""
        self.stop()
        self._base.mkdir(parents=True, exist_ok=True)
        first_line: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        fresh = self._log.exists() and self._log.stat().st_size > _LARGEST_LOG_BYTES
        with self._log.open("wb" if fresh else "ab") as log:
            self._process = self._spawn(log)
        self._reader = threading.Thread(
            target=_drain, args=(self._process.stdout, first_line, self._log), name="engine-output", daemon=True
        )
        self._reader.start()
        try:
            return str(json.loads(first_line.get(timeout=_START_S))["url"])
        except (queue.Empty, ValueError, LookupError, TypeError):
            self.stop()
            raise self._failure() from None

    def alive(self) -> bool:
        """Return whether the engine's process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop the engine, gently first; returns within 4 s. Stopping a stopped one does nothing."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        for step in (process.stdin.close, process.terminate, process.kill):
            step()
            try:
                process.wait(_STOP_STEPS_S)
                break
            except subprocess.TimeoutExpired:
                continue
        if self._reader is not None:
            self._reader.join(_STOP_STEPS_S)

    def _spawn(self, log: BinaryIO) -> subprocess.Popen[bytes]:
        root = str(Path(service.__file__).parent.parent)
        paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
        arguments = ["--host", "127.0.0.1", "--port", "0", "--base", str(self._base), "--models", str(self._models)]
        process = subprocess.Popen(
            [sys.executable, "-m", "service.engine", *arguments],
            stdin=subprocess.PIPE,  # the engine ends when this closes, however we end
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            # Ctrl-C is for the daemon, which then stops the engine itself.
            start_new_session=True,
        )
        with suppress(OSError):
            # It draws on the processor alone; who drops, asks and cancels meanwhile must not wait for that.
            os.setpriority(os.PRIO_PROCESS, process.pid, _NICENESS)
        return process

    def _failure(self) -> Unavailable:
        with self._log.open("rb") as log:
            log.seek(max(0, self._log.stat().st_size - 2000))
            lines = log.read().decode("utf-8", "replace").strip().splitlines()
        return Unavailable(
            "engine_failed",
            f"The embedded engine didn't start: {without_paths(lines[-1]) if lines else 'it said nothing'}",
            f"The whole story is in {'/'.join(self._log.parts[-3:])}.",
        )


def _drain(output: BinaryIO, first_line: queue.SimpleQueue[bytes], log_path: Path) -> None:
    """Hand on the first line and put all others into the log, so that a talkative engine never blocks."""
    with output:
        first_line.put(output.readline())
        with log_path.open("ab") as log:
            for line in output:
                log.write(line)
                log.flush()

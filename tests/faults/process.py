"""A process controller: start a Python command, wait for what it says or makes, kill it, freeze it, and leave nothing.

with Process("daemon.py", "run", cwd=folder) as daemon:
    daemon.wait_for_line("ready")
    daemon.kill()
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, Self

_POLL_S = 0.02


class Process:
    """One child in a process group of its own; what it says is kept. Every wait has a deadline in seconds."""

    def __init__(
        self, *arguments: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None,
        python: bool = True, stdin: int = subprocess.DEVNULL,
    ) -> None:  # fmt: skip
        self._argv = [*([sys.executable] if python else []), *map(str, arguments)]
        self._cwd = cwd
        self._env = {**os.environ, "PYTHONUNBUFFERED": "1", **(env or {})}
        self._stdin = stdin
        self._lock = threading.Lock()
        self._said: dict[str, list[str]] = {"stdout": [], "stderr": []}
        self._readers: list[threading.Thread] = []
        self.popen: subprocess.Popen[str] | None = None

    def start(self) -> Self:
        self.popen = subprocess.Popen(
            self._argv, cwd=self._cwd, env=self._env, stdin=self._stdin, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        for name, stream in (("stdout", self.popen.stdout), ("stderr", self.popen.stderr)):
            assert stream is not None
            reader = threading.Thread(target=self._read, args=(name, stream), name=f"process-{name}", daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def stdout(self) -> str:
        """All that it has said so far."""
        return self._text("stdout")

    @property
    def stderr(self) -> str:
        """All its complaints so far."""
        return self._text("stderr")

    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def wait_for_line(self, pattern: str, seconds: float = 10, *, stream: str = "stdout") -> re.Match[str]:
        """Return the match of a regular expression in one line of what it says; AssertionError when it doesn't come."""
        found: list[re.Match[str]] = []

        def look() -> bool:
            with self._lock:
                lines = list(self._said[stream])
            found[:] = [match for line in lines if (match := re.search(pattern, line))]
            return bool(found)

        self.wait_until(look, seconds, f"it says {pattern!r}")
        return found[0]

    def wait_for_file(self, path: Path, seconds: float = 10) -> Path:
        """Return the path once something lies there."""
        self.wait_until(path.exists, seconds, f"{path} lies there")
        return path

    def wait_until(self, condition: Callable[[], bool], seconds: float, what: str = "it is so") -> None:
        """Return once the condition holds; AssertionError if it doesn't in time, or the process is over before."""
        due = time.monotonic() + seconds
        while not condition():
            over = not self.alive()
            if over:
                for reader in self._readers:
                    reader.join(1)
            if condition():
                return
            if over or time.monotonic() > due:
                state = f"it ended with {self._running().returncode}" if over else f"{seconds} s went by"
                raise AssertionError(f"{state} before {what}\n--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}")
            time.sleep(_POLL_S)

    def wait(self, seconds: float = 10) -> int:
        """Return the exit code; AssertionError if it doesn't end in time."""
        try:
            code = self._running().wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {seconds} s\n--- stderr\n{self.stderr}") from None
        for reader in self._readers:
            reader.join(1)
        return code

    # ── doing things to it ──────────────────────────────────────────────────────────────────────────────────────────

    def kill(self, seconds: float = 10) -> int:
        """kill -9 the process alone, not its children, and return its exit code."""
        self._running().kill()
        return self.wait(seconds)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._running().terminate()

    def interrupt(self) -> None:
        """Send SIGINT, as Ctrl-C does."""
        self._running().send_signal(signal.SIGINT)

    def freeze(self) -> None:
        """Stop it in its tracks; its sockets stay open."""
        self._running().send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running().send_signal(signal.SIGCONT)

    def end(self) -> None:
        """Kill its whole group and keep nothing open; the end of each test."""
        if self.popen is None:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.popen.pid, signal.SIGKILL)
        self.popen.wait(10)
        if self.popen.stdin is not None:
            with contextlib.suppress(OSError):
                self.popen.stdin.close()
        for reader in self._readers:
            reader.join(2)

    def _running(self) -> subprocess.Popen[str]:
        assert self.popen is not None, "start it first"
        return self.popen

    def _read(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                with self._lock:
                    self._said[name].append(line)

    def _text(self, name: str) -> str:
        with self._lock:
            return "".join(self._said[name])

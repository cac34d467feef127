"""A daemon that dies by kill -9 at an effect of its own: python -m tests.faults.crash CONFIG FUEL LOGFILE.

An effect is what outlasts the process: a file, a row, something sent to the server. The interpreter's profiler tells of
each call, so no room is patched and none knows. FUEL says where it dies:

    never             runs until everything is finished
    17                before effect number 17
    before 2 PATTERN  before the second effect whose name matches
    after 1 PATTERN   right after the first such effect has returned

LOGFILE gets each effect's number, the seconds since the start and its name before it happens, so its last line is where
the daemon died.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

#: It ran to its end, though it should have died.
OUTLIVED = 3
#: It was neither finished nor dead by then.
STUCK = 4
#: A true ComfyUI without a GPU takes its time.
_DEADLINE_S = 28.0 * (20 if "COMFY_URL" in os.environ else 1)
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(\.\d+)?")
_DRAFT = re.compile(r"\.[0-9a-f]{12}\.part$")
_FETCHED = re.compile(r"\.fetch-[^/.]+")

Naming = Callable[[FrameType], str | None]


@dataclass
class Fuse:
    """Counts effects, names each in the log, and kills the process at the one that was asked for."""

    fuel: str
    log: Path
    root: Path

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._lit_s = time.monotonic()
        self._spent = 0
        self._hits = 0
        self._doomed: FrameType | None = None
        self._number = int(self.fuel) if self.fuel.isdecimal() else None
        when, _, rest = self.fuel.partition(" ")
        count, _, pattern = rest.partition(" ")
        self._when, self._wanted = when, int(count or 0)
        self._pattern = re.compile(pattern)
        self._effects = _effects(self._path)
        self._written = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)

    def light(self) -> None:
        """Watch every call of this thread and of those that start from now on."""
        threading.setprofile(self._see)
        sys.setprofile(self._see)

    def _see(self, frame: FrameType, event: str, _value: Any) -> None:
        if event == "call":
            naming = self._effects.get(frame.f_code)
            if naming and (name := naming(frame)):
                self._burn(name, frame)
        elif event == "return" and frame is self._doomed:
            _die()

    def _burn(self, name: str, frame: FrameType) -> None:
        with self._lock:
            self._spent += 1
            os.write(self._written, f"{self._spent} {time.monotonic() - self._lit_s:.2f} {name}\n".encode())
            if self._spent == self._number:
                _die()
            if self._wanted and self._pattern.search(name):
                self._hits += 1
                if self._hits == self._wanted:
                    if self._when == "before":
                        _die()
                    self._doomed = frame

    def _path(self, path: Any) -> str | None:
        """Return a path below the root without ids and random names; None for one elsewhere."""
        text = os.fspath(path)
        if not text.startswith(f"{self.root}/"):
            return None
        return _DRAFT.sub(".ID.part", _FETCHED.sub(".fetch-ID", _ID.sub("ID", text[len(str(self.root)) + 1 :])))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _effects(shown: Callable[[Any], str | None]) -> dict[CodeType, Naming]:
    """Return by their code the functions that change something outside the process, with how to name each call."""
    from service.comfy.client import Client
    from service.comfy.embedded import EmbeddedEngine
    from service.disk import Disk
    from service.examiner import Examiner
    from service.media.delivery import deliver
    from service.store import Store

    def on_disk(verb: str, argument: str) -> Naming:
        return lambda frame: f"{verb} {shown(frame.f_locals[argument])}"

    def elsewhere(verb: str, argument: str) -> Naming:
        """Disk's own calls of these are named above already."""

        def name(frame: FrameType) -> str | None:
            caller = frame.f_back
            if caller is not None and caller.f_code.co_filename == Disk._fill.__code__.co_filename:
                return None
            path = shown(frame.f_locals[argument])
            is_vain = verb in {"unlink", "rmtree"} and not os.path.lexists(frame.f_locals[argument])
            return None if path is None or is_vain else f"{verb} {path}"

        return name

    effects: dict[CodeType, Naming] = {
        Disk._write_new.__code__: on_disk("write", "draft"),
        Disk.rename.__code__: on_disk("rename to", "target"),
        Disk._rename_exclusively.__code__: on_disk("rename to new", "target"),
        Disk._link_and_unlink.__code__: on_disk("link to new", "target"),
        Disk.copy_content.__code__: on_disk("copy to", "target"),
        Disk.unlink.__code__: lambda f: f"unlink {shown(f.f_locals['path'])}" if f.f_locals["path"].exists() else None,
        Disk.remove_folder.__code__: on_disk("rmdir", "folder"),
        Path.mkdir.__code__: lambda f: None if f.f_locals["self"].is_dir() else f"mkdir {shown(f.f_locals['self'])}",
        Path.replace.__code__: elsewhere("replace", "target"),
        Path.rename.__code__: elsewhere("rename to", "target"),
        Path.unlink.__code__: elsewhere("unlink", "self"),
        shutil.rmtree.__code__: elsewhere("rmtree", "path"),
        shutil.copyfile.__code__: elsewhere("copy to", "dst"),
        Client.upload.__code__: lambda f: f"upload {f.f_locals['name']}",
        Client.submit.__code__: lambda _: "submit",
        Client.cancel.__code__: lambda _: "stop",
        Client.delete.__code__: lambda _: "take out of the server's queue",
        Client.fetch.__code__: lambda _: "fetch",
        deliver.__code__: lambda _: "deliver",
        Examiner._ask.__code__: lambda f: f"examine {f.f_locals['operation']}",
        EmbeddedEngine._spawn.__code__: lambda _: "start the engine",
        Store.transaction.__wrapped__.__code__: _transaction,  # type: ignore[attr-defined]
    }
    for verb in ("see", "mark_drop", "add", "change", "move", "queue", "plan", "log", "remember_marker", "name_media"):
        effects[getattr(Store, verb).__code__] = _stored(verb)
    return effects


def _inside_transaction(frame: FrameType) -> bool:
    # Only the outermost write of a transaction is an effect: what dies inside one is rolled back.
    owned: bool = frame.f_locals["self"]._lock._is_owned()
    return owned


def _stored(verb: str) -> Naming:
    def name(frame: FrameType) -> str | None:
        if _inside_transaction(frame):
            return None
        said = frame.f_locals
        words = [str(said["to"])] if "to" in said else sorted(said.get("changes", ()))
        return f"store.{verb} {said['event']}" if verb == "log" else " ".join([f"store.{verb}", *words])

    return name


def _transaction(frame: FrameType) -> str | None:
    if _inside_transaction(frame):
        return None
    caller = frame.f_back
    while caller is not None and caller.f_code.co_filename.endswith("contextlib.py"):
        caller = caller.f_back
    if caller is None or caller.f_code.co_filename == frame.f_code.co_filename:
        return None
    return f"store.transaction of {caller.f_code.co_name}"


def live(config_file: Path, fuel: str, log: Path, classifier: Callable[[], Any] | None = None) -> int:
    """Run one life of the daemon; returns when everything is finished, unless it dies before."""
    from service import config as configuration
    from service.app import App
    from tests.faults.harmless import Harmless

    folder = config_file.parent.resolve()
    config = configuration.parse(config_file.read_text(encoding="utf-8"), folder)
    end = time.monotonic() + _DEADLINE_S
    Fuse(fuel, log, folder).light()
    app = App(config, classifier=classifier or Harmless)
    app.open()
    try:
        app.start()
        while not app.wait(0.02):
            app.check()
            if app.finished():
                return 0 if fuel == "never" else OUTLIVED
            if time.monotonic() > end:
                return STUCK
    finally:
        app.close()
    return STUCK


if __name__ == "__main__":
    sys.exit(live(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))

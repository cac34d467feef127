"""A Reeldrop of its own in a temporary folder: the daemon as a process, an engine beside it, files dropped in."""

from __future__ import annotations

import json
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import psutil
import requests

from service.comfy.embedded import EmbeddedEngine
from tests.faults.process import Process

ROOT = Path(__file__).resolve().parents[1]
PHOTO = ROOT / "service" / "commands" / "samples" / "coffee.jpg"
#: The smallest render there is, where only the way to it or from it is measured.
TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\n"
_STOP_S = 10.0
_LOOK_S = 0.02


class Site:
    """Inbox, outbox and settings; with `url` the daemon renders there, otherwise on an embedded engine of its own."""

    def __init__(self, folder: Path, url: str | None = None, *, workflows: Path = ROOT / "workflows") -> None:
        self.folder = folder
        self.inbox = folder / "inbox"
        self.outbox = folder / "outbox"
        self._aside = folder / "aside"
        for each in (self.inbox / "text-to-video", self.inbox / "image-to-video", self._aside):
            each.mkdir(parents=True)
        settings: dict[str, Any] = {"workflows_dir": str(workflows), "models_dir": str(ROOT / "models")}
        if url:
            settings["backends"] = [{"name": "server", "url": url}]
        self._config = folder / "config.yaml"
        self._config.write_text(json.dumps(settings), encoding="utf-8")

    @classmethod
    @contextmanager
    def make(cls, url: str | None = None, *, workflows: Path = ROOT / "workflows") -> Iterator[Self]:
        """Give a site that leaves nothing behind."""
        with temporary_folder() as folder:
            yield cls(folder, url, workflows=workflows)

    # the daemon ------------------------------------------------------------------------------------------------------

    def process(self) -> Process:
        """Return the daemon, not started: `daemon.py run` with its output in a pipe."""
        return Process(ROOT / "daemon.py", "run", "--config", self._config, cwd=self.folder)

    @contextmanager
    def running(self) -> Iterator[Process]:
        """Run the daemon; it is stopped in order, and killed if it doesn't end then."""
        with self.process() as daemon:
            yield daemon
            stop(daemon)

    # what a user does ------------------------------------------------------------------------------------------------

    def prepare(self, name: str, content: str | bytes) -> Path:
        """Write a file beside the inbox, on the same file system."""
        path = self._aside / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def drop(self, task: str, name: str, content: str | bytes) -> tuple[float, float]:
        """Rename a whole file into a task's folder; return the moment just before, on time.time and on perf_counter."""
        self.prepare(name, content)
        return self.move(task, name)

    def move(self, task: str, name: str) -> tuple[float, float]:
        """Rename what was prepared into a task's folder; return the moment just before, like `drop`."""
        moments = time.time(), time.perf_counter()
        (self._aside / name).rename(self.inbox / task / name)
        return moments

    def drop_photo(self, name: str) -> tuple[float, float]:
        """Drop a photo with its job file, the job file last; return the moment just before that."""
        self.drop("image-to-video", f"{name}.jpg", PHOTO.read_bytes())
        return self.drop("image-to-video", f"{name}.yaml", "seed: 1\n")

    def text_job(self, name: str, settings: str = "") -> tuple[float, float]:
        """Drop a job file for a video from text; the prompt has the name in it, so that no two jobs are alike."""
        return self.drop("text-to-video", f"{name}.yaml", f"prompt: a harbour at dawn, take {name}\n{settings}")

    # what comes of it ------------------------------------------------------------------------------------------------

    def status(self, job: str) -> dict[str, Any]:
        """Return a status file by task and name; {} where there is none yet."""
        try:
            found: dict[str, Any] = json.loads(self._status_file(job).read_bytes())
        except FileNotFoundError:
            return {}
        return found

    def wait_for_state(self, job: str, state: str, seconds: float = 60) -> dict[str, Any]:
        """Return a job's status once it says this state; RuntimeError if it ends otherwise."""

        def met() -> bool:
            now = self.status(job).get("state")
            if now in {"failed", "rejected", "cancelled"}:
                raise RuntimeError(f"{job} ended as {now}: {self.status(job)['error']}")
            return now == state

        wait_until(met, seconds, f"{job} is {state}")
        return self.status(job)

    def wait_for_done(self, job: str, seconds: float = 60) -> float:
        """Return the moment, on time.time, at which a job's status file said `done`."""
        self.wait_for_state(job, "done", seconds)
        return self._status_file(job).stat().st_mtime

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the daemon's database."""
        with closing(sqlite3.connect(f"file:{self.folder / 'var' / 'reeldrop.db'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def prompt_of(self, job: str) -> str:
        """Return the prompt id of a job, by its name."""
        return str(self.ask(f"SELECT prompt_id FROM renders JOIN jobs ON job = id WHERE name = '{job}'")[0][0])

    def _status_file(self, job: str) -> Path:
        return self.outbox / f"{job}.status.json"


def stop(daemon: Process) -> None:
    """Stop a daemon in order."""
    if daemon.alive():
        daemon.terminate()
        daemon.wait(_STOP_S)


def wait_until(met: Callable[[], bool], seconds: float, what: str, *, every_s: float = 0.02) -> None:
    """Return once something holds; TimeoutError, with what was awaited, if it doesn't in time."""
    due = time.monotonic() + seconds
    while not met():
        if time.monotonic() > due:
            raise TimeoutError(f"{seconds} s went by before {what}")
        time.sleep(every_s)


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Give a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="reeldrop-bench-"))

    def gone() -> bool:
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()

    try:
        yield folder
    finally:
        # After trouble an engine may write for a moment yet: it ends when its daemon's pipe closes.
        wait_until(gone, _STOP_S, f"{folder} can be removed")


@contextmanager
def engine() -> Iterator[str]:
    """Run an embedded engine outside any daemon, and give its address."""
    with temporary_folder() as folder:
        server = EmbeddedEngine(folder, ROOT / "models" / "models.yaml")
        try:
            yield server.start()
        finally:
            server.stop()


def engine_of(daemon: Process) -> str:
    """Return the address of the engine that a daemon has started."""
    found: list[str] = []

    def listens() -> bool:
        for child in psutil.Process(daemon.pid).children():
            if "service.engine" in child.cmdline():
                listening = [each for each in child.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
                found.extend(f"http://127.0.0.1:{tuple(each.laddr)[1]}" for each in listening)
        return bool(found)

    wait_until(listens, 20, "the daemon's engine listens")
    return found[0]


def asked(method: str, url: str, **more: Any) -> requests.Response:
    """Send one request, past any proxy of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, timeout=10, **more)


@contextmanager
def remembering(url: str) -> Iterator[Callable[[str, str], float]]:
    """Keep what the server's history says of prompts, for the daemon has them forgotten once they are published.

    Gives a function of a prompt id and a message (execution_start, execution_success): when, on time.time, the server
    sent it.
    """
    known: dict[str, list[Any]] = {}
    done = threading.Event()

    def look() -> None:
        with requests.Session() as session:
            session.trust_env = False
            while not done.wait(_LOOK_S):
                with suppress(requests.RequestException, ValueError):
                    entries = session.get(f"{url}/history", timeout=10).json()
                    known.update({prompt_id: entry["status"]["messages"] for prompt_id, entry in entries.items()})

    def moment(prompt_id: str, message: str) -> float:
        wait_until(lambda: prompt_id in known, 10, "the prompt's history")
        return next(float(data["timestamp"]) / 1000 for kind, data in known[prompt_id] if kind == message)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield moment
    finally:
        done.set()
        looking.join()

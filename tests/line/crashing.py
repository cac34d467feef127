"""One drop, several lives of the daemon, and everything that must be so once it is over."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import sqlite3
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from PIL import Image

from service.errors import Problem, error_of
from service.job import State
from tests.faults import crash
from tests.line.world import MANY_STEPS, PATIENCE, ROOT, World, picture
from tests.media.drawing import brighter, clip
from tests.workflows import OUTSIDE, PARTED, SHIPPED

#: The smallest render there is; what it shows is of no interest here.
TINY = "width: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: 1\n"
KILLED = -9
_LIFE_S = 29.0 * PATIENCE
_FORK = multiprocessing.get_context("forkserver")
# Every life would spend most of its time importing; a forked one has done so already.
_FORK.set_forkserver_preload(["service.app", "service.comfy.client", "tests.faults.crash"])


@dataclass(frozen=True)
class Kind:
    """What is dropped (inbox path → bytes), which jobs and status files it becomes, which of its files stay there."""

    drop: Mapping[str, bytes]
    jobs: tuple[str, ...]
    shows: tuple[str, ...]
    stays: frozenset[str] = frozenset()
    frames: tuple[tuple[int, int], ...] = ((64, 64),) * 2
    #: How each of its jobs ends.
    state: str = "done"
    #: Orders among what is dropped: obeyed, then gone.
    orders: frozenset[str] = frozenset()
    #: It has failed before the first life, and somebody asks for another try until it is taken up.
    retried: bool = False
    #: How many prompts each of its jobs takes.
    prompts: int = 1
    #: Where its workflow lies, if it isn't a shipped one.
    library: Path | None = None


def _blue() -> bytes:
    return picture(Image.new("RGB", (64, 64), (20, 80, 160)), "JPEG")


def _told(workflow: str, **more: Any) -> dict[str, Any]:
    """Return what a result of ours says of its job."""
    settings = {"width": 64, "height": 64, "frames": 2, "steps": 1, **more.pop("settings", {})}
    return {"workflow": workflow, "seed": 1, "settings": settings, "inputs": [], **more}


def _status() -> bytes:
    told = _told("text_to_video_basic", settings={"prompt": "a cup"})
    return json.dumps({"schema": 1, "kind": "job", "job": "j", "drop": "d", "state": "done", **told}).encode()


def _video() -> bytes:
    told = _told("image_to_video_svd", inputs=[{"role": "image", "file": "blue.jpg", "sha256": ""}])
    with tempfile.TemporaryDirectory() as folder:
        metadata = {"reeldrop_job": "j", "reeldrop": json.dumps(told)}
        options = {"movflags": "use_metadata_tags"}
        path = clip(Path(folder) / "cup.mp4", frames=2, container_options=options, metadata=metadata)
        return path.read_bytes()


def _numbered(frames: int) -> bytes:
    """Return a video whose frames get brighter one by one, with sound."""
    with tempfile.TemporaryDirectory() as folder:
        return clip(Path(folder) / "clip.mp4", frames=frames, draw=brighter, audio=True).read_bytes()


KINDS: Mapping[str, Kind] = {
    "text": Kind(
        {"text-to-video/cup.yaml": f"prompt: a cup\n{TINY}".encode()}, ("text-to-video/cup",), ("text-to-video/cup",)
    ),
    "shown": Kind(
        {
            "text-to-video/cup.yaml": b"prompt: a cup\nwidth: 256\nheight: 256\nframes: 8\nsteps: %d\nseed: 1\n"
            % MANY_STEPS
        },
        ("text-to-video/cup",),
        ("text-to-video/cup",),
        frames=((256, 256),) * 8,
    ),
    "long": Kind(
        {
            "text-to-video/cup.yaml": b"prompt: a cup\nwidth: 768\nheight: 768\nframes: 64\nsteps: %d\nseed: 1\n"
            % MANY_STEPS
        },
        ("text-to-video/cup",),
        ("text-to-video/cup",),
        frames=((768, 768),) * 64,
    ),
    "image": Kind(
        {"image-to-video/grün/cup.jpg": _blue(), "image-to-video/grün/cup.yaml": TINY.encode()},
        ("image-to-video/grün/cup",),
        ("image-to-video/grün/cup",),
    ),
    "shared": Kind(
        {"image-to-video/blue.jpg": _blue(), "image-to-video/cup.yaml": f"image: blue.jpg\n{TINY}".encode()},
        ("image-to-video/cup",),
        ("image-to-video/cup",),
    ),
    "folder": Kind(
        {
            "image-to-video/grün/cup/job.yaml": TINY.encode(),
            "image-to-video/grün/cup/deep/blue.jpg": _blue(),
            "image-to-video/grün/cup/notes.pdf": b"%PDF",
        },
        ("image-to-video/grün/cup",),
        ("image-to-video/grün/cup",),
    ),
    "again": Kind({"text-to-video/cup.status.json": _status()}, ("text-to-video/cup",), ("text-to-video/cup",)),
    "video": Kind(
        {"image-to-video/cup.mp4": _video(), "media/blue.jpg": _blue()},
        ("image-to-video/cup",),
        ("image-to-video/cup",),
        frozenset({"media/blue.jpg"}),
    ),
    "retry": Kind(
        {"image-to-video/blue.jpg": _blue(), "image-to-video/cup.yaml": f"image: blue.jpg\n{TINY}".encode()},
        ("image-to-video/cup",),
        ("image-to-video/cup",),
        retried=True,
    ),
    "parts": Kind(
        {"long-clip/cup.mp4": _numbered(40)},
        ("long-clip/cup",),
        ("long-clip/cup",),
        frames=((64, 64),) * 40,
        prompts=3,
        library=PARTED,
    ),
    "cancel": Kind(
        {
            "image-to-video/grün/cup/job.yaml": TINY.encode(),
            "image-to-video/grün/cup/blue.jpg": _blue(),
            "image-to-video/grün/cup.cancel": b"",
        },
        ("image-to-video/grün/cup",),
        ("image-to-video/grün/cup",),
        state="cancelled",
        orders=frozenset({"image-to-video/grün/cup.cancel"}),
    ),
    "batch": Kind(
        {"text-to-video/cup.yaml": f"prompt: a cup\ncount: 2\n{TINY}".encode()},
        ("text-to-video/cup_0001", "text-to-video/cup_0002"),
        ("text-to-video/cup", "text-to-video/cup_0001", "text-to-video/cup_0002"),
    ),
}


@dataclass(frozen=True)
class Life:
    """How one life of the daemon ended, and each effect that it began, in order."""

    code: int | None
    effects: tuple[str, ...]

    @property
    def killed(self) -> bool:
        """Whether it died by kill -9."""
        return self.code == KILLED

    @property
    def last(self) -> str:
        """Where it died."""
        return self.effects[-1] if self.effects else "the very start"


class Scene:
    """A folder with a drop in its inbox, and a server (its URL, or None for the embedded engine)."""

    def __init__(self, folder: Path, kind: str, url: str | None, **keys: Any) -> None:
        self.folder = folder
        self.kind = KINDS[kind]
        self.url = url
        self.lives: list[Life] = []
        #: What screens, in the lives from now on; harmless is what is left out.
        self.classifier: type | None = None
        watch = {"sidecar_wait_seconds": 0.3, "quiet_seconds_local": 0.05, "quiet_seconds": 0.1, "rescan_seconds": 1}
        settings: dict[str, Any] = {
            "workflows_dir": str(self._library(OUTSIDE if url else SHIPPED)),
            "models_dir": str(ROOT / "models"),
            "backends": [{"name": "server", "url": url}] if url else [],
            "engine": "off" if url else "embedded",
            "watch": watch,
            **keys,
        }
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.yaml").write_text(json.dumps(settings), encoding="utf-8")
        for path, content in self.kind.drop.items():
            (folder / "inbox" / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / "inbox" / path).write_bytes(content)
        self.asked = 0
        self.posted_before = self.posted()
        if self.kind.retried:
            self._fail()

    def _library(self, shipped: Path) -> Path:
        if self.kind.library is None:
            return shipped
        made = shutil.copytree(shipped, self.folder / "library")
        return shutil.copytree(self.kind.library, made, dirs_exist_ok=True)

    def _fail(self) -> None:
        """Let a daemon without a server take the drop in, fail its job, and give its files back."""
        with World(self.folder, None, engine="off") as world:
            for job in self.kind.jobs:
                world.until_state(job, "queued")
            assert world.app is not None
            error = error_of([Problem("engine_died", "The engine died.", "Retry it.")])
            for job in world.app.store.in_states(State.QUEUED):
                world.app.ending.end(job.id, State.FAILED, error=error)
            for path in self.kind.drop:
                world.until_returned(f"rejected/{path}")

    def _ask(self) -> None:
        """Let somebody ask for another try, who looks whether that has been heard."""
        request = self.folder / "var" / "requests" / "0123.json"
        if "failed" in self.states().values():
            request.parent.mkdir(exist_ok=True)
            request.write_text(json.dumps({"verb": "retry", "target": self.kind.jobs[0]}), encoding="utf-8")

    # lives -----------------------------------------------------------------------------------------------------------

    def run(self, fuel: str = "never") -> Life:
        """Run one life of the daemon in a process of its own; fuel as in tests.faults.crash."""
        if self.kind.retried:
            self._ask()
        log = self.folder / f"life-{len(self.lives) + 1}.log"
        process = _FORK.Process(target=_live, args=(self.folder, fuel, log, self.classifier))
        process.start()
        process.join(_LIFE_S)
        if process.is_alive():
            process.kill()
            process.join(5)
        effects = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        life = Life(process.exitcode, tuple(line.split(" ", 2)[2] for line in effects))
        process.close()
        self.lives.append(life)
        return life

    def finish(self) -> Life:
        """Run a life to the end of everything; fails if it ends otherwise."""
        life = self.run()
        assert life.code == 0, f"life {len(self.lives)} ended with {life.code} at {life.last}; {self.states()}"
        return life

    # what there is ---------------------------------------------------------------------------------------------------

    def files(self, name: str) -> dict[str, bytes]:
        """Return every file below inbox or outbox, hidden ones too, but for the program's own folder there."""
        root = self.folder / name
        paths = (path for path in root.rglob("*") if path.is_file())
        found = {str(path.relative_to(root)): path.read_bytes() for path in paths}
        return {path: content for path, content in found.items() if not path.startswith(".reeldrop/")}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the daemon's database."""
        with sqlite3.connect(self.folder / "var" / "reeldrop.db") as connection:
            rows = connection.execute(query).fetchall()
        connection.close()
        return rows

    def states(self) -> dict[str, str]:
        """Return the state of each job that isn't a batch."""
        return dict(self.rows("SELECT name, state FROM jobs WHERE kind = 'job'"))

    def status(self, job: str) -> dict[str, Any]:
        """Return a status file, by task, grouping and name."""
        return json.loads((self.folder / "outbox" / f"{job}.status.json").read_text(encoding="utf-8"))

    def posted(self) -> int:
        """Return how many prompts the server has taken, those apart that asked for it: it numbers them as they come.

        Its history doesn't tell: what is published is forgotten there.
        """
        if self.url is None:
            return 0
        graph = {
            "1": {"class_type": "EmptyImage", "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 0}},
            "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(f"{self.url}/prompt", json={"prompt": graph}, timeout=10)
            answer.raise_for_status()
        number = int(answer.json()["number"]) - self.asked
        self.asked += 1
        return number

    # what must be so -------------------------------------------------------------------------------------------------

    def check(self, *, renders_each: int | None = 1) -> None:
        """Assert that each job ended once, with one whole video, and that nobody's byte was lost or doubled."""
        self.check_files()
        self._check_database()
        if self.url is not None and renders_each is not None:
            assert self.posted() - self.posted_before == renders_each * len(self.kind.jobs) * (
                self.kind.prompts if self.kind.state == "done" else 0
            )

    def check_files(self) -> None:
        """Assert that outbox and inbox are as they must be in the end, and that no work files are left."""
        self._check_outbox()
        self._check_inbox()
        assert [str(path) for path in (self.folder / "var" / "work").glob("*")] == []

    def _check_outbox(self) -> None:
        made = self.kind.jobs if self.kind.state == "done" else ()
        wanted = {f"{job}.mp4" for job in made} | {f"{shown}.status.json" for shown in self.kind.shows}
        # What is shown and is no job is a batch, which has its sheet.
        wanted |= {f"{shown}.sheet.jpg" for shown in self.kind.shows if made and shown not in made}
        assert set(self.files("outbox")) == wanted
        assert {shown: self.status(shown)["state"] for shown in self.kind.shows} == dict.fromkeys(
            self.kind.shows, self.kind.state
        )
        for job in made:
            path = self.folder / "outbox" / f"{job}.mp4"
            assert frames_of(path) == list(self.kind.frames)
            assert self.status(job)["outputs"][0]["bytes"] == path.stat().st_size

    def _check_inbox(self) -> None:
        kind, where = self.kind, "done" if self.kind.state == "done" else "rejected"
        found = self.files("inbox")
        reasons = {path for path in found if path.endswith(".reason.txt")}
        assert reasons == ({f"rejected/{shown}.reason.txt" for shown in kind.shows} if where == "rejected" else set())
        assert {path: content for path, content in found.items() if path not in reasons} == {
            (path if path in kind.stays else f"{where}/{path}"): content
            for path, content in kind.drop.items()
            if path not in kind.orders
        }
        assert list((self.folder / "inbox" / ".reeldrop" / "claims").iterdir()) == []

    def _check_database(self) -> None:
        assert {state for (state,) in self.rows("SELECT state FROM jobs")} == {self.kind.state}
        ended = self.rows(
            "SELECT job, count(*) FROM events WHERE event IN ('done', 'failed', 'rejected', 'cancelled') GROUP BY job"
        )
        assert {count for _, count in ended} == {2 if self.kind.retried else 1}
        assert len(ended) == len(self.kind.shows)
        drops = self.rows("SELECT claimed, returned_to IS NOT NULL FROM drops")
        assert drops == [(1, 1)]


def frames_of(path: Path) -> list[tuple[int, int]]:
    """Decode a video to its end; return each frame's size."""
    import av

    with av.open(str(path)) as container:
        return [(frame.width, frame.height) for frame in container.decode(container.streams.video[0])]


def _live(folder: Path, fuel: str, log: Path, classifier: type | None) -> None:
    raise SystemExit(crash.live(folder / "config.yaml", fuel, log, classifier))

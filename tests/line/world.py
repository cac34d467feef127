"""A whole Reeldrop in a folder of its own: real files, real SQLite, real examiners, an engine process."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from service import config as configuration
from service.app import App
from service.commands.demo import _SAMPLES as SAMPLES
from service.examiner import Classifier
from service.job import Job
from tests.marker_classifier import MarkerClassifier
from tests.workflows import OUTSIDE, SHIPPED

#: A true ComfyUI without a GPU takes its time for what the preview engine draws at once.
PATIENCE = 20 if "COMFY_URL" in os.environ else 1
#: Steps of a render that lasts long enough to be stopped in its middle; without a GPU each takes a second.
MANY_STEPS = 60 if "COMFY_URL" in os.environ else 150
ROOT = Path(__file__).resolve().parents[2]
#: The smallest job that the shipped workflow takes: it renders in a fraction of a second.
SMALL = "width: 256\nheight: 256\nframes: 2\nsteps: 1\nseed: 1\n"


class World:
    """One inbox, one outbox, one daemon in this process."""

    def __init__(self, folder: Path, url: str | None, **keys: Any) -> None:
        self.folder = folder
        quiet = {"quiet_seconds_local": 0.05, "quiet_seconds": 0.1, "quiet_seconds_share": 0.3}
        watch = {"sidecar_wait_seconds": 0.3, "rescan_seconds": 1, **quiet}
        settings: dict[str, Any] = {
            "workflows_dir": str(OUTSIDE if url else SHIPPED),
            "models_dir": str(ROOT / "models"),
            "backends": [{"name": "server", "url": url}] if url else [],
            "engine": "off" if url else "embedded",
            **keys,
        }
        settings["watch"] = {**watch, **settings.get("watch", {})}
        self.config = configuration.parse(json.dumps(settings), folder)
        self.classifier: Callable[[], Classifier] = MarkerClassifier
        self.app: App | None = None
        self.changes: list[Job] = []
        #: Called before the daemon is built.
        self.prepare: Callable[[], None] = lambda: None

    # what a user does ------------------------------------------------------------------------------------------------

    def drop(self, path: str, content: bytes | str) -> Path:
        """Put a file into the inbox the way a careful program does: written aside, renamed in."""
        target = self.config.inbox_dir / path
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.part")
        part.write_bytes(content.encode() if isinstance(content, str) else content)
        part.rename(target)
        return target

    def status(self, path: str) -> dict[str, Any]:
        """Return a status file by task and name, for example text-to-video/harbour."""
        found: dict[str, Any] = json.loads((self.config.output_dir / f"{path}.status.json").read_text(encoding="utf-8"))
        return found

    def files(self, root: Path) -> list[str]:
        """Return every file below a root that isn't Reeldrop's own."""
        found = [path.relative_to(root) for path in root.rglob("*") if path.is_file()]
        return sorted(str(path) for path in found if ".reeldrop" not in path.parts)

    def outbox(self) -> list[str]:
        """Return every file of the outbox."""
        return self.files(self.config.output_dir)

    def inbox(self) -> list[str]:
        """Return every file of the inbox."""
        return self.files(self.config.inbox_dir)

    def reason(self, path: str) -> str:
        """Return a reason file, for example text-to-video/harbour."""
        return (self.config.inbox_dir / "rejected" / f"{path}.reason.txt").read_text(encoding="utf-8")

    # the daemon ------------------------------------------------------------------------------------------------------

    def start(self) -> World:
        """Start the daemon in this process."""
        self.app = App(self.config, classifier=self.classifier)
        self.app.on_change = self.changes.append
        self.prepare()
        self.app.open()
        self.app.start()
        return self

    def stop(self) -> None:
        """Stop it; nothing is lost."""
        if self.app:
            self.app.close()
            self.app = None

    def __enter__(self) -> World:
        return self.start()

    def __exit__(self, *_trouble: object) -> None:
        self.stop()

    def until(self, met: Callable[[], bool], what: str, deadline_s: float = 25) -> None:
        """Wait until something holds; fails with what was awaited and what there is."""
        assert self.app is not None
        end = time.monotonic() + deadline_s * PATIENCE
        while not met():
            self.app.check()
            assert time.monotonic() < end, f"{what} did not come; outbox {self.outbox()}, inbox {self.inbox()}"
            self.app.wait(0.01)

    def until_state(self, path: str, *states: str, deadline_s: float = 25) -> dict[str, Any]:
        """Wait until a job's status file says one of these states, and return it."""
        file = self.config.output_dir / f"{path}.status.json"
        self.until(lambda: file.exists() and self.status(path)["state"] in states, f"{path} {states}", deadline_s)
        return self.status(path)

    def until_returned(self, path: str, deadline_s: float = 25) -> None:
        """Wait until a dropped file is back, for example done/text-to-video/harbour.yaml."""
        self.until((self.config.inbox_dir / path).exists, path, deadline_s)

    def until_hold(self, path: str, code: str, deadline_s: float = 25) -> dict[str, Any]:
        """Wait until a job's status file says that it is on hold for this, and return the hold."""
        file = self.config.output_dir / f"{path}.status.json"

        def met() -> bool:
            return file.exists() and (self.status(path)["hold"] or {}).get("code") == code

        self.until(met, f"{path} on hold for {code}", deadline_s)
        hold: dict[str, Any] = self.status(path)["hold"]
        return hold


def photo(size: tuple[int, int] = (600, 400)) -> bytes:
    """Return a real photograph as JPEG."""
    if size == (600, 400):
        return (SAMPLES / "coffee.jpg").read_bytes()
    return picture(Image.open(SAMPLES / "coffee.jpg").resize(size), "JPEG")


def picture(image: Image.Image, kind: str) -> bytes:
    """Return a picture's bytes in a format by Pillow's name."""
    from io import BytesIO

    out = BytesIO()
    image.save(out, kind)
    return out.getvalue()

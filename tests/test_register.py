"""The register: files follow the store, in an order that a crash may cut anywhere."""

import threading
from pathlib import Path

import pytest

from service.disk import Disk
from service.job import Drop, Hold, Job, State
from service.outbox import Outbox
from service.register import Register
from service.store import Store

OLD, NEW = "text-to-video/cup.status.json", "text-to-video/cup_2.status.json"


class Scene:
    """One waiting job named cup; `effects` are the changes of the outbox in order."""

    def __init__(self, folder: Path) -> None:
        self.effects: list[tuple[str, str]] = []
        self.before = lambda effect, path: None
        self.store = Store(folder / "var" / "reeldrop.db")
        self.outbox = folder / "outbox"
        self.register = Register(self.store, Outbox(self.outbox, Disk(self._note)), "here/1", lambda: 0.0)
        self.drop = Drop("d1", "text-to-video", "", "cup", "job_file", ("text-to-video/cup.yaml",))
        at = "2026-11-22T00:00:00.000Z"
        state = State.WAITING
        self.job = Job("j1", "d1", "job", None, "text-to-video", "", "cup", state, seen_at=at, updated_at=at)
        self.register.see(self.drop, self.job)

    def _note(self, effect: str, path: Path) -> None:
        self.effects.append((effect, path.name))
        self.before(effect, path)

    def there(self) -> set[str]:
        return {path.relative_to(self.outbox).as_posix() for path in self.outbox.rglob("*") if path.is_file()}


@pytest.fixture
def scene(tmp_path: Path):
    scene = Scene(tmp_path)
    yield scene
    scene.store.close()


def test_the_new_status_is_there_before_the_old_one_goes(scene: Scene):
    def check(effect: str, path: Path) -> None:
        if effect == "unlink" and path.name == "cup.status.json":
            assert scene.there() == {OLD, NEW}

    scene.before = check
    scene.register.rename(scene.job, "cup_2")
    assert scene.there() == {NEW}
    assert scene.store.leftovers() == []


def test_a_preview_under_the_old_name_goes_with_its_status(scene: Scene):
    scene.store.move("j1", State.QUEUED)
    running = scene.store.move("j1", State.RUNNING)
    scene.register.preview("j1", b"\xff\xd8")
    scene.register.rename(running, "cup_2")
    assert scene.there() == {NEW}


def test_nobody_shows_the_old_name_again_while_a_job_is_renamed(scene: Scene):
    held = threading.Thread(target=scene.register.hold, args=("j1", Hold("a", "b", "c", "d")))

    def interfere(effect: str, path: Path) -> None:
        if effect == "unlink" and path.name == "cup.status.json":
            held.start()
            held.join(0.1)

    scene.before = interfere
    scene.register.rename(scene.job, "cup_2")
    held.join(5)
    assert scene.there() == {NEW}


class Stopped(BaseException):
    """The power is gone."""


def test_a_crash_anywhere_in_a_renaming_leaves_one_status_after_the_next_start(tmp_path: Path):
    for allowed in range(40):
        scene = Scene(tmp_path / str(allowed))
        begun = len(scene.effects)

        def stop(_effect: str, _path: Path, scene: Scene = scene, last: int = begun + allowed) -> None:
            if len(scene.effects) > last:
                raise Stopped

        scene.before = stop
        try:
            scene.register.rename(scene.job, "cup_2")
            ended = True
        except Stopped:
            ended = False
        scene.before = lambda _effect, _path: None
        scene.register.recall(["d1"])
        scene.register.sweep()
        assert {path for path in scene.there() if not path.endswith(".part")} == {NEW}
        scene.store.close()
        if ended:
            assert allowed > 4
            return
    pytest.fail("it never ended")


def test_a_left_name_that_another_job_has_taken_is_not_swept(scene: Scene):
    scene.store.change("j1", name="cup_2")
    other = Job("j2", "d2", "job", None, "text-to-video", "", "cup", State.WAITING, seen_at="x", updated_at="x")
    scene.register.see(Drop("d2", "text-to-video", "", "cup", "job_file", ("text-to-video/cup.json",)), other)
    scene.register.sweep()
    assert OLD in scene.there()


def test_many_drops_at_first_sight_have_names_of_their_own(scene: Scene):
    (scene.outbox / "text-to-video" / "Harbour.mp4").write_bytes(b"somebody's")
    listings: dict[str, frozenset[str]] = {}
    names = [
        scene.register.free_name(
            Drop("d3", "text-to-video", "", name, "job_file", ("text-to-video/x.yaml",)), 1, listings=listings
        )
        for name in ("cup", "harbour", "lake")
    ]
    assert names == ["cup_2", "harbour_2", "lake"]

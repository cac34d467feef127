"""kill -9 at each step of the line, then a start: every job ends once, with one video, rendered once."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import requests

from tests.line.crashing import TINY, Scene
from tests.line.world import World

#: Where the daemon dies: what was dropped, before or after which effect (its occurrence and name), and what that means.
POINTS = [
    ("text", "before 1 store.transaction of see_all", "noticed, nothing saved"),
    ("text", r"before 1 rename to outbox/.*/cup\.status", "seen, not shown"),
    ("text", "before 1 mkdir .*claims/ID$", "nothing of the claim made"),
    ("text", r"before 1 rename to .*claims/ID/claim\.json", "a claim without its record"),
    ("text", r"before 1 rename to .*claims/ID/cup\.yaml", "a claim with nothing in it"),
    ("image", r"before 1 rename to .*claims/ID/cup\.jpg", "the job file claimed, its picture not"),
    ("text", "before 1 store.transaction of _remember", "claimed, not in the database"),
    ("shared", "before 1 store.name_media", "claimed, the picture that it names unknown"),
    ("shared", r"before 1 replace var/work/ID/shared-image\.jpg", "the named picture half copied"),
    ("image", "before 1 examine probe", "claimed, nothing examined"),
    ("image", "before 1 examine prepare", "examined, nothing made ready"),
    ("text", r"before 2 rename to .*claims/ID/claim\.json", "done, and where its files go not said"),
    ("text", "before 1 store.transaction of record", "bound, not queued"),
    ("batch", "after 1 store.transaction of record", "a batch queued, not shown"),
    ("text", "before 1 store.move running", "queued, not taken"),
    ("image", "before 1 upload", "taken, nothing sent"),
    ("image", "before 1 submit", "uploaded, not submitted"),
    ("text", "after 1 submit", "submitted, its answer heard by nobody"),
    ("batch", "before 2 submit", "one job renders, the other was about to be sent"),
    ("shown", r"before 1 rename to outbox/.*/cup\.preview\.jpg", "a preview half written"),
    ("text", "before 1 fetch", "rendered, not fetched"),
    ("text", r"before 1 replace var/work/ID/raw\.mp4", "half fetched"),
    ("text", "before 1 examine inspect", "fetched, not screened"),
    ("text", "before 1 examine remux", "screened, not marked"),
    ("text", "after 1 examine remux", "marked, nothing said of it"),
    ("text", r"before 1 rename to new .*publish-ID", "ready, about to say that it will be published"),
    ("text", "before 1 copy to outbox/", "said, not begun"),
    ("text", r"before 1 rename to new outbox/.*/cup\.mp4", "half copied into the outbox"),
    ("text", "before 1 store.move done", "published, not in the database"),
    ("text", "after 1 store.move done", "done, not shown"),
    ("batch", "before 3 store.move done", "all jobs done, their batch not"),
    ("text", "before 1 mkdir inbox/done$", "done, about to be returned"),
    ("image", r"before 1 rename to new inbox/done/.*/cup\.jpg", "one of two files returned"),
    ("text", r"before 1 unlink .*claims/ID/claim\.json", "returned, its record still there"),
    ("text", "before 1 store.transaction of settle", "returned, not in the database"),
    ("text", "before 1 rmtree var/work/ID", "over, its work folder still there"),
    ("shared", "after 1 store.transaction of settle", "over, the picture that it named not with it yet"),
    ("shared", r"after 1 rename to new inbox/done/.*/blue\.jpg", "the picture with it, and not said"),
    ("folder", r"before 1 rename to .*claims/ID/dropped$", "a folder about to be claimed"),
    ("folder", r"after 1 rename to .*claims/ID/dropped$", "a folder claimed, not in the database"),
    ("folder", r"after 1 rename to new inbox/done/.*/cup$", "a folder returned, its claim still there"),
    ("again", "before 1 store.transaction of record", "a status file read, its job not queued"),
    ("video", "before 1 examine tags", "a video of ours claimed, not asked for its job"),
    ("video", r"after 2 rename to .*claims/ID/claim\.json", "a video's picture found and saved, not named"),
    ("retry", "after 1 store.transaction of _name", "taken back, the picture that it names still away"),
    ("retry", r"after 1 rename to new inbox/image-to-video/blue\.jpg", "all taken back, nothing examined"),
    ("retry", "before 1 store.mark_drop record", "done, and where its files go still what it was before"),
    ("retry", "after 1 store.mark_drop record", "done, where its files go in the database alone"),
    ("parts", "before 2 submit", "its first part kept, its second not sent"),
    ("parts", "after 2 submit", "its second part sent, its answer heard by nobody"),
    ("parts", r"before 1 rename to var/work/ID/parts-ID/0000\.mp4", "its first part half kept"),
    ("parts", "before 1 store.plan", "its first part kept, and not said"),
    ("parts", "after 1 store.plan", "its next part planned, the job still running"),
    ("parts", "before 2 store.move queued", "its second part kept, the job still running"),
    ("parts", "after 2 store.move queued", "waiting for its last part, not shown"),
    ("cancel", "before 1 store.transaction of ask_to_cancel", "seen with an order that nobody has heard"),
    ("cancel", "after 1 unlink inbox/.*/cup.cancel", "to be cancelled, and the order gone"),
    ("cancel", r"after 1 rename to .*claims/ID/dropped$", "to be cancelled, and claimed for that"),
    ("cancel", "after 1 store.move cancelled", "cancelled, its folder not returned"),
]


@pytest.mark.parametrize(("kind", "fuel", "meaning"), POINTS, ids=[meaning for _, _, meaning in POINTS])
def test_a_job_ends_once_after_a_kill(tmp_path: Path, engine_outside: str, kind: str, fuel: str, meaning: str):
    scene = Scene(tmp_path, kind, engine_outside)
    life = scene.run(fuel)
    assert life.killed, f"ended with {life.code}; last effect: {life.last}"
    scene.finish()
    scene.check()


def test_a_job_ends_once_though_its_recovery_is_killed_too(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "image", engine_outside)
    assert scene.run("before 1 store.move done").killed
    assert scene.run(r"after 1 rename to .*claims/ID$").killed
    assert scene.run(r"before 1 rename to new inbox/done/.*/cup\.yaml").killed
    scene.finish()
    scene.check()


@pytest.mark.parametrize("fuel", [r"after 1 unlink outbox/.*/cup\.status\.json", "after 1 store.change name"])
def test_a_name_that_somebody_takes_meanwhile_leaves_no_second_status_file(
    tmp_path: Path, engine_outside: str, fuel: str
):
    scene = Scene(tmp_path, "text", engine_outside)
    assert scene.run("before 1 copy to outbox/").killed
    theirs = tmp_path / "outbox" / "text-to-video" / "cup.mp4"
    theirs.write_bytes(b"somebody's")
    assert scene.run(fuel).killed
    scene.finish()
    assert scene.files("outbox")["text-to-video/cup.mp4"] == b"somebody's"
    assert set(scene.files("outbox")) == {
        "text-to-video/cup.mp4", "text-to-video/cup_2.mp4", "text-to-video/cup_2.status.json",
    }  # fmt: skip
    assert scene.posted() - scene.posted_before == 1


def test_a_drop_that_vanishes_leaves_nothing_though_its_forgetting_is_killed(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "text", engine_outside)
    assert scene.run(r"after 1 rename to outbox/.*/cup\.status").killed
    (tmp_path / "inbox" / "text-to-video" / "cup.yaml").unlink()
    assert scene.run("before 1 store.transaction of _cancel").killed
    scene.finish()
    assert scene.states() == {"cup": "cancelled"}
    assert scene.files("outbox") == {}


def test_a_backend_that_was_given_another_name_goes_on_with_what_it_has(tmp_path: Path, engine_outside: str):
    scene = Scene(tmp_path, "text", engine_outside)
    assert scene.run("after 1 submit").killed
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace('"server"', '"big-one"'))
    scene.finish()
    scene.check()


@pytest.mark.parametrize("fuel", ["after 1 submit", "before 1 fetch"], ids=["rendering", "rendered"])
def test_the_embedded_engine_dies_with_its_daemon_and_the_job_ends_once_all_the_same(tmp_path: Path, fuel: str):
    scene = Scene(tmp_path, "text", None)
    assert scene.run(fuel).killed
    until(lambda: not engines_in(tmp_path), "the end of the engine")
    scene.finish()
    scene.check()


def test_what_is_published_is_not_rendered_again_though_its_engine_is_gone(tmp_path: Path):
    scene = Scene(tmp_path, "text", None)
    assert scene.run("before 1 store.move done").killed
    published = tmp_path / "outbox" / "text-to-video" / "cup.mp4"
    # Where files get their names by hard links, a kill between link and unlink leaves this.
    published.with_name(".cup.mp4.0123456789ab.part").hardlink_to(published)
    assert "submit" not in scene.finish().effects
    scene.check()


def test_an_engine_that_dies_in_mid_render_is_started_again_and_the_job_goes_on(tmp_path: Path):
    world = World(tmp_path, None)
    with world:
        world.drop("text-to-video/harbour.yaml", SLOW)
        kill_engine_at_work(world)
        world.until_state("text-to-video/harbour", "done")
        world.until_returned("done/text-to-video/harbour.yaml")
    assert [name for name in world.outbox() if name.endswith(".mp4")] == ["text-to-video/harbour.mp4"]


@pytest.mark.timeout(90)
def test_a_job_under_which_an_engine_dies_twice_is_set_aside_and_the_rest_goes_on(tmp_path: Path):
    world = World(tmp_path, None)
    with world:
        world.drop("text-to-video/harbour.yaml", SLOW)
        first = kill_engine_at_work(world)
        kill_engine_at_work(world, but=first)
        hold = world.until_hold("text-to-video/harbour", "set_aside")
        assert "died 2 times" in hold["title"]
        assert 'reeldrop retry "text-to-video/harbour"' in hold["fix"]
        world.drop("text-to-video/lake.yaml", f"prompt: a lake\n{TINY}")
        world.until_state("text-to-video/lake", "done")
        world.until_returned("done/text-to-video/lake.yaml")
        assert world.status("text-to-video/harbour")["state"] == "queued"
    assert world.outbox() == [
        "text-to-video/harbour.status.json", "text-to-video/lake.mp4", "text-to-video/lake.status.json",
    ]  # fmt: skip


SLOW = "prompt: a harbour\nseed: 1\nframes: 16\nsteps: 30\n"


def engines_in(folder: Path) -> list[psutil.Process]:
    """Return the engine processes whose files lie in a folder."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        command = process.info["cmdline"] or []
        if "service.engine" in command and str(folder) in " ".join(command):
            found.append(process)
    return found


def kill_engine_at_work(world: World, but: int = 0) -> int:
    """kill -9 the engine once it renders; `but` is one that was killed before. Returns its process id."""

    def working() -> bool:
        return any(engine.pid != but and is_working(engine) for engine in engines_in(world.folder))

    world.until(working, "a render")
    (engine,) = engines_in(world.folder)
    engine.kill()
    return engine.pid


def is_working(engine: psutil.Process) -> bool:
    """Tell whether an engine runs a prompt, by its own word."""
    ports = [each.laddr.port for each in engine.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    if not ports:
        return False
    with requests.Session() as session:
        session.trust_env = False
        return bool(session.get(f"http://127.0.0.1:{ports[0]}/queue", timeout=5).json()["queue_running"])


def until(met: Callable[[], bool], what: str, deadline_s: float = 10) -> None:
    """Wait until something holds."""
    end = time.monotonic() + deadline_s
    while not met():
        assert time.monotonic() < end, f"{what} did not come"
        time.sleep(0.01)

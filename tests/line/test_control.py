"""Cancel: whatever a job is doing when somebody asks, it ends cancelled once, and its files come back."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
import requests

from service import control
from service.errors import Rejected, Unavailable
from service.examiner import OpenNsfw
from service.job import State
from tests.faults.proxy import Proxy
from tests.line.crashing import Scene
from tests.line.world import MANY_STEPS, SMALL, World

CUP = f"prompt: a cup\n{SMALL}"
#: Long enough to be cancelled in its middle:
#: many seconds even on a quick machine; no test waits for its end.
LONG = f"prompt: a harbour\nseed: 1\nwidth: 768\nheight: 768\nframes: 64\nsteps: {MANY_STEPS}\n"


@pytest.fixture
def proxy(engine_outside: str) -> Iterator[Proxy]:
    with Proxy(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, proxy: Proxy) -> Iterator[World]:
    world = World(tmp_path, proxy.url)
    # The marker classifier would find its colour in the noise of the first steps.
    world.classifier = OpenNsfw
    yield world
    proxy.thaw()
    world.stop()


def order(world: World, path: str) -> Path:
    """Put NAME.cancel into the outbox."""
    target = world.config.output_dir / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"")
    return target


def ask(url: str, path: str, **said: object) -> dict:
    """Ask a server as somebody else."""
    with requests.Session() as session:
        session.trust_env = False
        answer = session.post(f"{url}{path}", json=said, timeout=10) if said else session.get(url + path, timeout=10)
    return answer.json() if answer.content else {}


def server_queue(url: str) -> tuple[list[str], list[str]]:
    """Return the ids of the prompts that a server runs and that wait there."""
    queue = ask(url, "/queue")
    return [row[1] for row in queue["queue_running"]], [row[1] for row in queue["queue_pending"]]


def until_rendering(world: World, proxy: Proxy) -> None:
    world.until(lambda: len(server_queue(proxy.upstream)[0]) == 1, "a render")


def assert_cancelled_once(world: World, path: str) -> None:
    """Assert what is so of every job that was cancelled."""
    status = world.until_state(path, "cancelled")
    assert status["error"]["code"] == "cancelled"
    assert status["error"]["title"] == "It was cancelled."
    assert "retry" in status["error"]["fix"]
    assert {file for file in world.outbox() if file.startswith(f"{path}.")} <= {f"{path}.status.json", f"{path}.cancel"}

    def ends() -> int:
        return sum(job.id == status["job"] and job.state is State.CANCELLED for job in world.changes)

    world.until(lambda: ends() > 0, f"the end of {path} for whoever listens")
    assert ends() == 1
    assert not (world.config.state_dir / "work" / status["job"]).exists()


def queue_up(world: World, proxy: Proxy, *names: str) -> None:
    """Have jobs queued that nobody can send."""
    proxy.freeze()
    for name in names:
        world.drop(f"text-to-video/{name}.yaml", CUP)
    for name in names:
        world.until_state(f"text-to-video/{name}", "queued")


def test_a_queued_job_is_cancelled_at_once_and_its_files_come_back(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "cup", "other")
    mark = order(world, "text-to-video/CUP.yaml.cancel.txt")
    assert_cancelled_once(world, "text-to-video/cup")
    world.until_returned("rejected/text-to-video/cup.yaml")
    world.until(lambda: not mark.exists(), "the end of the control file")
    assert (world.config.inbox_dir / "rejected/text-to-video/cup.yaml").read_text() == CUP
    assert "It was cancelled." in world.reason("text-to-video/cup")
    assert world.status("text-to-video/other")["state"] == "queued"
    assert proxy.prompts_sent == 0


def test_a_render_is_stopped_at_the_server_and_the_next_job_runs(world: World, proxy: Proxy):
    world.start()
    world.drop("text-to-video/long.yaml", LONG)
    until_rendering(world, proxy)
    world.app.control.cancel_named("text-to-video", "", "LONG")
    assert_cancelled_once(world, "text-to-video/long")
    assert server_queue(proxy.url) == ([], [])
    # A render of this size would soon have ended by itself.
    # A newer ComfyUI has a way to cancel by the prompt's id.
    assert ("POST", "/interrupt") in proxy.requests or "COMFY_URL" in os.environ
    assert ("GET", "/view") not in proxy.requests
    world.drop("text-to-video/cup.yaml", CUP)
    world.until_state("text-to-video/cup", "done")


def test_a_prompt_that_waits_at_the_server_is_taken_out_and_somebody_elses_runs_on(world: World, proxy: Proxy):
    world.start()
    proxy.freeze()
    world.drop("text-to-video/long.yaml", LONG)
    job = world.until_state("text-to-video/long", "queued")["job"]
    theirs = str(uuid4())
    ask(proxy.upstream, "/prompt", prompt=world.app.store.render(job).graph, prompt_id=theirs, client_id="them")
    proxy.thaw()
    world.until(lambda: len(server_queue(proxy.upstream)[1]) == 1, "our prompt behind theirs")
    world.until(lambda: world.status("text-to-video/long")["engine"] is not None, "its engine")
    # Nobody who reads it has a ComfyUI where our own engine draws.
    whose = "the preview engine" if "preview engine" in world.status("text-to-video/long")["engine"] else "ComfyUI"
    world.until(lambda: any(job.stage == f"waiting in {whose}'s queue" for job in world.changes), "its stage")
    assert "cancelled" in world.app.control.cancel(job)
    assert_cancelled_once(world, "text-to-video/long")
    assert server_queue(proxy.upstream) == ([theirs], [])
    # Old servers stop whatever runs, so they are never asked while it isn't ours.
    assert ("POST", "/interrupt") not in proxy.requests
    ask(proxy.upstream, "/interrupt", prompt_id=theirs)


def test_a_server_that_is_gone_runs_nothing_so_its_job_is_cancelled_without_it(world: World, proxy: Proxy):
    world.start()
    world.drop("text-to-video/long.yaml", LONG)
    until_rendering(world, proxy)
    proxy.refuse()
    world.until_hold("text-to-video/long", "refused")
    world.app.control.cancel_named("text-to-video", "", "long")
    assert_cancelled_once(world, "text-to-video/long")
    for prompt_id in server_queue(proxy.upstream)[0]:
        ask(proxy.upstream, "/interrupt", prompt_id=prompt_id)
    proxy.accept()


def test_a_batch_is_cancelled_by_its_name_and_one_of_it_by_its_own(world: World, proxy: Proxy):
    world.start()
    proxy.freeze()
    world.drop("text-to-video/takes.yaml", f"{CUP}count: 3\n")
    world.until_state("text-to-video/takes_0003", "queued")
    world.app.control.cancel("takes_0002")
    assert_cancelled_once(world, "text-to-video/takes_0002")
    assert world.status("text-to-video/takes")["state"] in ("queued", "running")
    world.app.control.cancel("takes")
    for name in ("takes_0001", "takes_0003"):
        assert_cancelled_once(world, f"text-to-video/{name}")
    world.until_state("text-to-video/takes", "cancelled")
    world.until_returned("rejected/text-to-video/takes.yaml")


def test_a_result_that_waits_for_the_outbox_is_thrown_away(world: World, proxy: Proxy):
    world.start()
    world.app.publishing._results._check_outbox = offline
    world.drop("text-to-video/cup.yaml", CUP)
    world.until_hold("text-to-video/cup", "folder_offline")
    assert next((world.config.state_dir / "work").rglob("result.mp4")).is_file()
    world.app.control.cancel("cup")
    assert_cancelled_once(world, "text-to-video/cup")
    world.until_returned("rejected/text-to-video/cup.yaml")


def offline() -> None:
    raise Unavailable("folder_offline", "The outbox is offline.", "Mount it again.")


def test_what_is_being_done_for_a_result_is_cut_off(world: World, proxy: Proxy):
    world.start()
    results = world.app.publishing._results
    begun = []

    def encode(job, *_more):
        begun.append(job)
        if results._stop_of(job).wait(20):
            raise Unavailable("stopping", "The service is stopping.", "It goes on after the next start.")
        raise AssertionError("nobody has cut it off")

    results._finish = encode
    world.drop("text-to-video/cup.yaml", CUP)
    world.until(lambda: begun, "the encoding")
    world.app.control.cancel("cup")
    assert_cancelled_once(world, "text-to-video/cup")
    assert len(begun) == 1


def test_a_result_that_is_in_the_outbox_was_cancelled_too_late(world: World, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO)
    world.start()
    publish = world.app.outbox.publish

    def publish_and_be_asked(*arguments):
        path = publish(*arguments)
        world.app.control.cancel("cup")
        return path

    world.app.outbox.publish = publish_and_be_asked
    world.drop("text-to-video/cup.yaml", CUP)
    assert world.until_state("text-to-video/cup", "done", "cancelled")["state"] == "done"
    world.until_returned("done/text-to-video/cup.yaml")
    assert "text-to-video/cup.mp4" in world.outbox()
    assert "too late" in caplog.text


def test_nothing_that_goes_by_a_name_is_said_with_what_comes_near(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "harbour")
    with pytest.raises(Rejected, match="Did you mean harbour"):
        world.app.control.cancel("harbor")
    with pytest.raises(Rejected, match="in face-swap"):
        world.app.control.cancel("harbour", "face-swap")
    # As people see it in the inbox.
    assert world.app.control.cancel("text-to-video/harbour.yaml") == "text-to-video/harbour: cancelled."
    assert_cancelled_once(world, "text-to-video/harbour")


def test_several_drops_of_one_name_are_told_apart_by_their_ids(world: World, proxy: Proxy):
    world.start()
    proxy.freeze()
    for folder in ("red", "blue"):
        world.drop(f"text-to-video/{folder}/cup.yaml", CUP)
    drops = {folder: world.until_state(f"text-to-video/{folder}/cup", "queued")["drop"] for folder in ("red", "blue")}
    with pytest.raises(Rejected) as several:
        world.app.control.cancel("cup")
    assert all(drop in several.value.problems[0].fix for drop in drops.values())
    world.app.control.cancel(drops["red"])
    assert_cancelled_once(world, "text-to-video/red/cup")
    assert world.status("text-to-video/blue/cup")["state"] == "queued"


def test_an_order_that_came_too_late_disappears_without_harm(world: World, proxy: Proxy):
    with world:
        world.drop("text-to-video/cup.yaml", CUP)
        world.until_state("text-to-video/cup", "done")
        mark = order(world, "text-to-video/cup.cancel")
        world.until(lambda: not mark.exists(), "the end of the control file")
        assert world.status("text-to-video/cup")["state"] == "done"


def test_an_order_that_cannot_be_removed_is_obeyed_once(world: World, proxy: Proxy):
    world.start()
    unlink = world.app.control._disk.unlink

    def refuse(path: Path) -> None:
        if path.suffix == ".cancel":
            raise PermissionError(13, "Permission denied")
        unlink(path)

    world.app.control._disk.unlink = refuse
    queue_up(world, proxy, "cup")
    order(world, "text-to-video/cup.cancel")
    assert_cancelled_once(world, "text-to-video/cup")
    queue_up(world, proxy, "cup")
    looked = world.app.control._next_look_s
    world.until(lambda: world.app.control._next_look_s > looked + 1, "another look")
    assert world.status("text-to-video/cup")["state"] == "queued"


def test_a_queued_job_whose_cancelling_a_crash_cut_short_is_not_sent(world: World, proxy: Proxy):
    world.start()
    queue_up(world, proxy, "cup")
    world.app.store.change(world.status("text-to-video/cup")["job"], cancel=True)
    proxy.thaw()
    world.stop()
    world.start()
    assert_cancelled_once(world, "text-to-video/cup")
    assert proxy.prompts_sent == 0


@pytest.mark.parametrize("fuel", ["before 1 stop", "after 1 stop", "before 1 store.move cancelled"])
def test_a_kill_between_the_asking_and_the_end_forgets_nothing(tmp_path: Path, engine_outside: str, fuel: str):
    scene = Scene(tmp_path, "long", engine_outside)
    folder = tmp_path / "outbox" / "text-to-video"

    def cancel_once_it_runs() -> None:
        end = time.monotonic() + 25
        while time.monotonic() < end:
            with suppress(FileNotFoundError):
                # Before that it may not have been sent, and is then nothing to interrupt.
                if '"stage": "sampling' in (folder / "cup.status.json").read_text(encoding="utf-8"):
                    (folder / "cup.cancel").touch()
                    return
            time.sleep(0.01)

    user = threading.Thread(target=cancel_once_it_runs)
    user.start()
    life = scene.run(fuel)
    user.join()
    assert life.killed, f"ended with {life.code}; last effect: {life.last}"
    scene.finish()
    assert scene.states() == {"cup": "cancelled"}
    assert set(scene.files("outbox")) == {"text-to-video/cup.status.json"}
    assert set(scene.files("inbox")) == {"rejected/text-to-video/cup.yaml", "rejected/text-to-video/cup.reason.txt"}
    assert server_queue(engine_outside) == ([], [])
    assert scene.posted() - scene.posted_before == 1
    assert list((tmp_path / "var" / "work").rglob("*")) == []


def test_of_very_many_jobs_the_rest_is_ended_by_the_next_looks(
    world: World, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(control, "_AT_ONCE", 2)
    world.start()
    proxy.freeze()
    world.drop("text-to-video/takes.yaml", f"{CUP}count: 5\n")
    world.until_state("text-to-video/takes_0005", "queued")
    world.app.control.cancel("takes")
    world.until_state("text-to-video/takes", "cancelled")
    world.until_returned("rejected/text-to-video/takes.yaml")
    assert proxy.prompts_sent == 0

"""Backends and held groups as a person sees them: pause, resume and status, beside a daemon and without one."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from service.comfy.folders import models_of
from service.commands import commands
from service.durations import WHOLE, Lap, size_of
from service.errors import Problem, error_of
from service.job import State
from tests.commands.test_asking import call, queue_up, world
from tests.line.world import World

__all__ = ["world"]
CUPS = ("text-to-video/one", "text-to-video/two", "text-to-video/three", "text-to-video/four")


def report_of(world: World) -> dict[str, Any]:
    return json.loads(call(world, "status", "--json").output)


@pytest.mark.parametrize("running", [True, False])
def test_a_backend_is_paused_and_resumed_with_and_without_a_daemon(world: World, running: bool):
    world.start()
    if not running:
        world.stop()
    told = call(world, "pause", "backend", "gpu")
    assert (told.exit_code, told.output) == (
        0,
        "The backend gpu takes nothing new; what runs there ends. `reeldrop resume backend gpu` lets it go on.\n",
    )
    assert report_of(world)["backends"][0]["draining"] is True
    assert "backend gpu: " in call(world, "status").output
    assert "`reeldrop resume backend gpu` ends it" in call(world, "status").output
    wrong = call(world, "pause", "backend", "gpux", "--json")
    assert wrong.exit_code == 1
    assert "Did you mean gpu?" in json.loads(wrong.output)["problems"][0]["fix"]
    assert json.loads(call(world, "resume", "backend", "gpu", "--json").output) == {"said": "The backend gpu goes on."}
    assert report_of(world)["backends"][0]["draining"] is False
    world.stop()


def test_words_that_name_nothing_are_wrong_use(world: World):
    world.start()
    assert call(world, "pause", "workflow", "x").exit_code == 2
    assert call(world, "resume", "tasks", "x").exit_code == 2
    assert "backend, workflow or model" in call(world, "resume", "tasks", "x").output
    assert commands.commands["resume"].params


def test_a_workflow_whose_jobs_fail_alike_is_held_alone_until_it_is_resumed(world: World):
    with world:
        queue_up(world, *CUPS, "text-to-video/five")
        store = world.app.store
        error = error_of([Problem("node_failed", "ComfyUI failed at node 7 (KSampler): no.", "Change it.")])
        for path in CUPS[:3]:
            job = next(each for each in store.in_states(State.QUEUED) if each.name == path.split("/")[1])
            store.move(job.id, State.RUNNING, backend="gpu")
            world.app.ending.end(job.id, State.FAILED, error=error)
        hold = world.until_hold("text-to-video/four", "same_failures")
        assert hold["title"].startswith("3 jobs in a row with the workflow text_to_video_basic failed alike: ComfyUI")
        world.until(world.app.stuck, "nothing to do before somebody resumes it")
        told = call(world, "status").output
        assert "held: 3 jobs in a row with the workflow text_to_video_basic" in told
        assert [job["place"] for job in report_of(world)["jobs"] if job["state"] == "queued"] == [None, None]
    # The hold outlives the daemon.
    world.start()
    assert report_of(world)["held"][0]["name"] == "text_to_video_basic"
    assert call(world, "resume", "workflow", "text_to_video").exit_code == 1
    told = call(world, "resume", "workflow", "text_to_video_basic")
    assert told.output == "The workflow text_to_video_basic goes on.\n"
    world.until(
        lambda: (world.status("text-to-video/four")["hold"] or {}).get("code") != "same_failures", "its release"
    )
    assert report_of(world)["held"] == []
    world.stop()


def test_what_became_of_each_job_is_counted_by_the_node_that_failed_and_a_success_begins_anew(world: World):
    with world:
        queue_up(world, *CUPS, *(f"text-to-video/more{number}" for number in range(4)))
        store = world.app.store

        def end(node: str) -> None:
            job = store.in_states(State.QUEUED)[0]
            store.move(job.id, State.RUNNING, backend="gpu")
            error = error_of([Problem("node_failed", f"ComfyUI failed at node 7 ({node}): no.", "Change it.")])
            world.app.ending.end(job.id, State.FAILED if node else State.DONE, **({"error": error} if node else {}))

        for node in ("KSampler", "KSampler", "VAEDecode", "VAEDecode", "", "VAEDecode", "VAEDecode"):
            end(node)
            assert store.held_groups() == []
        end("VAEDecode")
        assert [cohort.name for cohort in store.held_groups()] == ["text_to_video_basic"]


def test_what_a_job_loads_is_known_once_it_is_queued(world: World):
    with world:
        queue_up(world, CUPS[0])
        (job,) = world.app.store.in_states(State.QUEUED)
        assert job.models == models_of(world.app.store.render(job.id).graph) != []


def test_status_says_what_each_backend_does_and_when_a_job_will_be_done(world: World):
    with world:
        for path in CUPS:
            queue_up(world, path)
        store = world.app.store
        jobs = {job.name: job for job in store.in_states(State.QUEUED)}
        store.move(jobs["one"].id, State.RUNNING, backend="gpu", eta_seconds=30)
        size = size_of(jobs["two"].settings)
        store.add_laps("text_to_video_basic", [Lap(WHOLE, "", "gpu", size, 60.0)])
        # What the lane says of its backend is said here instead.
        for lane in world.app.lanes:
            lane.stop()
        world.until(lambda: not any(each.name == "lane gpu" for each in threading.enumerate()), "the lane's end")
        store.note_backend("gpu", {
            "answers": True, "engine": "ComfyUI 0.33.0", "running": [jobs["one"].id], "queued": [],
            "others_running": 0, "others_queued": 2,
        })  # fmt: skip
        report, told = report_of(world), call(world, "status").output
    (backend,) = report["backends"]
    assert (backend["answers"], backend["running"], backend["others"]) == (
        True, ["text-to-video/one"], {"running": 0, "queued": 2},
    )  # fmt: skip
    assert "backend gpu: answers (ComfyUI 0.33.0); runs text-to-video/one; 2 prompts of other people" in told
    by_name = {job["name"]: job for job in report["jobs"]}
    # Two prompts of other people are taken to need what ours need, a minute each; ours has half a minute left.
    assert {name: by_name[name]["place"] for name in ("two", "three", "four")} == {"two": 3, "three": 4, "four": 5}
    assert [by_name[name]["eta_seconds"] for name in ("two", "three", "four")] == [210, 270, 330]
    assert "number 3 in the queue, done in about 4 min" in told


def test_a_token_is_shown_nowhere(world: World):
    config = (world.folder / "config.yaml").read_text()
    secret = "hush-hush-hush"
    (world.folder / "config.yaml").write_text(
        config.replace("}]", f", token: {secret}, headers: {{X-Key: {secret}}}}}]")
    )
    world.start()
    for words in (["status"], ["status", "--json"], ["schema", "config"]):
        told = call(world, *words)
        assert told.exit_code == 0
        assert secret not in told.output
    world.stop()

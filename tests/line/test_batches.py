"""Several jobs of one drop: numbered flat, shown as one, refused as one, and given back once."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import Problem, error_of
from service.job import State
from tests.line.world import SMALL, World

SHARED = f"prompt: a harbour\n{SMALL}"


@pytest.fixture
def idle(tmp_path: Path):
    """A daemon without any server: what it queues stays queued."""
    world = World(tmp_path, None, engine="off")
    yield world
    world.stop()


def names(world: World) -> list[str]:
    return [job.name for job in reversed(world.app.store.newest(10_000))]


def test_jobs_and_counts_are_numbered_flat_in_the_order_written(idle: World):
    with idle:
        idle.drop("text-to-video/mix.yaml", f"{SHARED}jobs:\n- count: 2\n- seed: 7\n  count: 2\n- prompt: a lake\n")
        idle.until_state("text-to-video/mix", "queued")
        jobs = [idle.status(f"text-to-video/mix_{number:04}") for number in range(1, 6)]
        batch = idle.status("text-to-video/mix")
    assert [job["seed"] for job in jobs] == [1, 2, 7, 8, 1]
    assert [job["settings"]["prompt"] for job in jobs] == ["a harbour"] * 4 + ["a lake"]
    assert {job["batch"] for job in jobs} == {batch["job"]}
    assert batch["kind"] == "batch"
    assert batch["jobs"] == {
        "total": 5,
        "states": {"queued": 5},
        "listed": [{"name": f"mix_{number:04}", "state": "queued"} for number in range(1, 6)],
    }


def test_documents_are_jobs_too_and_each_draws_its_own_seed(idle: World):
    with idle:
        idle.drop("text-to-video/two.yaml", "prompt: a harbour\n---\nprompt: a lake\n")
        idle.until_state("text-to-video/two", "queued")
        seeds = {idle.status(f"text-to-video/two_000{number}")["seed"] for number in (1, 2)}
    assert len(seeds) == 2


def test_one_job_in_a_list_is_called_as_its_file(idle: World):
    with idle:
        idle.drop("text-to-video/one.yaml", f"{SHARED}jobs:\n- prompt: a lake\n")
        idle.until_state("text-to-video/one", "queued")
        assert names(idle) == ["one"]


def test_an_output_name_stands_for_the_files_name(idle: World):
    with idle:
        idle.drop("text-to-video/x.yaml", f"{SHARED}output: {{name: 'sea: calm'}}\n")
        idle.until_state("text-to-video/sea_ calm", "queued")
        # Until it is written under the new name, the old one stays.
        idle.until(lambda: idle.outbox() == ["text-to-video/sea_ calm.status.json"], "the end of the old name")


def test_an_output_name_in_one_of_several_stands_in_that_ones_number(idle: World):
    with idle:
        content = f"{SHARED}jobs:\n- seed: 1\n- seed: 2\n  output: {{name: lake}}\n"
        idle.drop("text-to-video/x.yaml", content)
        idle.until_state("text-to-video/x", "queued")
        assert names(idle) == ["x", "x_0001", "lake_0002"]
        # A second one of any of these names gets another number, in all of them.
        idle.drop("text-to-video/y.yaml", content)
        idle.until_state("text-to-video/y_2", "queued")
        assert names(idle)[3:] == ["y_2", "y_2_0001", "lake_2_0002"]


def test_a_second_batch_of_a_name_is_numbered_after_it(idle: World):
    with idle:
        (idle.config.output_dir / "text-to-video").mkdir(parents=True)
        (idle.config.output_dir / "text-to-video/takes_0002.mp4").write_bytes(b"somebody's")
        idle.drop("text-to-video/takes.yaml", f"{SHARED}count: 2\n")
        idle.until_state("text-to-video/takes_2", "queued")
        assert names(idle) == ["takes_2", "takes_2_0001", "takes_2_0002"]
        idle.until(lambda: "text-to-video/takes.status.json" not in idle.outbox(), "the end of the old name")


def test_one_refused_job_refuses_the_whole_drop_and_each_reason_says_whose_it_is(idle: World):
    with idle:
        idle.drop("text-to-video/mix.yaml", f"{SHARED}jobs:\n- seed: 1\n- frames: 5000\n- widht: 3\n")
        status = idle.until_state("text-to-video/mix", "rejected")
        idle.until_returned("rejected/text-to-video/mix.yaml")
    assert {problem["line"] for problem in status["error"]["problems"]} == {9, 10}
    assert idle.outbox() == ["text-to-video/mix.status.json"]


def test_priorities_and_presets_are_each_jobs_own(idle: World):
    with idle:
        idle.drop("text-to-video/p.yaml", f"{SHARED}jobs:\n- priority: low\n- preset: quick\n  priority: 7\n")
        idle.until_state("text-to-video/p", "queued")
        rows = {job.name: job for job in idle.app.store.newest(10)}
    assert [rows[name].priority for name in ("p_0001", "p_0002")] == [-50, 7]
    assert [rows[name].settings.get("preset") for name in ("p_0001", "p_0002")] == [None, "quick"]


def test_the_reason_names_the_first_of_many_and_how_many_more(idle: World):
    with idle:
        idle.drop("text-to-video/many.yaml", f"{SHARED}count: 30\n")
        idle.until_state("text-to-video/many", "queued")
        store = idle.app.store
        for job in store.in_states(State.QUEUED)[2:]:
            error = error_of([Problem("engine_died", f"The engine died under {job.name}.", "Retry it.")])
            idle.app.ending.end(job.id, State.FAILED, error=error)
        batch = idle.status("text-to-video/many")
        assert batch["state"] == "running"
        assert batch["jobs"]["states"] == {"queued": 2, "failed": 28}
        assert len(batch["jobs"]["listed"]) == 20
        assert {listed["state"] for listed in batch["jobs"]["listed"]} == {"failed"}
        for job in store.in_states(State.QUEUED):
            idle.app.ending.end(job.id, State.CANCELLED)
        reason = idle.reason("text-to-video/many")
        assert idle.status("text-to-video/many")["state"] == "failed"
    assert "30 of 30 jobs aren't done." in reason
    assert "many_0001 was cancelled." in reason
    assert "many_0020 failed." in reason
    assert "many_0021" not in reason
    assert "And 10 more" in reason


def test_a_batch_of_which_only_cancelled_jobs_are_missing_is_cancelled(idle: World):
    with idle:
        idle.drop("text-to-video/takes.yaml", f"{SHARED}count: 2\n")
        idle.until_state("text-to-video/takes", "queued")
        first, second = idle.app.store.in_states(State.QUEUED)
        idle.app.store.move(first.id, State.RUNNING)
        idle.app.ending.end(first.id, State.DONE, progress=1.0)
        idle.app.ending.end(second.id, State.CANCELLED)
        assert idle.status("text-to-video/takes")["state"] == "cancelled"


def test_a_drop_that_was_cancelled_while_it_waited_goes_to_rejected(idle: World):
    with idle:
        idle.app.admission._admit = lambda _claims: None  # as if the examiners were busy
        idle.drop("text-to-video/cup.yaml", SHARED)
        idle.until(lambda: bool(idle.app.store.claimed_drops()), "a claim")
        (drop,) = idle.app.store.claimed_drops()
        (job,) = idle.app.store.of_drop(drop.id)
        idle.app.store.change(job.id, cancel=True)
    with World(idle.folder, None, engine="off") as again:
        again.until_state("text-to-video/cup", "cancelled")
        again.until_returned("rejected/text-to-video/cup.yaml")
        assert "was cancelled" in again.reason("text-to-video/cup")

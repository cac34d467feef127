"""The queue in SQLite: the next job, places and holds are found without reading ten thousand rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.job import Drop, Hold, Job, State
from service.schedule import Turn
from service.store import Store

AT = "2026-11-22T00:00:00.000Z"
PAUSED = Hold("paused", "It is paused.", "Resume.", AT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "a.db")
    yield store
    store.close()


def add(store: Store, name: str, task: str = "text-to-video", **values: object) -> Job:
    """Add a drop with one job of this name; it is queued unless said otherwise."""
    grouping = str(values.pop("grouping", ""))
    drop = Drop(f"drop-{name}", task, grouping, str(values.pop("dropped", name)), "job_file", (f"{task}/{name}.yaml",))
    job = Job(f"id-{name}", drop.id, "job", None, task, grouping, name, State.QUEUED, seen_at=AT, updated_at=AT)
    return store.see(drop, replace(job, **values))


def batch(store: Store, name: str, jobs: int) -> None:
    """Add a batch of so many queued jobs."""
    row = add(store, name, kind="batch")
    for number in range(1, jobs + 1):
        each = f"{name}_{number:04}"
        store.add(
            Job(f"id-{each}", row.drop, "job", row.id, row.task, "", each, State.QUEUED, seen_at=AT, updated_at=AT)
        )


def steps(store: Store, ask) -> int:
    """Return how much work SQLite does for a question, in its own steps."""
    spent = [0]

    def count() -> int:
        spent[0] += 1
        return 0

    store._connection.set_progress_handler(count, 100)
    ask()
    store._connection.set_progress_handler(None, 0)
    return spent[0] * 100


def test_each_folder_has_its_head_by_priority_then_arrival(store: Store):
    add(store, "one")
    add(store, "two", priority=50)
    add(store, "other", task="image-to-video")
    add(store, "over", task="face-swap", state=State.DONE)
    add(store, "leaving", task="face-swap", cancel=True)
    assert store.queued_tasks() == ["face-swap", "image-to-video", "text-to-video"]
    heads = [turn.id for task in store.queued_tasks() for turn in store.candidates([task], 1)]
    assert heads == ["id-other", "id-two"]


def test_the_last_start_of_a_folder_counts_whatever_became_of_it(store: Store):
    add(store, "one", started_at="2026-01-01", state=State.DONE)
    add(store, "two", started_at="2026-01-03", state=State.FAILED)
    assert store.last_started(["text-to-video", "image-to-video"]) == {"text-to-video": "2026-01-03"}


def test_places_follow_the_turns_of_folders_and_leave_out_what_is_paused(store: Store):
    for name in ("a", "b", "c"):
        add(store, name)
    add(store, "late", task="image-to-video")
    assert store.places() == {"id-a": 1, "id-late": 2, "id-b": 3, "id-c": 4}
    assert store.places(["text-to-video"]) == {"id-late": 1}
    assert store.places([""]) == {}
    assert [job.name for job in store.next_queued(3)] == ["a", "late", "b"]


def test_what_a_pause_holds_is_none_of_the_next(store: Store):
    add(store, "a", hold=PAUSED)
    add(store, "b")
    assert [job.name for job in store.next_queued(5)] == ["b"]
    assert store.held_for("paused") == [("id-a", "text-to-video")]
    assert store.queued_without("paused", "text-to-video", 5) == ["id-b"]


def test_what_can_go_on_by_itself_is_told_from_what_waits_for_somebody(store: Store):
    assert not store.can_go_on([])
    assert not store.is_stuck([])
    add(store, "waits", state=State.WAITING, hold=PAUSED)
    assert not store.can_go_on([])
    assert store.is_stuck([])
    add(store, "next")
    assert store.can_go_on([])
    assert not store.is_stuck([])
    assert not store.can_go_on(["text-to-video"])
    assert store.is_stuck([""])
    store.change("id-next", hold=Hold("refused", "It is away.", "Wait.", AT))
    assert store.is_stuck([])
    store.move("id-next", State.RUNNING, backend="gpu")
    assert store.can_go_on([""])
    assert not store.is_stuck([""])
    assert store.running_on("gpu") == ["id-next"]
    assert store.running_on("other") == []


def test_a_name_finds_the_job_its_drop_its_batch_and_its_ids_in_one_folder(store: Store):
    add(store, "cup_2", dropped="cup")
    add(store, "ended", state=State.DONE)
    add(store, "cup", grouping="red", task="text-to-video", dropped="cup")
    batch(store, "takes", 2)

    def found(name: str, grouping: str = "") -> list[str]:
        return store.live_named("text-to-video", grouping, name)

    assert found("CUP_2") == found("cup") == found("id-cup_2") == found("drop-cup_2") == ["id-cup_2"]
    assert found("cup", "red") == ["id-cup"]
    assert found("takes") == found("id-takes") == ["id-takes_0001", "id-takes_0002"]
    assert found("takes_0002") == ["id-takes_0002"]
    assert found("ended") == found("nobody") == found("cup", "blue") == []
    assert store.live_named("face-swap", "", "cup") == []


def test_live_is_told_of_a_job_and_of_its_drop(store: Store):
    add(store, "one")
    add(store, "two", state=State.DONE)
    assert store.is_live("id-one")
    assert store.is_live("drop-one")
    assert not store.is_live("id-two")
    assert not store.is_live("drop-two")
    assert store.live_folders() == {("text-to-video", "")}


def test_ten_thousand_queued_jobs_cost_no_more_than_ten(store: Store):
    def fill(numbers: range) -> None:
        with store.transaction():
            for number in numbers:
                add(store, f"n{number}")

    def ask() -> None:
        tasks = store.queued_tasks()
        assert len(store.candidates(tasks, 5)) == 5
        store.last_started(tasks)
        store.running_on("gpu")
        store.asked_to_cancel("id-n1")
        store.cancelling()
        store.can_go_on([])
        store.is_stuck([])
        store.queued_without("paused", "text-to-video", 10)

    fill(range(10))
    few = steps(store, ask)
    fill(range(10, 10_000))
    assert steps(store, ask) <= few + 500


def test_candidates_are_the_next_in_order_of_what_fits(store: Store):
    for number in range(40):
        add(store, f"a{number}", workflow="one", models=["checkpoints/a"])
    add(store, "b", workflow="one", models=["checkpoints/b"])
    add(store, "other", task="image-to-video", workflow="two")
    add(store, "urgent", workflow="two", priority=50)
    add(store, "leaving", cancel=True)
    tasks = store.queued_tasks()
    assert [turn.id for turn in store.candidates(tasks, 4)] == ["id-urgent", "id-other", "id-a0", "id-a1"]
    assert [turn.id for turn in store.candidates(tasks, 5, lambda turn: turn.workflow == "two")] == [
        "id-urgent", "id-other",
    ]  # fmt: skip
    assert [turn.id for turn in store.candidates(tasks, 5, lambda turn: "checkpoints/b" in turn.models)] == ["id-b"]
    store.passed_over(["id-a0", "id-a1"])
    store.passed_over(["id-a0"])
    assert [turn.passed for turn in store.candidates(["text-to-video"], 4)] == [0, 2, 1, 0]
    assert store.candidates([], 5) == []


def test_a_crowd_that_does_not_fit_hides_nobody(store: Store):
    with store.transaction():
        for number in range(300):
            add(store, f"a{number}", workflow=f"w{number % 3}", models=["checkpoints/a"], priority=number % 2)
        for number in range(20):
            add(store, f"b{number}", workflow="w9", models=["checkpoints/b"], priority=number % 3 - 1)
    asked: list[str] = []

    def is_able(turn: Turn) -> bool:
        asked.append(turn.id)
        return "checkpoints/b" in turn.models

    fits = [turn.id for turn in store.candidates(["text-to-video"], 12, is_able)]
    # Of each kind that doesn't fit only a few are asked.
    assert len(asked) < 70
    ordered = sorted(range(20), key=lambda number: (-(number % 3 - 1), number))
    assert fits == [f"id-b{number}" for number in ordered[:12]]
    for _ in range(3):
        store.note_ending(store.get("id-a1"), "out_of_memory")
        store.note_ending(replace(store.get("id-a1"), workflow="other"), "out_of_memory")
    assert {turn.id[:4] for turn in store.candidates(["text-to-video"], 40)} == {"id-b"}


def test_a_backend_is_drained_until_somebody_resumes_it(store: Store):
    assert store.backend_state("gpu") == "on"
    assert store.drain_backend("gpu", draining=True)
    assert not store.drain_backend("gpu", draining=True)
    store.note_backend("gpu", {"answers": True, "running": ["id-a"], "others_queued": 2})
    assert store.backend_state("gpu") == "draining"
    facts = store.backends()["gpu"]
    assert (facts["running"], facts["others_queued"], facts["draining"]) == (["id-a"], 2, True)
    assert store.drain_backend("gpu", draining=False)
    assert store.backend_state("gpu") == "on"
    assert store.backends()["gpu"]["answers"] is True


def test_what_is_to_be_cancelled_is_known_by_whose_it_is_to_end(store: Store):
    for name in ("queued", "running", "ended"):
        add(store, name)
    add(store, "waiting", state=State.WAITING)
    store.move("id-running", State.RUNNING, backend="gpu")
    store.ask_to_cancel(["id-queued", "id-running", "id-ended", "id-waiting"])
    store.move("id-ended", State.CANCELLED)
    assert store.queued_to_cancel(5) == ["id-queued"]
    assert store.running_to_cancel() == ["id-running"]
    assert {job.id for job in store.cancelling()} == {"id-queued", "id-running", "id-waiting"}


def test_a_drop_that_was_cancelled_while_it_became_a_batch_takes_its_jobs_with_it(store: Store):
    batch(store, "takes", 2)
    store.change("id-takes", cancel=True)
    assert store.batches_to_cancel() == ["id-takes_0001", "id-takes_0002"]
    store.ask_to_cancel(store.batches_to_cancel())
    assert store.batches_to_cancel() == []

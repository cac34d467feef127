"""The store: whole steps, forbidden moves, a log that a person can query."""

import threading
from pathlib import Path

import pytest
from sqlite_utils import Database

from service.job import MOVES, Drop, Expected, Hold, Job, Render, State
from service.store import ForbiddenMove, Store


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "var" / "reeldrop.db")
    yield store
    store.close()


def see(store: Store, name: str = "harbour", **values) -> Job:
    drop = Drop(f"drop-{name}", "text-to-video", "", name, "job_file", (f"text-to-video/{name}.yaml",))
    job = Job(
        id=f"job-{name}",
        drop=drop.id,
        kind="job",
        batch=None,
        task=drop.task,
        grouping="",
        name=name,
        state=State.WAITING,
        seen_at="2026-11-22T00:00:00.000Z",
        updated_at="2026-11-22T00:00:00.000Z",
        **values,
    )
    return store.see(drop, job)


def test_a_job_comes_back_as_it_was_put_in(store):
    see(store)
    hold = Hold("paused", "Paused.", "Remove PAUSE.", "2026-11-22T00:00:00Z")
    store.change("job-harbour", hold=hold, settings={"steps": 4}, warnings=["é"], error={"code": "x"})
    job = store.get("job-harbour")
    assert (job.hold, job.settings, job.warnings, job.error) == (hold, {"steps": 4}, ["é"], {"code": "x"})
    assert job.number == 1


@pytest.mark.parametrize(("start", "to"), [(a, b) for a in State for b in State if b not in MOVES[a]])
def test_the_store_writes_no_move_that_the_table_forbids(store, start, to):
    see(store)
    store._connection.execute("UPDATE jobs SET state = ?", (start,))
    store._connection.commit()
    with pytest.raises(ForbiddenMove):
        store.move("job-harbour", to)
    assert store.get("job-harbour").state is start


def test_a_move_clears_the_hold_and_writes_the_log(store):
    see(store)
    store.change("job-harbour", hold=Hold("a", "b", "c", "d"))
    job = store.move("job-harbour", State.QUEUED)
    assert job.hold is None
    assert job.queued_at
    events = [
        row["event"] for row in Database(store._connection).query("select event from events where job = 'job-harbour'")
    ]
    assert events == ["seen", "queued"]


def test_a_failing_transaction_leaves_nothing_behind(store):
    see(store)
    with pytest.raises(RuntimeError), store.transaction():
        store.move("job-harbour", State.QUEUED)
        raise RuntimeError
    assert store.get("job-harbour").state is State.WAITING


def test_one_threads_rollback_takes_nothing_of_anothers(store):
    see(store, "first")
    see(store, "second")
    inside = threading.Event()

    def fail() -> None:
        with pytest.raises(RuntimeError), store.transaction():
            store.move("job-first", State.QUEUED)
            inside.set()
            raise RuntimeError

    thread = threading.Thread(target=fail)
    with store.transaction():
        thread.start()
        assert not inside.wait(0.05)
        store.move("job-second", State.QUEUED)
    thread.join(5)
    assert store.get("job-second").state is State.QUEUED
    assert store.get("job-first").state is State.WAITING


def test_what_was_committed_is_there_after_reopening_and_migrations_run_once(tmp_path):
    store = Store(tmp_path / "a.db")
    see(store)
    applied = list(Database(store._connection)["_sqlite_migrations"].rows)
    store.close()
    again = Store(tmp_path / "a.db")
    assert again.get("job-harbour").name == "harbour"
    assert list(Database(again._connection)["_sqlite_migrations"].rows) == applied
    again.close()


def test_higher_priority_comes_first_then_the_order_of_arrival(store):
    for name, priority in (("a", 0), ("b", 5), ("c", 0)):
        see(store, name, priority=priority)
        store.move(f"job-{name}", State.QUEUED)
    assert [job.name for job in store.in_states(State.QUEUED)] == ["b", "a", "c"]


def test_a_plan_comes_back_as_it_was_saved(store):
    see(store)
    render = Render("job-harbour", "p-1", {"1": {}}, "1", Expected(512, 512, 12.0, 16, False), {"1": 1.0}, [])
    store.plan(render)
    assert store.render("job-harbour") == render


def test_a_name_is_held_by_live_jobs_of_other_drops_only(store):
    see(store)

    def held(but: str) -> bool:
        return store.holds_name("text-to-video", "", ["other", "HARBOUR"], but)

    assert held("x")
    assert not held("drop-harbour")
    store.move("job-harbour", State.REJECTED)
    assert not held("x")


def test_a_database_of_the_first_schema_gets_its_folded_names(tmp_path):
    path = tmp_path / "a.db"
    store = Store(path)
    see(store)
    for statement in (
        "DROP INDEX jobs_folded",
        "ALTER TABLE jobs DROP COLUMN folded",
        "DROP TABLE leftovers",
        "CREATE INDEX jobs_name ON jobs (task, grouping, name)",
        "DELETE FROM _sqlite_migrations WHERE name = 'folded_names'",
    ):
        store._connection.execute(statement)
    store._connection.commit()
    store.close()
    again = Store(path)
    assert again.holds_name("text-to-video", "", ["HARBOUR"], "x")
    again.close()


def test_a_name_is_found_by_its_index(store):
    see(store)
    plan = store._connection.execute("EXPLAIN QUERY PLAN SELECT 1 FROM jobs WHERE folded IN ('a', 'b')").fetchall()
    assert "jobs_folded" in plan[0]["detail"]


def test_a_job_is_found_by_the_bytes_of_its_result_and_by_an_index(store):
    for name, sums in (("one", "aa"), ("two", "bb"), ("three", "aa"), ("none", None)):
        job = see(store, name)
        store.change(job.id, outputs=[{"file": f"{name}.mp4", "sha256": sums}] if sums else [], workflow="w")
    assert [found.name if found else None for found in map(store.of_result, ("aa", "bb", "a", "cc"))] == [
        "three", "two", None, None,
    ]  # fmt: skip
    assert [store.is_result_of(name, sums) for name, sums in (("w", "bb"), ("v", "bb"), ("w", "cc"))] == [
        True, False, False,
    ]  # fmt: skip
    plan = store._rows("EXPLAIN QUERY PLAN SELECT 1 FROM jobs WHERE result = ?", ("aa",))
    assert "jobs_result" in plan[0]["detail"]


def test_a_job_that_is_renamed_leaves_its_old_name_for_others_and_to_be_swept(store):
    see(store)
    store.change("job-harbour", name="harbour_2")
    assert store.leftovers() == ["text-to-video/harbour"]
    assert store.holds_name("text-to-video", "", ["Harbour_2"], "x")
    assert not store.holds_name("text-to-video", "", ["harbour"], "x")
    store.forget_leftover("text-to-video/harbour")
    assert store.leftovers() == []

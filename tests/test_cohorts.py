"""Three same failures in a row hold one workflow or one model, nothing else, until somebody resumes it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.cohorts import (
    OWN_FAULT,
    Cohort,
    after_failure,
    after_success,
    held_words,
    node_class_of,
    signature_of,
)
from service.comfy.verdict import judge
from service.errors import Problem, Rejected, error_of
from service.job import Hold, Job, State
from service.openings import drain
from service.outbox import Outbox
from service.register import Register
from service.setbacks import Setbacks, resume_group
from service.store import Store
from tests.test_queue import AT, add

A, B, VAE = "checkpoints/a", "checkpoints/b", "vae/v"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "a.db")
    yield store
    store.close()


def job_of(workflow: str, *models: str) -> Job:
    return Job("id", "drop", "job", None, "t", "", "n", State.RUNNING, AT, AT, workflow=workflow, models=list(models))


def fail(store: Store, workflow: str, *models: str, code: str = "node_failed", node: str = "KSampler") -> list[str]:
    held = store.note_ending(job_of(workflow, *models), code, node, f"{node} says no.")
    return [f"{cohort.kind} {cohort.name}" for cohort in held]


def held(store: Store) -> list[str]:
    return [f"{cohort.kind} {cohort.name}" for cohort in store.held_groups()]


def test_the_third_same_failure_in_a_row_holds_the_workflow_and_not_its_models(store: Store):
    assert [fail(store, "one", A, VAE) for _ in range(3)] == [[], [], ["workflow one"]]
    assert held(store) == ["workflow one"]


def test_a_model_that_fails_in_several_workflows_is_held_and_they_are_not(store: Store):
    for workflow in ("one", "two", "three"):
        fail(store, workflow, A)
    assert held(store) == ["model checkpoints/a"]


def test_a_model_that_fails_where_its_workflow_does_well_with_another_is_held(store: Store):
    for _ in range(3):
        fail(store, "one", A, VAE)
        store.note_ending(job_of("one", B, VAE), None)
    assert held(store) == ["model checkpoints/a"]


def test_other_failures_and_successes_between_begin_anew(store: Store):
    fail(store, "one")
    fail(store, "one", node="VAEDecode")
    fail(store, "one")
    fail(store, "one", code="out_of_memory")
    fail(store, "one", code="out_of_memory", node="VAEDecode")
    store.note_ending(job_of("one"), None)
    fail(store, "one", code="out_of_memory")
    fail(store, "one", code="out_of_memory")
    assert held(store) == []
    fail(store, "one", code="out_of_memory", node="Other")
    assert held(store) == ["workflow one"]


@pytest.mark.parametrize("code", sorted(OWN_FAULT))
def test_what_is_the_jobs_own_fault_counts_neither_way(store: Store, code: str):
    fail(store, "one")
    fail(store, "one")
    assert [fail(store, "one", code=code) for _ in range(4)] == [[]] * 4
    assert fail(store, "one") == ["workflow one"]


def test_a_hold_outlives_the_daemon_and_is_told_once(store: Store, tmp_path: Path):
    for _ in range(3):
        fail(store, "one")
    assert fail(store, "one") == []
    again = Store(tmp_path / "a.db", read_only=True)
    title, fix = held_words(again.held_groups()[0])
    again.close()
    assert title == "3 jobs in a row with the workflow one failed alike: KSampler says no."
    assert fix == "Mend that, then run `reeldrop resume workflow one`."


def test_resuming_ends_it_and_three_more_hold_it_again(store: Store):
    for _ in range(3):
        fail(store, "one", A)
    with pytest.raises(Rejected, match="Did you mean one"):
        resume_group(store, "workflow", "ones")
    with pytest.raises(Rejected, match="No model is held"):
        resume_group(store, "model", A)
    assert resume_group(store, "workflow", "one") == "The workflow one goes on."
    assert held(store) == []
    assert [fail(store, "one") for _ in range(3)] == [[], [], ["workflow one"]]


def test_a_model_is_resumed_by_its_file_alone_too(store: Store):
    for workflow in ("one", "two", "three"):
        fail(store, workflow, A)
    assert resume_group(store, "model", "a") == "The model checkpoints/a goes on."


def test_only_the_group_is_held_and_its_jobs_say_so(store: Store, tmp_path: Path):
    register = Register(store, Outbox(tmp_path / "out"), "host/1", lambda: 0.0)
    setbacks = Setbacks(register)
    for name, workflow in (("bad", "one"), ("good", "two"), ("bad2", "one")):
        add(store, name, workflow=workflow, models=[A], task=f"t-{workflow}")
    for _ in range(3):
        fail(store, "one", A)
    setbacks.show()
    hold = store.get("id-bad").hold
    assert (hold.code, store.get("id-good").hold) == ("same_failures", None)
    assert "resume workflow one" in hold.fix
    tasks = store.queued_tasks()
    assert [turn.id for turn in store.candidates(tasks)] == ["id-good"]
    assert store.places() == {"id-good": 1}
    assert [job.name for job in store.next_queued(5)] == ["good"]
    register.hold_queued(Hold("refused", "It is away.", "Wait.", AT))
    register.hold_queued(None)
    assert store.get("id-bad").hold == hold
    store.move("id-good", State.RUNNING)
    store.move("id-good", State.DONE)
    assert not store.can_go_on([])
    assert store.is_stuck([])
    resume_group(store, "workflow", "one")
    setbacks.show()
    assert store.get("id-bad").hold is store.get("id-bad2").hold is None
    assert store.can_go_on([])


def test_jobs_whose_tags_no_backend_has_say_so(store: Store, tmp_path: Path):
    hold = Hold("tags_missing", "No backend has the tags that one needs: huge.", "Write them.", AT)
    register = Register(store, Outbox(tmp_path / "out"), "host/1", lambda: 0.0)
    add(store, "bad", workflow="one")
    add(store, "good", workflow="two")
    Setbacks(register, {"one": hold}).show()
    register.hold_queued(None)
    assert (store.get("id-bad").hold, store.get("id-good").hold) == (hold, None)


def test_the_class_of_the_node_is_read_from_what_the_server_said():
    messages = [["execution_error", {
        "prompt_id": "p", "node_id": "7", "node_type": "KSampler", "exception_type": "ValueError",
        "exception_message": "no",
    }]]  # fmt: skip
    verdict = judge({"status": {"status_str": "error", "completed": False, "messages": messages}}, "9")
    error = error_of([verdict.problem])
    assert (error["code"], node_class_of(error)) == ("node_failed", "KSampler")
    assert node_class_of(error_of([Problem("x", "It failed.", "Retry.")])) == ""
    assert signature_of("node_failed", "KSampler") != signature_of("node_failed", "VAEDecode")
    assert signature_of("out_of_memory", "KSampler") == signature_of("out_of_memory", "VAEDecode")


ENDINGS = st.lists(st.tuples(st.sampled_from(["one", "two"]), st.sampled_from(["", "x", "y"])), max_size=25)


@given(ENDINGS)
def test_a_workflow_is_held_exactly_after_three_same_in_a_row(endings):
    known = {name: Cohort("workflow", name) for name in ("one", "two")}
    runs: dict[str, list[str]] = {"one": [], "two": []}
    expected: set[str] = set()
    for workflow, code in endings:
        now = after_failure([known[workflow]], workflow, code, "") if code else after_success([known[workflow]])
        known[workflow] = now[0]
        runs[workflow].append(code)
        if len(runs[workflow]) >= 3 and len(set(runs[workflow][-3:])) == 1 and code:
            expected.add(workflow)
    assert {name for name, cohort in known.items() if cohort.held} == expected


def test_a_backend_that_is_not_there_is_not_paused(store: Store):
    with pytest.raises(Rejected, match="Did you mean gpu-1"):
        drain(store, ["gpu-1"], "gpu1", draining=True)
    assert "takes nothing new" in drain(store, ["gpu-1"], "gpu-1", draining=True)
    assert "already" in drain(store, ["gpu-1"], "gpu-1", draining=True)
    assert drain(store, ["gpu-1"], "gpu-1", draining=False) == "The backend gpu-1 goes on."
    assert "was not paused" in drain(store, ["gpu-1"], "gpu-1", draining=False)

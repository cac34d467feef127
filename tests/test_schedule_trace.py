"""A hundred jobs on a few models, simulated: how often models are loaded, and how long anybody waits for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.schedule import MOST_PASSED, Bay, CanRun, Turn, choose, passed_by
from tests.shift import TASKS, bays_of, first_come, run, trace_of


@pytest.mark.parametrize("bays", [1, 2, 3])
@pytest.mark.parametrize("models", [2, 3, 5, 8])
def test_a_hundred_mixed_jobs_load_models_70_percent_less_often_than_first_come_first_served(models: int, bays: int):
    for seed in range(8):
        turns = trace_of(seed, models)
        ours, plain = run(turns, bays_of(bays)), run(turns, bays_of(bays), first_come)
        assert ours.loads <= 0.3 * plain.loads, (seed, ours.loads, plain.loads)
        assert ours.most_passed <= MOST_PASSED, seed
        assert ours.most_loads_waited <= MOST_PASSED, seed
        assert sorted(turn.id for turn in ours.order) == [turn.id for turn in turns]


def test_loras_of_ones_own_cost_some_of_it_but_not_the_bound():
    ratios = []
    for seed in range(12):
        turns = trace_of(seed, 4, lora=0.1)
        ours, plain = run(turns, bays_of(2)), run(turns, bays_of(2), first_come)
        ratios.append(ours.loads / plain.loads)
        assert ours.most_passed <= MOST_PASSED, seed
    assert sorted(ratios)[len(ratios) // 2] <= 0.3, ratios


def test_one_model_that_keeps_coming_lets_another_wait_for_32_jobs_and_not_for_ever():
    turns = [Turn(f"{number:04}", TASKS[0], 0, number, frozenset({"a"})) for number in range(200)]
    turns[1] = replace(turns[1], models=frozenset({"b"}))
    trace = run(turns, bays_of(1))
    assert [turn.id for turn in trace.order].index("0001") == 33
    assert trace.loads == 3


def test_folders_take_turns_where_models_do_not_decide():
    turns = [Turn(f"{number:04}", TASKS[number >= 40], 0, number, frozenset({"a"})) for number in range(44)]
    trace = run(turns, bays_of(1))
    assert [turn.task for turn in trace.order[:9]] == [TASKS[0], TASKS[1]] * 4 + [TASKS[0]]


def test_a_folder_that_is_new_comes_next_whatever_models_are_loaded_and_only_its_first_job_does():
    def queued(task: str, model: str, numbers: range) -> list[Turn]:
        return [Turn(f"{at:04}", task, 0, at, frozenset({model}), queued_at=f"{at:06}") for at in numbers]

    crowd, late = queued(TASKS[0], "a", range(40)), queued(TASKS[1], "b", range(40, 43))
    warm = Bay("gpu-0", 1.0, frozenset({"a"}), free=True)
    started = {TASKS[0]: "000030"}
    assert choose([*crowd, *late], started, warm, [], lambda *_: True) == late[0]
    started = {TASKS[0]: "000030", TASKS[1]: "000050"}
    assert choose([*crowd, *late[1:]], started, warm, [], lambda *_: True) == crowd[0]


def test_backends_keep_to_models_of_their_own():
    turns = [Turn(f"{number:04}", TASKS[0], 0, number, frozenset({"ab"[number % 2]})) for number in range(60)]
    trace = run(turns, bays_of(2))
    assert trace.loads == 2
    assert {name: {min(turn.models) for turn, at in zip(trace.order, trace.where, strict=True) if at == name}
            for name in ("gpu-0", "gpu-1")} == {"gpu-0": {"a"}, "gpu-1": {"b"}}  # fmt: skip


def test_a_backend_takes_only_what_it_can_run_and_none_stands_still_for_another():
    turns = [Turn(f"{number:04}", TASKS[0], 0, number, frozenset({"ab"[number > 4]})) for number in range(10)]
    trace = run(turns, bays_of(2), can_run=lambda name, turn: name == "gpu-0" or "b" in turn.models)
    took = dict(zip((turn.id for turn in trace.order), trace.where, strict=True))
    assert {name for job, name in took.items() if job <= "0004"} == {"gpu-0"}
    assert "gpu-1" in took.values()


# one choice ----------------------------------------------------------------------------------------------------------

MODELS = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=2)


@st.composite
def situations(draw: st.DrawFn) -> tuple[list[Turn], list[Bay], CanRun]:
    kinds = st.tuples(st.sampled_from(TASKS), st.sampled_from([-50, 0, 0, 50]), MODELS, st.integers(0, MOST_PASSED))
    turns = [
        Turn(f"{number:03}", task, priority, number, models, passed)
        for number, (task, priority, models, passed) in enumerate(draw(st.lists(kinds, min_size=1, max_size=12)))
    ]
    looks = st.tuples(st.sampled_from([0.5, 1.0, 2.0]), MODELS, st.booleans())
    bays = [Bay(f"gpu-{at}", *each) for at, each in enumerate(draw(st.lists(looks, min_size=1, max_size=3)))]
    able = {bay.name: draw(MODELS) | {"a"} for bay in bays}
    return turns, bays, lambda name, turn: turn.models <= able[name]


def others_of(bay: Bay, bays: Sequence[Bay]) -> list[Bay]:
    return [each for each in bays if each is not bay]


@settings(deadline=None)
@given(situations())
def test_a_choice_can_be_run_there_and_nobody_of_higher_priority_is_passed(situation):
    turns, bays, can_run = situation
    for bay in bays:
        chosen = choose(turns, {}, bay, others_of(bay, bays), can_run)
        if chosen is None:
            continue
        assert can_run(bay.name, chosen)
        passed = passed_by(chosen, turns, {}, bay, others_of(bay, bays), can_run)
        by_id = {turn.id: turn for turn in turns}
        assert all(by_id[each].passed < MOST_PASSED and by_id[each].priority == chosen.priority for each in passed)
        if len(bays) == 1:
            able = [turn for turn in turns if can_run(bay.name, turn)]
            assert chosen.priority == max(turn.priority for turn in able)
            urgent = [turn for turn in able if turn.priority == chosen.priority and turn.passed >= MOST_PASSED]
            assert not urgent or chosen in urgent


@settings(deadline=None)
@given(situations())
def test_where_a_free_backend_could_work_some_free_backend_does(situation):
    turns, bays, can_run = situation
    free = [bay for bay in bays if bay.free]
    if any(can_run(bay.name, turn) for bay in free for turn in turns):
        assert any(choose(turns, {}, bay, others_of(bay, bays), can_run) for bay in free)


@settings(deadline=None)
@given(situations())
def test_every_free_backend_that_could_work_does_in_the_end(situation):
    turns, bays, can_run = situation
    left, bays = list(turns), list(bays)
    while took := next(
        ((bay, turn) for bay in bays if bay.free and (turn := choose(left, {}, bay, others_of(bay, bays), can_run))),
        None,
    ):
        bay, turn = took
        left.remove(turn)
        bays[bays.index(bay)] = replace(bay, free=False, warm=turn.models)
    assert not any(can_run(bay.name, turn) for bay in bays if bay.free for turn in left)


def test_a_job_is_left_to_a_free_backend_of_more_weight():
    turns = [Turn("one", TASKS[0], 0, 1)]
    light, heavy = Bay("light", 1, frozenset(), free=True), Bay("heavy", 2, frozenset(), free=True)
    able: CanRun = lambda *_: True  # noqa: E731
    assert choose(turns, {}, light, [heavy], able) is None
    assert choose(turns, {}, heavy, [light], able) is turns[0]
    assert choose(turns, {}, light, [replace(heavy, free=False)], able) is turns[0]
    assert choose(turns, {}, light, [heavy], lambda name, _: name == "light") is turns[0]
    assert choose([*turns, Turn("two", TASKS[0], 0, 2)], {}, light, [heavy], able).id == "two"


def test_nothing_is_queued_on_one_backend_that_a_free_one_would_run_at_once():
    turns = [Turn("one", TASKS[0], 0, 1, frozenset({"a"}))]
    busy, idle = Bay("busy", 5, frozenset({"a"}), free=False), Bay("idle", 1, frozenset(), free=True)
    assert choose(turns, {}, busy, [idle], lambda *_: True) is None
    assert choose(turns, {}, idle, [busy], lambda *_: True) is turns[0]


def test_what_another_free_backend_need_not_load_is_left_to_it():
    turns = [Turn("one", TASKS[0], 0, 1, frozenset({"a"}))]
    cold, warm = Bay("cold", 1, frozenset({"b"}), free=True), Bay("warm", 1, frozenset({"a"}), free=True)
    assert choose(turns, {}, cold, [warm], lambda *_: True) is None
    assert choose(turns, {}, warm, [cold], lambda *_: True) is turns[0]


def test_two_jobs_for_a_warm_and_a_cold_backend_keep_both_busy():
    turns = [Turn(name, TASKS[0], 0, number, frozenset({"a"})) for number, name in enumerate(("one", "two"))]
    cold, warm = Bay("cold", 1, frozenset({"b"}), free=True), Bay("warm", 1, frozenset({"a"}), free=True)
    assert choose(turns, {}, cold, [warm], lambda *_: True) is turns[1]
    assert choose(turns, {}, warm, [cold], lambda *_: True) is turns[0]


def test_a_heavy_backend_leaves_what_a_light_one_has_loaded():
    turns = [Turn("one", TASKS[0], 0, 1, frozenset({"a"}))]
    heavy, light = Bay("heavy", 9, frozenset(), free=True), Bay("light", 1, frozenset({"a"}), free=True)
    assert choose(turns, {}, heavy, [light], lambda *_: True) is None
    assert choose(turns, {}, light, [heavy], lambda *_: True) is turns[0]


def test_a_job_without_models_is_not_preferred_for_it():
    turns = [Turn("one", TASKS[0], 0, 1, frozenset({"b"})), Turn("two", TASKS[0], 0, 2)]
    assert choose(turns, {}, Bay("gpu", 1, frozenset({"a"}), free=True), [], lambda *_: True) is turns[0]

"""When a prompt counts as lost: law 6, moment by moment, on a clock that is an argument."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.comfy.protocol import (
    LOOK_GAP_S,
    POST_DEADLINE_S,
    Errored,
    Interrupted,
    Lost,
    Run,
    StillPending,
    StillRunning,
    Succeeded,
    Verdict,
)  # fmt: skip
from tests.comfy.recorded import SAMPLER_GRAPH, entry


def posted(at_s: float = 100.0) -> Run:
    run = Run("p", SAMPLER_GRAPH)
    run.posted(at_s)
    return run


def empty(run: Run, at_s: float) -> Verdict | None:
    return run.reconcile(False, False, None, now_s=at_s)


def test_two_empty_looks_after_the_deadline_and_four_seconds_apart_mean_lost() -> None:
    run = posted(100)
    assert empty(run, 104) is None
    assert empty(run, 108) == Lost()


def test_a_look_before_the_posts_deadline_counts_for_nothing() -> None:
    run = posted(100)
    assert empty(run, 103.9) is None
    assert empty(run, 107.9) is None, "the first look that counts"
    assert empty(run, 111.8) is None
    assert empty(run, 111.9) == Lost()


def test_looks_too_close_together_do_not_add_up() -> None:
    run = posted(100)
    assert [empty(run, at) for at in (104, 105, 106, 107, 107.9)] == [None] * 5
    assert empty(run, 108) == Lost()


def test_one_empty_look_is_enough_once_the_server_refused() -> None:
    run = posted(100)
    run.refused(110)
    assert empty(run, 111) == Lost()


def test_a_refusal_does_not_shorten_the_posts_deadline() -> None:
    run = posted(100)
    run.refused(101)
    assert empty(run, 102) is None
    assert empty(run, 104) == Lost()


def test_a_refusal_from_before_the_post_counts_for_nothing() -> None:
    run = Run("p", SAMPLER_GRAPH)
    run.refused(90)
    run.posted(100)
    assert empty(run, 104) is None


def test_a_look_that_began_before_the_refusal_counts_for_nothing_more() -> None:
    run = posted(100)
    run.refused(106)
    assert empty(run, 105) is None


def test_a_prompt_that_was_seen_again_begins_anew() -> None:
    run = posted(100)
    run.refused(105)
    assert run.reconcile(True, False, None, now_s=106) == StillPending()
    assert empty(run, 107) is None
    assert run.reconcile(False, True, None, now_s=110) == StillRunning()
    assert empty(run, 112) is None
    assert empty(run, 116) == Lost()


def test_sending_again_begins_anew() -> None:
    run = posted(100)
    empty(run, 104)
    run.posted(108)
    assert empty(run, 109) is None
    assert empty(run, 112) is None
    assert empty(run, 116) == Lost()


def test_a_prompt_sent_by_somebody_before_us_gets_the_whole_time_from_our_first_look() -> None:
    run = Run("p", SAMPLER_GRAPH)
    assert empty(run, 100) is None
    assert empty(run, 104) is None
    assert empty(run, 108) == Lost()


def test_a_refusal_before_the_first_look_at_somebody_elses_prompt_counts_for_nothing() -> None:
    run = Run("p", SAMPLER_GRAPH)
    run.refused(99)
    assert [empty(run, at) for at in (100, 104)] == [None, None]
    assert empty(run, 108) == Lost()


def test_a_prompt_whose_sending_is_remembered_needs_no_more_than_that() -> None:
    run = Run("p", SAMPLER_GRAPH, posted_s=50.0)
    assert empty(run, 100) is None
    assert empty(run, 104) == Lost()


def test_it_says_when_the_next_look_can_decide() -> None:
    run = Run("p", SAMPLER_GRAPH)
    assert run.look_again_s is None
    run.posted(100)
    assert run.look_again_s == 104
    empty(run, 104.5)
    assert run.look_again_s == 108.5


def test_the_queue_counts_before_history() -> None:
    """A prompt that was sent again under its id may have an older entry of that id."""
    done = entry("0.3.64", "video success, first run")
    run = posted()
    assert run.reconcile(True, False, done, now_s=101) == StillPending()
    assert run.reconcile(False, True, done, now_s=101) == StillRunning()
    assert isinstance(run.reconcile(False, False, done, now_s=101), Succeeded)


def test_history_decides_at_any_time() -> None:
    run = Run("p", SAMPLER_GRAPH, output_node="5")
    assert isinstance(run.reconcile(False, False, entry("0.3.64", "video success, first run"), now_s=0), Succeeded)
    label = "interrupted by /interrupt with prompt_id"
    assert run.reconcile(False, False, entry("0.3.64", label), now_s=0) == Interrupted()
    label = "error: SaveImage prefix outside the output folder"
    assert isinstance(run.reconcile(False, False, entry("0.3.64", label), now_s=0), Errored)


@given(
    st.lists(
        st.tuples(st.sampled_from(["empty", "pending", "running", "refused", "posted"]), st.floats(0, 6)), max_size=30
    )
)
def test_lost_is_never_said_without_its_proof(steps: list[tuple[str, float]]) -> None:
    """The law, written down a second time: each Lost is checked against the whole story before it."""
    run, now, posted_s, refused_s = posted(0), 0.0, 0.0, -math.inf
    counted: list[float] = []
    for what, wait_s in steps:
        now += wait_s
        if what == "posted":
            run.posted(now)
            posted_s, refused_s, counted = now, -math.inf, []
        elif what == "refused":
            run.refused(now)
            refused_s = now
        elif what == "empty":
            counted += [now] if now >= posted_s + POST_DEADLINE_S else []
            twice = bool(counted) and now - counted[0] >= LOOK_GAP_S
            after_refusal = bool(counted) and posted_s <= refused_s <= now
            assert (empty(run, now) == Lost()) == (twice or after_refusal)
        else:
            run.reconcile(what == "pending", what == "running", None, now_s=now)
            refused_s, counted = -math.inf, []


@pytest.mark.parametrize("now", [0.0, 1e9])
def test_the_clock_may_stand_anywhere(now: float) -> None:
    run = posted(now)
    assert empty(run, now + 4) is None
    assert empty(run, now + 8) == Lost()

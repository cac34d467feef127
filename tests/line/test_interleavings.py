"""Queue, history, restarts and cancelling in thousands of orders: the true judging against a simulated server."""

from __future__ import annotations

import pytest

from service.comfy.protocol import LOOK_GAP_S, POST_DEADLINE_S, Lost, Run, Verdict
from service.pursuit import Where, Why
from tests.comfy.simulated import GRAPH, Weather
from tests.line.interleaving import NOTICED_S, Journey, live_many


@pytest.mark.parametrize("block", range(4))
def test_no_prompt_is_called_lost_that_is_not_and_none_is_lost_unnoticed(block: int):
    lived = live_many(500 * block, 500, races=False)
    assert lived.wrong == {}
    assert lived.ends["done"] >= 500
    # It means something only where much was lost, and noticed as the law says.
    assert lived.losses > 100
    assert lived.latest_loss_s < NOTICED_S


def test_whoever_cancels_touches_nobody_elses_prompt_and_each_job_ends_once():
    lived = live_many(0, 1000, races=True)
    assert lived.wrong == {}
    # Both ends of the race are seen often.
    assert min(lived.ends["cancelled"], lived.ends["done"]) > 300


def test_two_looks_that_a_server_answers_at_once_after_it_stood_still_prove_nothing():
    run = Run("p", GRAPH)
    run.posted(0)
    asked_s, answered_s = POST_DEADLINE_S, 12.0
    assert run.reconcile(False, False, None, now_s=asked_s, answered_s=answered_s) is None
    assert run.reconcile(False, False, None, now_s=answered_s + 0.05, answered_s=answered_s + 0.1) is None
    assert run.reconcile(False, False, None, now_s=answered_s + LOOK_GAP_S, answered_s=20) == Lost()


def test_what_was_sent_to_a_server_that_was_then_found_dead_is_lost_at_the_first_look():
    def first_look(*, gone: bool) -> Verdict | None:
        journey = Journey(1, races=False)
        pursuit = journey._pursue(journey.book.queued.pop(), Where.SENT)
        pursuit.inherit(gone=gone)
        return pursuit.judge(pending=False, running=False, entry=None, began_s=journey.clock(), hears=False)

    assert first_look(gone=True) == Lost()
    # Where it wasn't, the request may be still on its way.
    assert first_look(gone=False) is None


def test_what_begins_while_it_is_taken_back_is_not_stopped():
    journey = Journey(1, races=False)
    server, pursuit = journey.server, journey._pursue(journey.book.queued.pop(), Where.SENT)
    server._events.clear()
    server.weather, server.steps_s = Weather(latency_s=0.2, slow=0), lambda: [50.0]
    server.take(pursuit.prompt_id)
    pursuit.ask_back(Why.RETURNED)
    # It begins between the look that found it waiting and the order to take it out.
    journey.at._ask_back(pursuit, journey.line.client)
    assert server.running is not None
    assert (server.running.id, server.running.interrupted) == (pursuit.prompt_id, False)

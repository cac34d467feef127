"""A short slice of what `make storm` does to servers: each job ends once, whatever becomes of them."""

from __future__ import annotations

from pathlib import Path

from tests.line.cancelling import race
from tests.line.outliving import outlive_a_server, outlive_kills, outlive_lost_answers


def test_jobs_outlive_a_server_that_is_killed_again_and_again(tmp_path: Path):
    ride = outlive_kills(tmp_path, 1, jobs=8, kills=2)
    assert (ride.jobs, ride.videos, ride.kills) == (8, 8, 2)


def test_a_prompt_whose_answer_was_lost_is_never_rendered_twice(tmp_path: Path):
    ride = outlive_lost_answers(tmp_path, 1, jobs=10)
    assert (ride.videos, ride.prompts) == (10, 10)


def test_jobs_of_a_server_that_stays_dead_are_done_by_the_others(tmp_path: Path):
    ride = outlive_a_server(tmp_path, 1, jobs=12, moves_after_s=1)
    assert (ride.jobs, ride.videos) == (12, 12)


def test_whoever_cancels_on_a_server_that_others_use_touches_nothing_of_theirs(tmp_path: Path):
    raced = race(tmp_path, 1, jobs=12)
    assert (raced.videos + raced.cancelled, raced.others) == (12, 4)
    assert raced.cancelled > 0

"""Liveness and health: what is told of threads, backends and jobs that don't go on."""

from __future__ import annotations

import pytest

from service.health import Finding, Verdict, of_backends, of_daemon, of_holds, of_notices, worst
from service.hours import TASK_OUTSIDE_WINDOW
from service.liveness import STALE_S, Pulse, Pulses, alive, late
from service.openings import DRAINING, OUTSIDE_WINDOW
from service.resting import SCHEDULED
from service.tidings import troubles_of


def test_a_thread_that_does_not_come_round_in_its_time_is_late():
    pulses = Pulses()
    pulses.beat("intake", 100.0, 10.0)
    pulses.beat("lane gpu", 100.0, 60.0)
    assert late(pulses.at(110.0)) == []
    assert late(pulses.at(111.0)) == ["intake"]
    pulses.beat("intake", 111.0, 10.0)
    assert alive(pulses.at(112.0))
    assert late(pulses.at(1000.0)) == ["intake", "lane gpu"]
    assert not alive(pulses.at(1000.0))


def test_before_any_thread_has_come_round_nobody_is_told_that_all_is_well():
    assert not alive(Pulses().at(1.0))


def test_a_clock_that_its_reader_reads_earlier_makes_nobody_late():
    pulses = Pulses()
    pulses.beat("intake", 100.0, 10.0)
    assert pulses.at(90.0) == {"intake": Pulse(0.0, 10.0)}


@pytest.mark.parametrize(
    ("locked", "age_s", "pulses", "verdict", "words"),
    [
        (False, None, {}, Verdict.FAIL, "No daemon is running"),
        (False, 1.0, {}, Verdict.FAIL, "No daemon is running"),
        (True, None, {}, Verdict.WARN, "just begun"),
        (True, 1.0, {"intake": Pulse(1.0, 900.0)}, Verdict.OK, "runs"),
        (True, STALE_S + 1, {}, Verdict.FAIL, "has said nothing for 61 seconds"),
        (True, 1.0, {"lane gpu": Pulse(901.0, 900.0)}, Verdict.FAIL, "lane gpu has not come round for 901 seconds"),
    ],
)
def test_what_is_said_of_a_daemon(locked, age_s, pulses, verdict, words):
    found = list(of_daemon(locked=locked, age_s=age_s, pulses=pulses))
    assert worst(found) is verdict
    assert words in " ".join(finding.title for finding in found)
    assert all(finding.fix for finding in found if finding.verdict is not Verdict.OK)


def backend(name, answers, **more):
    return {"name": name, "answers": answers, "why": None, "engine": "ComfyUI 0.33.0", "draining": False, **more}


@pytest.mark.parametrize(
    ("backends", "verdicts"),
    [
        ([backend("a", True)], ["ok"]),
        ([backend("a", False, why="Nothing listens at http://a. Start ComfyUI there.")], ["fail"]),
        ([backend("a", False), backend("b", True)], ["warn", "ok"]),
        ([backend("a", False), backend("b", False)], ["fail", "fail"]),
        ([backend("a", None)], ["warn"]),
        ([backend("a", True, draining=True)], ["warn"]),
        ([], []),
    ],
)
def test_what_is_said_of_backends(backends, verdicts):
    assert [str(finding.verdict) for finding in of_backends(backends)] == verdicts


def test_what_somebody_wants_so_is_no_trouble():
    holds = {("outside_window", "Until 19:00.", "Wait."): 3, ("disk_full", "The disk is full.", "Free space."): 1}
    found = list(of_holds(holds))
    assert [(finding.verdict, finding.title) for finding in found] == [
        (Verdict.OK, "3 jobs: Until 19:00."), (Verdict.WARN, "1 job: The disk is full."),
    ]  # fmt: skip


def test_a_notice_is_told_with_its_time_and_cure():
    (finding,) = of_notices([{"code": "x", "title": "It is offline.", "fix": "Mount it.", "since": "2026-11-23"}])
    assert finding == Finding("notice", Verdict.WARN, "Since 2026-11-23: It is offline.", "Mount it.")


@pytest.mark.parametrize("code", [DRAINING, OUTSIDE_WINDOW, TASK_OUTSIDE_WINDOW, SCHEDULED, "paused"])
def test_whatever_somebody_wants_so_is_called_that_by_whoever_holds_for_it(code):
    holds = {(code, "It waits.", "Wait."): 1}
    assert [finding.verdict for finding in of_holds(holds)] == [Verdict.OK]
    assert troubles_of(holds, [], {}) == {}

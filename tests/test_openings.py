"""When a backend takes nothing new: paused by somebody, or outside its windows; and it says until when."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import tzlocal

from service.config import parse
from service.openings import Openings, local_now

BERLIN = ZoneInfo("Europe/Berlin")
BACKENDS = parse(
    "backends:\n"
    "- {name: night, url: 'http://a', windows: '22:00-06:00'}\n"
    "- {name: always, url: 'http://b', tags: [large, fast]}\n",
    Path("/srv"),
).backends  # fmt: skip


def openings(at: str, **states: str) -> Openings:
    now = datetime.fromisoformat(at).replace(tzinfo=BERLIN)
    return Openings(BACKENDS, lambda name: states.get(name, "on"), lambda: now)


def test_outside_its_window_a_backend_takes_nothing_and_says_until_when():
    day = openings("2026-11-23 12:00")
    hold = day.hold_of("night")
    assert (hold.code, day.hold_of("always")) == ("outside_window", None)
    assert hold.title == "The backend night is outside its time window until 2026-11-23 22:00."
    assert day.next_change("night") == datetime(2026, 11, 23, 22, tzinfo=BERLIN)
    assert day.next_change("always") is None
    night = openings("2026-11-23 23:00")
    assert night.hold_of("night") is None
    assert night.next_change("night") == datetime(2026, 11, 24, 6, tzinfo=BERLIN)


def test_a_paused_backend_says_how_it_goes_on():
    hold = openings("2026-11-23 12:00", always="draining").hold_of("always")
    assert hold.code == "draining"
    assert "reeldrop resume backend always" in hold.fix


def test_a_backend_that_the_configuration_does_not_know_is_always_open():
    assert openings("2026-11-23 12:00").hold_of("embedded") is None


def test_a_workflow_runs_only_where_all_its_tags_are():
    fleet = openings("2026-11-23 12:00")
    assert fleet.has_tags("always", ["large", "fast"])
    assert fleet.has_tags("night", [])
    assert not fleet.has_tags("night", ["large"])
    holds = fleet.unserved({"one": ("large",), "two": ("large", "huge"), "three": ()})
    assert {name: hold.code for name, hold in holds.items()} == {"two": "tags_missing"}
    assert holds["two"].title == "No backend has the tags that two needs: large, huge."


def test_local_time_comes_with_the_rules_of_its_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    # Whoever asked before keeps what it was.
    tzlocal.reload_localzone()
    zone = local_now().tzinfo
    monkeypatch.undo()
    tzlocal.reload_localzone()
    assert {datetime(2026, month, 1, tzinfo=zone).utcoffset().total_seconds() for month in (1, 7)} == {3600, 7200}

"""Priorities changed while jobs are queued: the database alone decides, so it works beside a daemon and without one."""

from __future__ import annotations

from service.errors import Problem, Rejected
from service.job import State
from service.job_fields import PRIORITIES
from service.meant import meant_by, path_of
from service.store import Store

_FIX = "Write for example: reeldrop priority harbour high"


def priority_of(word: str) -> int:
    """Read low, normal, high or a whole number from -100 to 100; raises Rejected."""
    if word in PRIORITIES:
        return PRIORITIES[word]
    if word.removeprefix("-").isdecimal() and word.isascii() and abs(int(word[:5])) <= 100 and len(word) <= 4:
        return int(word)
    title = "A priority is low, normal, high, or a whole number from -100 to 100."
    raise Rejected(Problem("bad_value", title, _FIX))


def prioritise(store: Store, target: str, task: str | None, word: str) -> str:
    """
    Give the queued jobs that go by a target another priority, and return what was done.

    One that is only queued on a server comes back where another now comes first; what renders already goes on. Raises
    Rejected where nothing live goes by the target, or what does isn't queued yet.
    """
    priority = priority_of(word)
    found = meant_by(target, task, store.live_names())
    # A row that waits is a drop that was not read yet: its job file says its priority when it is.
    queued = [row["id"] for row in found if row["state"] != State.WAITING]
    if not queued:
        title = f"{path_of(found[0])} is not queued yet."
        raise Rejected(
            Problem("not_queued", title, "Write priority into its job file, or ask again once it is queued.")
        )
    changed = store.prioritise(queued, priority)
    if len(queued) == 1:
        return f"{path_of(found[0])}: priority {priority}{'' if changed else ', as before'}."
    return f"{len(queued)} jobs of {found[0]['batch_name'] or found[0]['drop_name']}: priority {priority}."

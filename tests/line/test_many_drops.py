"""Many drops at once: they are claimed and queued in groups, one group beside the next, and none is missed."""

from __future__ import annotations

from pathlib import Path

from service.job import State
from tests.line.world import World

#: More than are handed on beside the next claims, and more than are open on the disk at once.
_MANY = 150


def test_all_of_many_files_dropped_at_once_are_queued_in_order_and_one_bad_among_them_is_refused(tmp_path: Path):
    with World(tmp_path, None, engine="off") as world:
        names = [f"cup{number:03}" for number in range(_MANY)]
        for name in names:
            text = "promt: a cup\n" if name == "cup077" else f"prompt: a cup\nseed: {int(name[3:])}\n"
            world.drop(f"text-to-video/{name}.yaml", text)
        good = [name for name in names if name != "cup077"]
        world.until(lambda: len(world.app.store.in_states(State.QUEUED)) == len(good), "all of them queued")
        world.until_returned("rejected/text-to-video/cup077.reason.txt")
        told = {name: "rejected" if name == "cup077" else "queued" for name in names}
        # The database has it first, then the files say so.
        world.until(lambda: {n: world.status(f"text-to-video/{n}")["state"] for n in names} == told, "their files")
        jobs = world.app.store.in_states(State.QUEUED)
        assert sorted(job.name for job in jobs) == good
        assert {job.name: job.seed for job in jobs} == {name: int(name[3:]) for name in good}
    assert len(list((world.config.inbox_dir / ".reeldrop/claims").iterdir())) == len(good)

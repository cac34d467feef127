"""What troubles the daemon, as `status` reads it: said while it lasts, taken back when it is over."""

from pathlib import Path

from service.errors import Problem
from tests.line.world import World


def codes(world: World) -> list[str]:
    assert world.app is not None
    return [notice["code"] for notice in world.app.store.notices()]


def test_a_watch_that_lost_a_thread_is_told_and_drops_are_noticed_all_the_same(tmp_path: Path, engine_outside: str):
    with World(tmp_path, engine_outside, watch={"rescan_seconds": 3600}) as world:
        assert world.app is not None
        assert codes(world) == []
        next(iter(world.app.watch._observer.emitters)).stop()
        world.until(lambda: "watch_renewed" in codes(world), "the notice")
        world.drop("text-to-video/harbour.yaml", "prompt: a harbour\nwrong: 1\n")
        world.until_state("text-to-video/harbour", "rejected")


def test_what_troubled_an_earlier_life_is_taken_back(tmp_path: Path, engine_outside: str):
    with World(tmp_path, engine_outside) as world:
        assert world.app is not None
        for code in ("watch_limit", "writers_unseen"):
            world.app.store.set_notice(code, Problem(code, "It is so.", "Change it."))
    with World(tmp_path, engine_outside) as world:
        assert codes(world) == []

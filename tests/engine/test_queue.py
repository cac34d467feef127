"""Order, history, cache, interrupt and delete, with classes that wait until they are told."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.engine.execute import Ending
from service.engine.prompt_queue import PromptQueue, Ticket
from service.engine.worker import serve
from tests.engine.recorded import recording
from tests.engine.running import Engine, running_engine, until

_fresh = itertools.count()

#: What of queue_order_and_limits is not played, and why.
EXCUSED = {
    "5.9 MB binary message, aiohttp client with its default max_msg_size (4 MiB)": "a limit of that client",
    "same with no limit": "the size is the picture's; test_frames_of_any_size_pass sends larger ones",
    "history outputs of SaveImageWebsocket": "played with node_outputs",
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with running_engine(tmp_path_factory.mktemp("own"), module="tests.engine.own_classes") as found:
        yield found


def shown(value: int) -> dict[str, Any]:
    """A graph that runs at once."""
    return {"1": {"class_type": "Show", "inputs": {"value": value}}}


def held(gate: str) -> dict[str, Any]:
    return {"1": {"class_type": "Hold", "inputs": {"gate": gate}}}


def above(name: str, **inputs: Any) -> dict[str, Any]:
    """A graph of one class and an output that shows what it gives."""
    return {
        "1": {"class_type": name, "inputs": inputs},
        "2": {"class_type": "Show", "inputs": {"value": ["1", 0]}},
    }


@pytest.fixture
def gate(engine: Engine) -> Iterator[str]:
    """A gate that holds the queue until open() or the end of the test."""
    name = f"gate-{next(_fresh)}"
    answer = engine.post(held(name)).json()
    until(lambda: engine.get("/queue")["queue_running"])
    yield name
    open_gate(engine, name)
    engine.entry(answer["prompt_id"])


def open_gate(engine: Engine, name: str) -> None:
    (engine.base / "input" / name).touch()


def test_prompts_run_in_the_recorded_order(tmp_path: Any) -> None:
    found = recording("queue_order_and_limits")["order"]
    posted, pending, order = found.values()
    with running_engine(tmp_path, module="tests.engine.own_classes") as engine:
        engine.run(shown(0))
        engine.post(held("gate"), prompt_id="first")
        until(lambda: engine.get("/queue")["queue_running"])
        for prompt_id, more, number in posted:
            assert engine.post(shown(0), prompt_id=prompt_id, **more).json()["number"] == number
        queue = engine.get("/queue")
        assert [row[:2] for row in queue["queue_pending"]] == pending
        assert [row[1] for row in queue["queue_running"]] == ["first"]
        open_gate(engine, "gate")
        until(engine.is_idle)
        assert list(engine.get("/history"))[2:] == order[1:]


def test_the_same_id_twice_is_two_prompts_and_a_delete_takes_the_first(engine: Engine, gate: str) -> None:
    found = recording("queue_order_and_limits")["same prompt_id queued twice"]
    first, second = (engine.post(shown(0), prompt_id="dup-id").json()["number"] for _ in range(2))
    assert second == first + 1
    assert len(found["pending"]) == 2
    assert [row[:2] for row in engine.get("/queue")["queue_pending"]] == [[first, "dup-id"], [second, "dup-id"]]
    engine.ask("POST", "/queue", json={"delete": ["dup-id"]})
    assert [row[:2] for row in engine.get("/queue")["queue_pending"]] == [[second, "dup-id"]]
    assert len(found["pending after one delete of that id"]) == 1


def test_every_recorded_fact_of_the_queue_is_played_or_excused() -> None:
    played = {"order", "same prompt_id queued twice"}
    assert played | set(EXCUSED) == set(recording("queue_order_and_limits"))
    assert all(EXCUSED.values())


def test_equal_number_and_id_run_one_after_the_other(engine: Engine, gate: str) -> None:
    for value in (1, 2):
        assert engine.post(shown(value), prompt_id="same", number=5).status_code == 200
    assert len(engine.get("/queue")["queue_pending"]) == 2
    open_gate(engine, gate)
    until(engine.is_idle)
    assert engine.entry("same")["outputs"]["1"] == {"shown": [2]}


def test_a_deleted_prompt_leaves_no_history_and_a_running_one_stays(engine: Engine, gate: str) -> None:
    with engine.listen("watcher") as listener:
        waiting = engine.post(shown(0), client_id="watcher").json()["prompt_id"]
        running = engine.get("/queue")["queue_running"][0][1]
        engine.ask("POST", "/queue", json={"delete": [waiting, running]})
        queue = engine.get("/queue")
        assert [row[1] for row in queue["queue_running"]] == [running]
        assert queue["queue_pending"] == []
        listener.hear_rest()
    assert engine.get(f"/history/{waiting}") == {}
    assert {json.loads(frame)["type"] for frame in listener.frames} == {"status"}


def test_clear_takes_all_that_wait(engine: Engine, gate: str) -> None:
    engine.post(shown(0))
    engine.post(shown(1))
    engine.ask("POST", "/queue", json={"clear": True})
    assert engine.get("/prompt") == {"exec_info": {"queue_remaining": 1}}


def test_interrupt_stops_only_the_prompt_it_names(engine: Engine) -> None:
    prompt_id = engine.post(held("never")).json()["prompt_id"]
    until(lambda: engine.get("/queue")["queue_running"])
    assert engine.ask("POST", "/interrupt", json={"prompt_id": "another"}).status_code == 200
    assert engine.get(f"/history/{prompt_id}") == {}
    engine.ask("POST", "/interrupt", json={"prompt_id": prompt_id})
    status = engine.entry(prompt_id)["status"]
    assert (status["status_str"], status["completed"]) == ("error", False)
    assert status["messages"][-1][0] == "execution_interrupted"


def test_an_interrupt_while_idle_stops_nothing_later(engine: Engine) -> None:
    until(engine.is_idle)
    engine.ask("POST", "/interrupt", json={})
    assert engine.run(shown(0))["status"]["status_str"] == "success"


def test_only_the_newest_prompts_nodes_stay_cached(engine: Engine) -> None:
    assert cached(engine.run(above("Number", value=11))) == []
    assert cached(engine.run(above("Number", value=11))) == ["1", "2"]
    engine.run(above("Number", value=12))
    assert cached(engine.run(above("Number", value=11))) == []


def cached(entry: dict[str, Any]) -> list[str]:
    return entry["status"]["messages"][1][1]["nodes"]


def test_a_fingerprint_decides_and_nan_is_never_the_same(engine: Engine) -> None:
    graph = above("Stamp", file="stamp.txt")
    engine.run(graph)
    assert cached(engine.run(graph)) == []
    (engine.base / "input" / "stamp.txt").write_text("one")
    engine.run(graph)
    assert cached(engine.run(graph)) == ["1", "2"]
    (engine.base / "input" / "stamp.txt").write_text("two")
    assert cached(engine.run(graph)) == []


def test_a_class_that_gets_its_nodes_id_is_cached_by_it(engine: Engine) -> None:
    def graph(name: str, node_id: str) -> dict[str, Any]:
        return {
            node_id: {"class_type": name, "inputs": {"value": 3}},
            "9": {"class_type": "Show", "inputs": {"value": [node_id, 0]}},
        }

    engine.run(graph("Number", "1"))
    assert cached(engine.run(graph("Number", "2"))) == ["2", "9"]
    engine.run(graph("Named", "1"))
    assert cached(engine.run(graph("Named", "2"))) == []


def test_free_forgets_the_cache(engine: Engine) -> None:
    graph = above("Number", value=21)
    engine.run(graph)
    engine.ask("POST", "/free", json={"free_memory": True})
    assert cached(engine.run(graph)) == []


def test_scratch_files_live_as_long_as_the_cached_result(engine: Engine) -> None:
    def scratch_files() -> list[str]:
        return sorted(path.read_text() for path in (engine.base / "scratch").rglob("*") if path.is_file())

    engine.run(above("Scratch", value=31))
    assert scratch_files() == ["31"]
    engine.run(above("Scratch", value=31))
    assert scratch_files() == ["31"]
    engine.run(above("Fail", value=1))
    assert scratch_files() == []


def test_an_error_names_the_node_and_what_it_was_given(engine: Engine) -> None:
    entry = engine.run(above("Fail", value=7))
    kind, error = entry["status"]["messages"][-1]
    assert kind == "execution_error"
    assert (error["node_id"], error["node_type"], error["exception_type"]) == ("1", "Fail", "RuntimeError")
    assert error["exception_message"] == "told to fail with 7\n"
    assert error["current_inputs"]["value"] == [7]
    assert error["current_inputs"]["unique_id"] == ["1"]
    assert error["current_inputs"]["prompt"][0].startswith("{'1':")
    assert error["traceback"]
    assert engine.run(shown(1))["status"]["status_str"] == "success"


def test_a_link_into_an_input_that_nobody_declared_is_ignored(engine: Engine) -> None:
    graph = shown(5)
    graph["1"]["inputs"]["stray"] = ["nowhere", 0]
    assert engine.run(graph)["outputs"] == {"1": {"shown": [5]}}


def test_a_prompt_that_fells_the_engines_own_code_ends_too() -> None:
    class Falling:
        def run(self, _ticket: Ticket) -> Ending:
            raise KeyError("ours")

    class Waiting(Exception):
        pass

    class Silent:
        def tell_node(self, node_id: str | None, _prompt_id: str, _client: str | None) -> None:
            raise Waiting(node_id)

    queue = PromptQueue(lambda _remaining: None)
    queue.put(1, "felled", {}, {}, [])
    with pytest.raises(Waiting, match="None"):
        serve(queue.take(), queue, Falling(), Silent())
    status = queue.entry("felled")["felled"]["status"]
    assert status["status_str"] == "error"
    assert status["messages"][-1][1]["exception_type"] == "KeyError"
    assert queue.remaining == 0


def test_history_gives_the_last_entries_and_forgets_on_demand(engine: Engine) -> None:
    ids = [engine.post(shown(value), prompt_id=f"history-{value}").json()["prompt_id"] for value in range(3)]
    until(engine.is_idle)
    assert list(engine.get("/history?max_items=2")) == ids[1:]
    assert list(engine.get("/history?max_items=1&offset=0")) != ids[2:]
    engine.ask("POST", "/history", json={"delete": [ids[2]]})
    assert engine.get(f"/history/{ids[2]}") == {}
    engine.ask("POST", "/history", json={"clear": True})
    assert engine.get("/history") == {}


def test_frames_of_any_size_pass(engine: Engine) -> None:
    with engine.listen("large") as listener:
        graph = {"1": {"class_type": "Chatter", "inputs": {"frames": 2, "bytes": 8_000_000}}}
        listener.hear_end(engine.post(graph, client_id="large").json()["prompt_id"])
    sizes = [len(frame) for frame in listener.frames if isinstance(frame, bytes)]
    assert sizes == [8_000_008, 8_000_008]

"""The judge's rules that no recording shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.engine.cache import signatures
from service.engine.catalogue import Catalogue
from service.engine.node import Folders, NodeClass, Result
from service.engine.order import ExecutionOrder
from service.engine.validate import accepts, validate_prompt

FOLDERS = Folders(Path("/in"), Path("/out"), Path("/temp"))


def one_class(kind: Any, facts: dict[str, Any], **more: Any) -> Catalogue:
    entry = {"input": {"required": {"value": [kind, facts]}}, "output": [], "output_node": True}
    made = NodeClass("Out", lambda _models, _folders: entry, lambda _context, _inputs: Result(), **more)
    return Catalogue({"Out": made}, {}, FOLDERS)


def judge(catalogue: Catalogue, value: Any) -> tuple[Any, list[str]]:
    """Return the value as it would run, and the types of what is wrong with it."""
    prompt = {"1": {"class_type": "Out", "inputs": {"value": value}}}
    verdict = validate_prompt(prompt, catalogue)
    problems = verdict.node_errors.get("1", {}).get("errors", [])
    return prompt["1"]["inputs"]["value"], [problem["type"] for problem in problems]


@pytest.mark.parametrize(
    ("kind", "given_value", "runs_as"),
    [
        ("INT", "64", 64),
        ("INT", 64.7, 64),
        ("INT", True, 1),
        ("FLOAT", "1.5", 1.5),
        ("FLOAT", 2, 2.0),
        ("STRING", 5, "5"),
        ("BOOLEAN", 0, False),
        ("INT", {"__value__": 3}, 3),
        ("MODEL", "kept", "kept"),
    ],
)
def test_literals_are_coerced_as_there(kind: str, given_value: Any, runs_as: Any) -> None:
    value, problems = judge(one_class(kind, {}), given_value)
    assert (value, type(value), problems) == (runs_as, type(runs_as), [])


def test_a_long_option_list_is_not_told() -> None:
    options = [f"option {count}" for count in range(21)]
    verdict = validate_prompt({"1": {"class_type": "Out", "inputs": {"value": "x"}}}, one_class(options, {}))
    (problem,) = verdict.node_errors["1"]["errors"]
    assert problem["details"] == "value: 'x' not in (list of length 21)"
    assert problem["extra_info"]["input_config"] is None


def test_both_encodings_of_options_are_checked() -> None:
    assert judge(one_class(["a", "b"], {}), "c")[1] == ["value_not_in_list"]
    assert judge(one_class("COMBO", {"options": ["a", "b"]}), "c")[1] == ["value_not_in_list"]
    assert judge(one_class("COMBO", {"options": ["a", "b"]}), "a")[1] == []


def test_a_class_that_checks_an_input_itself_decides_alone() -> None:
    def check(inputs: Any, _folders: Folders) -> bool | str:
        return inputs["value"] == "odd" or "Only odd will do."

    catalogue = one_class(["a"], {}, validate=check, self_checked=frozenset({"value"}))
    assert judge(catalogue, "odd")[1] == []
    assert judge(catalogue, "a")[1] == ["custom_validation_failed"]


@pytest.mark.parametrize(
    ("received", "wanted", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("IMAGE", "MASK", False),
        ("IMAGE", "*", True),
        ("*", "IMAGE", True),
        ("INT", "INT,FLOAT", True),
        ("STRING", "INT, FLOAT", False),
        (["a"], ["a"], True),
        (["a"], "COMBO", False),
    ],
)
def test_links_fit_by_type(received: Any, wanted: Any, fits: bool) -> None:
    assert accepts(received, wanted) is fits


Graph = dict[str, dict[str, Any]]


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Draw graphs without cycles: each node links only to earlier ones."""
    count = draw(st.integers(1, 12))
    graph: Graph = {}
    for place in range(count):
        earlier = draw(st.lists(st.integers(0, place - 1), max_size=3)) if place else []
        inputs: dict[str, Any] = {f"in{slot}": [str(other), 0] for slot, other in enumerate(earlier)}
        graph[str(place)] = {"class_type": draw(st.sampled_from(["A", "B"])), "inputs": inputs | {"x": place % 3}}
    return graph


@given(graphs(), st.data())
def test_each_node_runs_once_and_after_all_that_it_needs(graph: Graph, data: st.DataObject) -> None:
    cached = data.draw(st.sets(st.sampled_from(sorted(graph))))
    last = str(len(graph) - 1)
    order = ExecutionOrder(
        graph, lambda node_id: graph[node_id]["class_type"] == "B", lambda node_id: node_id in cached
    )
    order.add(last)
    ran: list[str] = []
    while len(order):
        node_id = order.next()
        for value in graph[node_id]["inputs"].values():
            if isinstance(value, list):
                assert value[0] in ran or value[0] in cached
        ran.append(node_id)
        order.done(node_id)
    assert ran[-1] == last
    assert len(ran) == len(set(ran))
    assert not set(ran) & (cached - {last})


@given(graphs())
def test_a_signature_says_what_a_node_computes_and_not_how_it_is_called(graph: Graph) -> None:
    def renamed(graph: Graph) -> Graph:
        return {
            f"n{node_id}": {
                **node,
                "inputs": {
                    name: [f"n{value[0]}", value[1]] if isinstance(value, list) else value
                    for name, value in node["inputs"].items()
                },
            }
            for node_id, node in graph.items()
        }

    def sign(graph: Graph) -> dict[str, str]:
        return signatures(graph, lambda _node_id: None, lambda _node_id: False)

    before, after = sign(graph), sign(renamed(graph))
    assert {f"n{node_id}": signature for node_id, signature in before.items()} == after
    graph["0"]["inputs"]["x"] = 99
    assert sign(graph)["0"] != before["0"]

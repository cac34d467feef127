"""A graph is cut down to what leads to its result: nothing else is run, saved or shown on the server."""

from __future__ import annotations

from typing import Any

from service.graph import lead_to


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_what_does_not_lead_to_the_result_is_left_out() -> None:
    graph = {
        "1": node("EmptyImage"), "2": node("CreateVideo", images=["1", 0]), "3": node("SaveVideo", video=["2", 0]),
        "4": node("SaveImage", images=["1", 0]), "5": node("PreviewImage", images=["1", 0]),
        "6": node("Odd", x=["5", 0]),
    }  # fmt: skip
    lead_to(graph, "3")
    assert set(graph) == {"1", "2", "3"}


def test_a_save_node_on_the_way_is_linked_around() -> None:
    graph = {
        "1": node("EmptyImage"), "4": node("SaveImage", images=["1", 0]), "5": node("PreviewImage", images=["4", 0]),
        "2": node("CreateVideo", images=["5", 0]), "3": node("SaveVideo", video=["2", 0]),
    }  # fmt: skip
    lead_to(graph, "3")
    assert set(graph) == {"1", "2", "3"}
    assert graph["2"]["inputs"]["images"] == ["1", 0]


def test_the_result_itself_may_be_a_picture_and_a_circle_ends() -> None:
    graph = {"1": node("EmptyImage", x=["2", 0]), "2": node("Odd", y=["1", 0]), "3": node("SaveImage", images=["1", 0])}
    lead_to(graph, "3")
    assert set(graph) == {"1", "2", "3"}


def test_a_pass_that_gives_something_else_stays() -> None:
    graph = {
        "1": node("EmptyImage"), "4": node("SaveImage", images=["1", 0]), "2": node("Odd", path=["4", 1]),
        "3": node("SaveVideo", video=["2", 0]),
    }  # fmt: skip
    lead_to(graph, "3")
    assert set(graph) == {"1", "2", "3", "4"}

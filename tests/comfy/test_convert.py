"""From UI format to API format: what a drawing means, whatever was done to it; and what can't be told is refused."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from service.comfy.convert import convert
from tests.comfy.drawing import INFO, Drawing, Grower, expected


def plain(graph: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {key: {"class_type": node["class_type"], "inputs": node["inputs"]} for key, node in graph.items()}


@given(st.integers(0, 2**32), st.integers(0, 9))
@example(1, 0)
def test_a_drawn_graph_is_the_same_graph_whatever_was_done_to_its_drawing(seed: int, changes: int):
    dice = random.Random(seed)
    graph = Grower(dice).grow()
    drawing = Drawing(graph, dice)
    for _ in range(changes):
        drawing.change()
    converted = convert(drawing.file(), INFO)
    assert plain(converted.graph) == expected(graph, drawing.renamed)
    assert converted.notes == ()

"""Fit: a backend has what a graph needs exactly where preflight has nothing to say."""

from __future__ import annotations

from service.fit import fits
from tests.comfy.recorded import SAMPLER_GRAPH, object_info


def test_a_graph_fits_where_everything_is_there_and_nowhere_else():
    graph = {"1": {"class_type": "LoadImage", "inputs": {"image": "job/a.png [temp]"}},
             "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "x"}}}  # fmt: skip
    assert fits(graph, object_info("0.3.64"), {"job/a.png [temp]"})
    assert not fits(graph, {}, {"job/a.png [temp]"})
    assert not fits({**SAMPLER_GRAPH, "99": {"class_type": "Unheard", "inputs": {}}}, object_info("0.3.64"))

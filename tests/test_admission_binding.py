"""Binding: jobs that are alike are judged once, and nothing gets by that a rule or a server would refuse."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from service.binding import Binding
from service.cells import cells_of
from service.config import parse
from service.errors import Rejected
from service.library import load
from service.reading import Dropped, read
from service.soundness import soundness_of
from service.workflow import Bound
from tests.comfy.recorded import object_info

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = load(parse(f"workflows_dir: {ROOT / 'workflows'}\nmodels_dir: {ROOT / 'models'}\n", ROOT))


def taken() -> dict[str, Any]:
    """What a server says that has everything the shipped workflow for texts needs."""
    known = copy.deepcopy(object_info("0.3.64"))
    for node in LIBRARY.workflows["text_to_video_basic"].graph.values():
        inputs = known[node["class_type"]]["input"]
        for section in inputs.values():
            for name, value in node["inputs"].items():
                spec = section.get(name) if isinstance(section, dict) else None
                if spec and isinstance(spec[0], list) and isinstance(value, str) and value not in spec[0]:
                    spec[0].append(value)
    return known


def bind(binding: Binding, text: str) -> Bound:
    readings = read(Dropped("text-to-video", "", "x", "job_file", text.encode(), ()), LIBRARY)
    cells = cells_of(readings, 1)
    return binding.bind(cells, {}, [f"id-{cell.number}" for cell in cells])[0].bound


@pytest.fixture
def known() -> dict[str, Any]:
    return taken()


def test_what_no_rule_looks_at_is_left_out_and_nothing_else(known: dict[str, Any]):
    sound = soundness_of(LIBRARY.workflows["text_to_video_basic"], known)
    assert sound.can_be_told
    assert sound.free == {"prompt", "negative_prompt", "seed"}


def test_a_prompt_that_a_node_chooses_from_a_list_is_looked_at(known: dict[str, Any]):
    known["CLIPTextEncode"]["input"]["required"]["text"] = [["a harbour"], {}]
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    assert not soundness_of(LIBRARY.workflows["text_to_video_basic"], known).free & {"prompt", "negative_prompt"}
    with pytest.raises(Rejected):
        bind(binding, "prompt: a lake")


def test_a_value_that_the_server_lacks_is_refused_after_any_number_of_right_ones(known: dict[str, Any]):
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    for seed in range(3):
        bind(binding, f"prompt: a harbour {seed}\nseed: {seed}")
    with pytest.raises(Rejected) as refused:
        bind(binding, "prompt: a harbour\nsampler: no_such_sampler")
    assert "no_such_sampler" in refused.value.problems[0].title


def test_a_server_that_comes_back_as_another_is_asked_anew(known: dict[str, Any]):
    servers = [known]
    binding = Binding(LIBRARY, lambda: {"gpu-1": servers[-1]}, embedded=False)
    bind(binding, "prompt: a harbour")
    other = copy.deepcopy(known)
    del other["CLIPTextEncode"]
    servers.append(other)
    with pytest.raises(Rejected) as refused:
        bind(binding, "prompt: a harbour")
    assert refused.value.problems[0].code == "node_missing"


def test_two_jobs_never_share_what_goes_into_their_graphs(known: dict[str, Any]):
    binding = Binding(LIBRARY, lambda: {"gpu-1": known}, embedded=False)
    first = bind(binding, "prompt: a harbour")
    before = copy.deepcopy(first.graph)
    second = bind(binding, "prompt: a lake\nwidth: 256")
    assert first.graph == before
    assert second.graph != before
    assert LIBRARY.workflows["text_to_video_basic"].graph != second.graph

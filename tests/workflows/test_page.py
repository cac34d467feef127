"""What the page says of each workflow that comes with us: nothing that its files or the engine contradict."""

from __future__ import annotations

import re

import pytest

from service.engine.nodes import NODE_CLASSES
from service.errors import Rejected
from service.job_fields import JobSettings
from service.model_list import models
from service.node_classes import IDENTITY
from tests.pages import DOCS
from tests.workflows.test_shipped import FOLDER, SHIPPED, least, run

PAGE = (DOCS / "workflows.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", PAGE, re.DOTALL | re.MULTILINE))
LISTED = models((FOLDER.parent / "models" / "models.yaml").read_bytes())


def classes_of(name: str) -> set[str]:
    """Return the classes of the graph of a job that sets and brings no more than it must."""
    flow = SHIPPED[name]
    media = {role: f"reeldrop/x/{role} [temp]" for role in flow.required_roles}
    graph = run(flow, JobSettings.model_validate(least(flow)), media).graph
    return {str(node["class_type"]) for node in graph.values()}


def test_every_workflow_has_its_section() -> None:
    assert SECTIONS.keys() == SHIPPED.keys()


@pytest.mark.parametrize("name", SHIPPED)
def test_a_section_says_whether_the_preview_engine_can_run_it(name: str) -> None:
    says = re.search(r"The preview engine (can|can't) run it", SECTIONS[name])
    assert says is not None
    assert (says[1] == "can") == (classes_of(name) <= NODE_CLASSES.keys())


@pytest.mark.parametrize("name", SHIPPED)
def test_a_section_names_the_packs_and_says_where_consent_is_needed(name: str) -> None:
    text = SECTIONS[name]
    assert [pack.pack for pack in SHIPPED[name].manifest.needs.nodes if pack.pack not in text] == []
    if not SHIPPED[name].manifest.needs.nodes:
        assert "Needs no node pack" in text
    transfers = any(node["class_type"] in IDENTITY for node in SHIPPED[name].graph.values())
    if SHIPPED[name].manifest.unavailable is None:
        assert ("`consent: true`" in text) == transfers


@pytest.mark.parametrize("name", SHIPPED)
def test_the_gigabytes_of_a_section_are_no_less_than_those_of_the_list(name: str) -> None:
    said = re.search(r"(?<!video memory, )([\d.]+) GB of files", SECTIONS[name])
    known = sum(each.size_bytes or 0 for each in LISTED if name in each.workflows) / 1e9
    if said is not None and name != "combined_pipeline":
        assert known <= float(said[1]) + 0.5
    if told := re.search(r"([\d.]+) GB of files", SHIPPED[name].manifest.description):
        assert said is not None
        assert told[1] == said[1]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("text_to_video_wan", 241),
        ("text_to_video_ltx", 257),
        ("motion_transfer_wan_animate", 161),
        ("motion_transfer_liveportrait", 600),
        ("face_swap_video", 50_000),
    ],
)
def test_as_many_frames_as_a_section_names_are_taken_and_no_more(name: str, most: int) -> None:
    flow = SHIPPED[name]
    assert f"{most:,}" in SECTIONS[name]
    media = {role: f"reeldrop/x/{role} [temp]" for role in flow.required_roles}
    with pytest.raises(Rejected, match=f"at most {most} "):
        run(flow, JobSettings.model_validate({**least(flow), "frames": most + 1}), media)

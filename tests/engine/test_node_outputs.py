"""Each recorded output node and format gives the recorded outputs, meta and messages, or has its reason not to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import av
import pytest

from service.engine.nodes import NODE_CLASSES
from tests.engine.recorded import Played, blurred, classes_of, play_prompt, prepare, recording
from tests.engine.running import Engine, running_engine

ENTRIES: dict[str, Any] = recording("node_outputs")

#: Why a recorded graph is not played.
EXCUSED = {
    "VHS_LoadVideoPath absolute path": "the class reads any path of the machine, so the engine hasn't got it",
    "VHS_BatchManager: 12-frame clip, 4 frames a batch (re-queues itself)": (
        "the class queues prompts of its own under ids that nobody asked for; frames are lazy here and need no batches"
    ),
    "after VHS_BatchManager: last 5 history entries": "what the batches left in history, no prompt",
}
PLAYED = [label for label in ENTRIES if label not in EXCUSED]
#: Kinds of message that say no more than that some time passed.
PASSING = {"status", "progress_state"}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, dict[str, Played]]]:
    """All graphs in the recorded order on one engine, because file numbers and the cache go on from one to the next."""
    with running_engine(tmp_path_factory.mktemp("outputs")) as engine, engine.listen("rec-f") as listener:
        prepare(engine)
        listener.hear_rest()
        yield engine, {label: play_prompt(engine, ENTRIES[label]["graph"], listener) for label in PLAYED}


def test_every_label_is_played_or_excused() -> None:
    assert set(EXCUSED) <= set(ENTRIES)
    for label, entry in ENTRIES.items():
        missing = classes_of(entry["graph"]) - set(NODE_CLASSES) if isinstance(entry, dict) else {"no graph"}
        assert bool(missing) == (label in EXCUSED), (label, missing)


@pytest.mark.parametrize("label", PLAYED)
def test_a_graph_ends_as_recorded(label: str, played: tuple[Engine, dict[str, Played]]) -> None:
    expected, found = ENTRIES[label], played[1][label]
    assert found.post_status == expected["post_status"]
    assert found.entry["status"]["status_str"] == expected["status_str"]
    assert _dated(blurred(found.entry["outputs"])) == _dated(blurred(expected["outputs"]))
    assert blurred(found.entry["meta"]) == blurred(expected["meta"])


@pytest.mark.parametrize("label", PLAYED)
def test_a_client_hears_what_was_recorded(label: str, played: tuple[Engine, dict[str, Played]]) -> None:
    expected, found = ENTRIES[label], played[1][label]
    told = sorted(map(str, _dated(blurred(found.executed_messages))))
    assert told == sorted(map(str, _dated(blurred(expected["executed_messages"]))))
    assert set(found.message_types) - PASSING == set(expected["other_message_types"]) - PASSING


@pytest.mark.parametrize("label", [label for label in PLAYED if "last_message" in ENTRIES[label]])
def test_a_failure_says_what_was_recorded(label: str, played: tuple[Engine, dict[str, Played]]) -> None:
    kind, expected = ENTRIES[label]["last_message"]
    found = played[1][label].entry["status"]["messages"][-1]
    assert found[0] == kind
    for key in ("node_id", "node_type", "exception_type"):
        assert found[1][key] == expected[key]
    assert blurred(found[1])["exception_message"] == blurred(expected)["exception_message"]
    assert set(found[1]["current_inputs"]) >= set(expected["current_inputs"])


@pytest.mark.parametrize("label", PLAYED)
def test_each_file_that_is_named_is_there_and_whole(label: str, played: tuple[Engine, dict[str, Played]]) -> None:
    engine, runs = played
    for shown in runs[label].entry["outputs"].values():
        for file in [*shown.get("images", []), *shown.get("gifs", []), *shown.get("audio", [])]:
            folder = engine.base / file["type"] / file["subfolder"]
            for path in [folder / file["filename"]] if "%03d" not in file["filename"] else folder.glob("*.00?.png"):
                with av.open(str(path)) as container:
                    assert next(container.decode(container.streams[0]), None) is not None


def _dated(value: Any) -> Any:
    """Put one year for the year of any day: a prefix token writes it into file names."""
    if isinstance(value, dict):
        return {key: _dated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_dated(item) for item in value]
    return re.sub(r"_20\d\d_", "_<year>_", value) if isinstance(value, str) else value

"""What keeps a finished render from the outbox: it holds, says why, and nothing is rendered or fetched again."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from service.app import App
from service.comfy.embedded import EmbeddedEngine
from service.errors import Unavailable
from service.publishing import Publishing
from tests.faults.proxy import Proxy
from tests.line.world import SMALL, World

CUP = f"prompt: a cup\n{SMALL}"


@pytest.fixture
def proxy(engine_outside: str):
    with Proxy(engine_outside) as proxy:
        yield proxy


@pytest.fixture
def world(tmp_path: Path, proxy: Proxy):
    world = World(tmp_path, proxy.url)
    yield world
    world.stop()


def fetches(proxy: Proxy) -> int:
    return proxy.requests.count(("GET", "/view"))


class AlwaysClassifier:
    """Takes everything for nudity."""

    def score(self, _rgb: object) -> float:
        return 1.0


@contextmanager
def closing(world: World):
    """Stop a world that was started by hand."""
    try:
        yield world
    finally:
        world.stop()


class Outage:
    """An outbox that is offline until it is over."""

    def __init__(self) -> None:
        self.over = False

    def __call__(self) -> None:
        if not self.over:
            raise Unavailable("folder_offline", "The outbox is offline.", "Mount it again.")


def start_with(world: World, **named: object) -> World:
    """Start the daemon with something else in the room of its results."""
    world.app = App(world.config, classifier=world.classifier)
    world.app.on_change = world.changes.append
    world.app.open()
    for name, value in named.items():
        setattr(world.app.publishing._results, f"_{name}", value)
    world.app.start()
    return world


def test_a_render_that_waits_for_the_outbox_is_neither_fetched_nor_made_again(world: World, proxy: Proxy):
    outbox = Outage()
    start_with(world, check_outbox=outbox)
    world.drop("text-to-video/cup.yaml", CUP)
    world.until_hold("text-to-video/cup", "folder_offline")
    assert next((world.config.state_dir / "work").rglob("result.mp4")).is_file()
    assert not [name for name in world.outbox() if name.endswith(".mp4")]
    world.app.publishing._results._finish = None  # whoever makes it again falls
    outbox.over = True
    status = world.until_state("text-to-video/cup", "done")
    assert (fetches(proxy), proxy.prompts_sent) == (1, 1)
    assert status["outputs"][0]["ai_generated"] is True
    assert status["hold"] is None


def test_what_is_held_is_tried_again_by_the_clock_and_not_at_every_look(world: World):
    start_with(world, check_outbox=Outage())
    publishing: Publishing = world.app.publishing
    now = [100.0]
    publishing._monotonic = lambda: now[0]
    world.drop("text-to-video/cup.yaml", CUP)
    world.until(lambda: publishing.retry_due_s() == 1.0, "a hold that is tried again in a second")
    now[0] += 0.9
    for _ in range(20):
        publishing.retry_held()
    assert publishing.retry_due_s() == pytest.approx(0.1)
    now[0] += 0.1
    publishing.retry_held()
    world.until(lambda: publishing.retry_due_s() == 2.0, "a longer pause after the second try")
    assert world.status("text-to-video/cup")["hold"]["code"] == "folder_offline"


def test_a_result_that_lies_in_an_outbox_that_is_offline_is_not_made_again(world: World, proxy: Proxy):
    world.start()
    # It dies between the outbox and the end of the job.
    world.app.ending.end = lambda *_arguments, **_named: world.app.wait(20)
    world.drop("text-to-video/cup.yaml", CUP)
    result = world.config.output_dir / "text-to-video" / "cup.mp4"
    world.until(result.exists, "the result")
    world.stop()
    aside = result.rename(world.folder / "aside.mp4")
    outbox = Outage()
    start_with(world, check_outbox=outbox)
    world.until_hold("text-to-video/cup", "folder_offline")
    aside.rename(result)
    outbox.over = True
    world.until_state("text-to-video/cup", "done")
    assert [name for name in world.outbox() if name.endswith(".mp4")] == ["text-to-video/cup.mp4"]
    assert proxy.prompts_sent == 1


def test_a_server_that_is_gone_when_its_result_is_fetched_gets_its_job_back(world: World, proxy: Proxy):
    world.start()
    results = world.app.publishing._results
    fetch, gone = results._fetch, [True]

    def fetch_at_last(*arguments: object) -> Path:
        if gone:
            gone.pop()
            raise Unavailable("unreachable", "Its name is unknown.", "Correct it.")
        return fetch(*arguments)

    results._fetch = fetch_at_last
    world.drop("text-to-video/cup.yaml", CUP)
    world.until_state("text-to-video/cup", "done")
    assert proxy.prompts_sent == 1
    held = world.app.publishing._backlog.was_held(world.status("text-to-video/cup")["job"])
    assert not held, "the lane has followed it again"


def test_a_claim_that_another_epoch_publishes_is_left_alone(world: World):
    world.start()
    results = world.app.publishing._results
    taken: list[bool] = []
    original = results._place

    def place(job, marked):
        if not taken:
            taken.append(True)
            folder = results._claim(job).folder
            epoch = int(folder.name.rpartition(".")[2])
            (folder / f"publish-{job.id}").write_text(json.dumps({"sha256": "0", "epoch": epoch + 1}))
        return original(job, marked)

    results._place = place
    world.drop("text-to-video/cup.yaml", CUP)
    world.until_hold("text-to-video/cup", "claim_taken")
    assert not [name for name in world.outbox() if name.endswith(".mp4")]


def start_on_own_engine(tmp_path: Path, **attributes: object) -> World:
    world = World(tmp_path, None)
    vars(world).update(attributes)
    return start_with(world, engine_output=EmbeddedEngine(world.config.state_dir / "engine", Path()).output)


def engine_files(world: World) -> list[Path]:
    return [path for path in world.app.publishing._results._engine_output.rglob("*") if path.is_file()]


def test_a_result_carries_its_models_and_leaves_nothing_in_the_engine_of_ours(tmp_path: Path):
    world = start_on_own_engine(tmp_path)
    seen: list[Path] = []
    place = world.app.publishing._results._place

    def look(*arguments: object):
        seen.extend(engine_files(world))
        return place(*arguments)

    world.app.publishing._results._place = look
    with closing(world):
        world.drop("text-to-video/cup.yaml", CUP)
        status = world.until_state("text-to-video/cup", "done")
        assert seen
        assert engine_files(world) == []
    with av.open(str(world.config.output_dir / "text-to-video" / "cup.mp4")) as video:
        tags = dict(video.metadata)
    assert tags["ai_generated"] == "true"
    models = json.loads(tags["reeldrop"])["models"]
    assert status["models"] == models
    assert status["outputs"][0]["ai_generated"] is True
    assert status["graph_hash"]
    assert any(name.startswith("checkpoints/") for name in models)
    assert any(name.startswith("animatediff_models/") for name in models)


def test_a_result_that_hits_is_deleted_where_the_engine_left_it(tmp_path: Path):
    world = start_on_own_engine(tmp_path, classifier=AlwaysClassifier)
    with closing(world):
        world.drop("text-to-video/cup.yaml", CUP)
        status = world.until_state("text-to-video/cup", "failed")
        assert status["error"]["code"] == "nudity_quarantined"
        assert world.app.publishing._results._engine_output.is_dir()
        assert engine_files(world) == []
        assert not list((world.config.state_dir / "work").rglob("raw*"))


def tags_of(world: World, path: str) -> dict[str, str]:
    with av.open(str(world.config.output_dir / path)) as video:
        return dict(video.metadata)


def test_minimal_metadata_holds_the_mark_the_job_and_a_hash_and_nothing_of_the_prompt(world: World):
    with world:
        world.drop("text-to-video/cup.yaml", f"{CUP}output: {{metadata: minimal}}\n")
        status = world.until_state("text-to-video/cup", "done", "rejected")
        assert status["state"] == "done", status["error"]
    tags = tags_of(world, "text-to-video/cup.mp4")
    assert tags["ai_generated"] == "true"
    assert tags["comment"].startswith("AI-made")
    assert tags["reeldrop_job"] == status["job"]
    assert tags["graph_hash"] == status["graph_hash"]
    assert not {"reeldrop", "title"} & tags.keys()
    assert "cup" not in " ".join(tags.values())

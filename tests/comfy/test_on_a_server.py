"""The client and the socket against a running server, the embedded engine or the ComfyUI that COMFY_URL names."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from service.comfy import preflight
from service.comfy.client import Client, Refused
from service.comfy.hearing import Hearing
from service.comfy.protocol import AskHistory, Errored, Event, Progress, Run, Started, Succeeded
from service.comfy.socket import Connected, Disconnected
from service.errors import Failed, Unavailable
from tests.comfy.following import listening, look, new_id, picture_graph, send_until_known, until, verdict_of
from tests.faults.proxy import Proxy


def render(client: Client, graph: dict[str, Any]) -> tuple[Run, Any]:
    run = Run(new_id(), graph, output_node="9")
    return run, send_until_known(client, run, graph, "nobody")


def test_it_says_what_it_is(client: Client) -> None:
    assert client.system_stats()["system"]["comfyui_version"]
    assert "KSampler" in client.object_info()
    assert client.features()["max_upload_size"] > 0
    client.free()


def test_a_picture_is_rendered_and_fetched(client: Client, tmp_path: Path) -> None:
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    (file,) = verdict.outputs
    size = client.fetch(file, tmp_path / "picture.png")
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "picture.png").stat().st_size == size


def test_a_transfer_that_breaks_in_the_middle_is_resumed(client: Client, proxy: Proxy, tmp_path: Path) -> None:
    _, verdict = render(client, picture_graph())
    proxy.cut_body("/view", 1, bytes_=20)
    client.fetch(verdict.outputs[0], tmp_path / "broken.png")
    client.fetch(verdict.outputs[0], tmp_path / "whole.png")
    assert (tmp_path / "broken.png").read_bytes() == (tmp_path / "whole.png").read_bytes()
    assert proxy.requests.count(("GET", "/view")) == 3


def test_a_result_that_is_gone_fails(client: Client, tmp_path: Path) -> None:
    _, verdict = render(client, picture_graph())
    (file,) = verdict.outputs
    gone = type(file)("never-there.png", file.subfolder, file.type, file.node)
    with pytest.raises(Failed) as caught:
        client.fetch(gone, tmp_path / "x.png")
    assert caught.value.problem.code == "result_missing"


@pytest.mark.parametrize("name", ["photo.png", "ein Bild – härbour 日本.png", "a 'quoted' \"name\".png"])
def test_an_upload_is_found_by_its_reference(client: Client, tmp_path: Path, name: str) -> None:
    _, verdict = render(client, picture_graph(color=0x3366CC))
    picture = tmp_path / "picture.png"
    client.fetch(verdict.outputs[0], picture)
    reference = client.upload(picture, name, f"job-{new_id()}")
    assert reference.endswith(" [temp]")
    graph = {
        "1": {"class_type": "LoadImage", "inputs": {"image": reference}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": f"t/{new_id()}"}},
    }
    assert preflight.check(graph, client.object_info()) == ()
    assert isinstance(render(client, graph)[1], Succeeded)


def test_a_graph_that_the_server_refuses_names_what_is_missing(client: Client) -> None:
    graph = picture_graph()
    graph["2"] = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "no-such-model.safetensors"}}
    graph["3"] = {"class_type": "VAEDecode", "inputs": {"samples": ["4", 0], "vae": ["2", 2]}}
    graph["4"] = {
        "class_type": "EmptyLatentImage",
        "inputs": {"width": 64, "height": 64, "batch_size": 1},
    }
    graph["9"]["inputs"]["images"] = ["3", 0]
    with pytest.raises(Refused) as caught:
        client.submit(new_id(), graph, "nobody")
    foreseen = preflight.check(graph, client.object_info())
    assert [problem.code for problem in caught.value.problems] == ["model_missing"]
    assert [problem.code for problem in foreseen] == ["model_missing"]
    assert "no-such-model.safetensors" in foreseen[0].title


def test_a_node_that_fails_is_a_verdict_with_its_name(client: Client, tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"this is no picture")
    reference = client.upload(tmp_path / "bad.png", "bad.png", f"job-{new_id()}")
    graph = picture_graph()
    graph["1"] = {"class_type": "LoadImage", "inputs": {"image": reference}}
    _, verdict = render(client, graph)
    assert isinstance(verdict, Errored)
    assert "node 1 (LoadImage)" in verdict.problem.title


def test_a_prompt_nobody_knows_is_in_neither(client: Client) -> None:
    run = Run(new_id(), picture_graph())
    assert look(client, run) is None
    assert client.interrupt(run.prompt_id) is False
    client.delete(run.prompt_id)


# ── the socket ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_render_is_heard_from_its_start_to_its_end(client: Client, proxy: Proxy) -> None:
    with listening(proxy.url, "ears-1") as (socket, ears):
        graph = picture_graph()
        run = Run(new_id(), graph)
        client.submit(run.prompt_id, graph, "ears-1")
        heard: list[Event] = []
        while AskHistory() not in heard:
            message = ears.next()
            heard += run.hear(message) if isinstance(message, str | bytes) else ()
        assert heard[0] == Started()
        shown = [event.fraction for event in heard if isinstance(event, Progress)]
        assert shown == sorted(shown)
        assert shown[-1] == 1
        assert isinstance(verdict_of(client, run), Succeeded)
        assert socket.alive()


def test_our_first_message_is_answered_with_the_servers_features(proxy: Proxy) -> None:
    with listening(proxy.url) as (_, ears):
        said = ears.wait_for(lambda message: isinstance(message, str) and "feature_flags" in message)
        assert json.loads(str(said))["data"]["supports_preview_metadata"] is True


def test_the_socket_asks_no_proxy_of_the_environment(proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with listening(proxy.url) as (socket, _):
        assert socket.alive()


def test_a_dropped_socket_comes_back_under_its_client_id(client: Client, proxy: Proxy) -> None:
    with listening(proxy.url, "ears-2") as (socket, ears):
        proxy.drop_socket_after(0)
        assert ears.wait_for_kind(Disconnected).refused is False
        again = ears.wait_for_kind(Connected)
        assert again.client_id == socket.client_id == "ears-2"
        graph = picture_graph()
        client.submit(new_id(), graph, again.client_id)
        ears.wait_for(lambda message: isinstance(message, str) and "execution_success" in message)


def test_a_renewed_socket_hears_what_is_sent_under_its_fresh_id(client: Client, proxy: Proxy) -> None:
    with listening(proxy.url, "ears-5") as (socket, ears):
        fresh = socket.renew()
        ears.wait_for_kind(Disconnected)
        assert ears.wait_for_kind(Connected).client_id == fresh
        client.submit(new_id(), picture_graph(), fresh)
        ears.wait_for(lambda message: isinstance(message, str) and "execution_success" in message)


def test_a_socket_whose_id_was_taken_away_is_found_deaf_and_hears_again(client: Client, proxy: Proxy) -> None:
    """A true server forgets whoever listens under an id when any socket of it ends; the engine keeps them apart."""
    with listening(proxy.url, "ears-6") as (old, _), listening(proxy.url, "ears-6") as (socket, ears):
        old.stop()
        hearing = Hearing()
        hearing.connected(time.monotonic(), "ears-6")

        def decided() -> bool:
            hearing.heard(socket.heard_s or 0)
            return hearing.deaf(time.monotonic()) or hearing.hears(socket.client_id)

        # The first may still be heard: the server notices the end in its own time.
        for _ in range(3):
            began_s, prompt_id = time.monotonic(), new_id()
            client.submit(prompt_id, picture_graph(), socket.client_id)
            hearing.posted(time.monotonic(), socket.client_id, began_s=began_s)
            until(decided, 5)
            if hearing.deaf(time.monotonic()):
                hearing.connected(time.monotonic(), socket.renew())
                ears.wait_for_kind(Connected)
        assert hearing.hears(socket.client_id)
        ears.wait_for(lambda message: isinstance(message, str) and prompt_id in message and "_success" in message)


def test_a_prompt_of_ours_is_cancelled_and_forgotten(client: Client) -> None:
    run, _ = render(client, picture_graph())
    assert client.cancel(run.prompt_id) is False, "it is over"
    client.forget([run.prompt_id])
    assert client.history(run.prompt_id) is None
    assert client.queue().order == ()


def test_a_socket_dropped_in_the_middle_costs_progress_but_no_result(client: Client, proxy: Proxy) -> None:
    with listening(proxy.url, "ears-3") as (_, ears):
        proxy.drop_socket_after(4)
        graph = picture_graph()
        run = Run(new_id(), graph)
        client.submit(run.prompt_id, graph, "ears-3")
        assert isinstance(verdict_of(client, run), Succeeded)
        ears.wait_for_kind(Disconnected)


def test_repeated_messages_change_nothing(client: Client, proxy: Proxy) -> None:
    with listening(proxy.url, "ears-4") as (_, ears):
        for n in range(1, 12):
            proxy.repeat_message(n)
        graph = picture_graph()
        run = Run(new_id(), graph)
        client.submit(run.prompt_id, graph, "ears-4")
        heard: list[Event] = []
        while AskHistory() not in heard:
            message = ears.next()
            heard += run.hear(message) if isinstance(message, str | bytes) else ()
        assert heard.count(Started()) == 1
        shown = [event.fraction for event in heard if isinstance(event, Progress)]
        assert shown == sorted(shown)


def test_a_server_that_goes_away_is_told_once_as_lost_and_once_as_refusing(proxy: Proxy) -> None:
    with listening(proxy.url) as (socket, ears):
        proxy.refuse()
        assert ears.wait_for_kind(Disconnected).refused is False
        assert ears.wait_for_kind(Disconnected).refused is True
        proxy.accept()
        said = ears.next(10)
        assert isinstance(said, Connected), "no further word until it is back"
        assert socket.alive()


def test_stopping_takes_less_than_a_second_while_connected_or_not(proxy: Proxy) -> None:
    for prepare in (lambda: None, proxy.refuse):
        with listening(proxy.url) as (socket, ears):
            prepare()
            if prepare == proxy.refuse:
                ears.wait_for(lambda message: isinstance(message, Disconnected) and message.refused)
            began = time.monotonic()
            socket.stop()
            assert time.monotonic() - began < 1
            until(lambda: not socket.alive(), 2)


def test_a_frozen_server_holds_neither_the_socket_nor_its_owner(proxy: Proxy) -> None:
    with listening(proxy.url) as (socket, _):
        proxy.freeze()
        began = time.monotonic()
        socket.stop()
        assert time.monotonic() - began < 1
        proxy.thaw()


# ── law 2: never sent twice ─────────────────────────────────────────────────────────────────────────────────────────


def test_an_answer_that_got_lost_leads_to_one_render(client: Client, proxy: Proxy) -> None:
    proxy.lose_answer("/prompt", 1, method="POST")
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    assert proxy.prompts_sent == 1


def test_a_500_that_queued_all_the_same_leads_to_one_render(client: Client, proxy: Proxy) -> None:
    proxy.fail("/prompt", 1, method="POST", reaches=True)
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    assert proxy.prompts_sent == 1


def test_a_late_answer_leads_to_one_render(client: Client, proxy: Proxy) -> None:
    proxy.delay("/prompt", 4.5, 1, method="POST")
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    assert proxy.prompts_sent == 1


def test_a_request_that_got_lost_is_sent_again_once_that_is_certain(client: Client, proxy: Proxy) -> None:
    proxy.lose_request("/prompt", 1, method="POST")
    began = time.monotonic()
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    assert proxy.prompts_sent == 1
    assert time.monotonic() - began > 7.5, "two looks, both after the deadline and four seconds apart"


def test_lookups_that_break_are_repeated_and_never_taken_for_empty(client: Client, proxy: Proxy) -> None:
    proxy.cut_body("/queue", 1, bytes_=5).lose_answer("/history", 1).fail("/queue", 3)
    _, verdict = render(client, picture_graph())
    assert isinstance(verdict, Succeeded)
    assert proxy.prompts_sent == 1


def test_a_login_page_before_the_server_is_no_server(client: Client, proxy: Proxy) -> None:
    proxy.answer_html()
    with pytest.raises(Unavailable) as caught:
        client.system_stats()
    assert caught.value.code == "not_comfyui"
    proxy.heal()
    client.system_stats()

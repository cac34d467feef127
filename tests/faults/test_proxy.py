"""The proxy does what its script says, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from tests.comfy.scripted import Scripted, always, http
from tests.faults.proxy import Proxy

BODY = b"0123456789" * 10


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted(always(http(200, BODY, "text/plain"))) as running:
        yield running


@pytest.fixture
def proxy(server: Scripted) -> Iterator[Proxy]:
    with Proxy(server.url) as standing:
        yield standing


def get(proxy: Proxy, path: str = "/x", timeout: float = 5) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(proxy.url + path, timeout=timeout)


def post(proxy: Proxy, path: str = "/prompt") -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.post(proxy.url + path, data=b"body", timeout=5)


def test_without_a_script_everything_passes(proxy: Proxy, server: Scripted) -> None:
    assert get(proxy, "/x?q=1").content == BODY
    assert post(proxy).content == BODY
    assert [asked.target for asked in server.asked] == ["/x?q=1", "/prompt"]
    assert server.asked[1].body == b"body"
    assert proxy.requests == proxy.reached == [("GET", "/x"), ("POST", "/prompt")]
    assert proxy.prompts_sent == 1


def test_the_nth_request_fails_and_the_server_never_sees_it(proxy: Proxy, server: Scripted) -> None:
    proxy.fail("/x", 2, status=503)
    assert [get(proxy).status_code for _ in range(3)] == [200, 503, 200]
    assert len(server.asked) == 2


def test_a_failure_may_come_after_the_server_has_got_it(proxy: Proxy, server: Scripted) -> None:
    proxy.fail("/prompt", reaches=True)
    assert post(proxy).status_code == 500
    assert proxy.prompts_sent == len(server.asked) == 1


@pytest.mark.parametrize(("lose", "reached"), [("lose_answer", 1), ("lose_request", 0)])
def test_an_answer_or_a_request_gets_lost(proxy: Proxy, server: Scripted, lose: str, reached: int) -> None:
    getattr(proxy, lose)("/prompt")
    with pytest.raises(requests.ConnectionError):
        post(proxy)
    assert proxy.prompts_sent == len(server.asked) == reached
    assert post(proxy).status_code == 200


def test_a_fault_can_be_for_one_method_only(proxy: Proxy) -> None:
    proxy.fail("/prompt", method="POST")
    assert get(proxy, "/prompt").status_code == 200
    assert post(proxy).status_code == 500


def test_an_answer_comes_late(proxy: Proxy) -> None:
    proxy.delay("/x", 0.3)
    began = time.monotonic()
    get(proxy)
    assert time.monotonic() - began >= 0.3


def test_a_body_is_cut(proxy: Proxy) -> None:
    proxy.cut_body("/x", bytes_=30)
    with pytest.raises(requests.RequestException):
        get(proxy)
    assert get(proxy).content == BODY


def test_an_answer_drips(proxy: Proxy) -> None:
    proxy.drip("/x", 0.002)
    began = time.monotonic()
    assert get(proxy).content == BODY
    assert time.monotonic() - began > 0.3


def test_something_else_answers(proxy: Proxy, server: Scripted) -> None:
    proxy.answer_html()
    assert "text/html" in get(proxy).headers["Content-Type"]
    proxy.heal().answer("/x", b"{}", 1)
    assert get(proxy).json() == {}
    assert server.asked == []
    assert get(proxy).content == BODY


def test_it_refuses_and_accepts_again_at_the_same_place(proxy: Proxy) -> None:
    place = proxy.url
    proxy.refuse()
    with pytest.raises(requests.ConnectionError):
        get(proxy)
    proxy.accept()
    assert proxy.url == place
    assert get(proxy).status_code == 200


def test_it_freezes_and_thaws(proxy: Proxy) -> None:
    proxy.freeze()
    with pytest.raises(requests.Timeout):
        get(proxy, timeout=0.2)
    proxy.thaw()
    assert get(proxy).status_code == 200


def test_it_follows_a_server_that_moved(proxy: Proxy) -> None:
    with Scripted(always(http(200, b"elsewhere"))) as other:
        proxy.upstream = other.url
        assert get(proxy).content == b"elsewhere"


def test_a_server_that_is_away_closes_the_connection(proxy: Proxy) -> None:
    proxy.upstream = "http://127.0.0.1:9"
    with pytest.raises(requests.ConnectionError):
        get(proxy)

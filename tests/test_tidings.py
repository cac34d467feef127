"""Being told: what happened becomes messages, signed, to those who asked, and never to this machine itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import stat
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from service.errors import Problem, Rejected
from service.job import Hold, State
from service.notify_keys import EVENTS, Target
from service.store import Store
from service.telling import Telling, signing_key
from service.tidings import MOST_TOLD, SETTLE_S, Settling, Tiding, may_connect, message_of, troubles_of, wait_s
from service.webhooks import NotToldError, Webhooks, send_by_apprise, shown
from tests import pages
from tests.test_store import see

KEY = b"key"


class Receiver(ThreadingHTTPServer):
    """Takes what is posted; answers what `answer` says."""

    daemon_threads = True

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Taking)
        self.answer = 204
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.asked = 0

    @property
    def url(self) -> str:
        return f"http://{self.server_address[0]}:{self.server_address[1]}/hook?key=hush"

    def events(self) -> list[dict[str, object]]:
        return [event for _, body in self.got for event in json.loads(body)["events"]]


class _Taking(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.asked += 1
        if 200 <= self.server.answer < 300:
            self.server.got.append((dict(self.headers), body))
        self.send_response(self.server.answer)
        if self.server.answer == 302:
            self.send_header("Location", self.server.url)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def receiving(host: str = "127.0.0.1"):
    with Receiver(host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.fixture
def receiver():
    with receiving() as server:
        yield server


@pytest.fixture
def store(tmp_path: Path):
    store = Store(tmp_path / "var" / "reeldrop.db")
    yield store
    store.close()


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Told:
    """A telling over a store, step by step, on a clock of its own."""

    def __init__(self, store: Store, *targets: dict[str, object]) -> None:
        self.store, self.clock, self.stop = store, Clock(), threading.Event()
        self.targets = [Target.model_validate(target) for target in targets]
        self.again()

    def again(self) -> None:
        """Begin another life of the daemon."""
        webhooks = Webhooks(KEY, may_connect=lambda _: True)
        self.telling = Telling(self.targets, self.store, webhooks, "box/1", self.clock)

    def step(self, seconds: float = 0.0) -> None:
        self.clock.now_s += seconds
        self.telling.step(self.stop)


def run_to(store: Store, name: str, *states: State, **changes: object) -> None:
    see(store, name)
    for state in states[:-1]:
        store.move(f"job-{name}", state)
    store.move(f"job-{name}", states[-1], **changes)


DONE = (State.QUEUED, State.RUNNING, State.DONE)


def test_a_done_job_is_told_once_and_signed(store, receiver):
    told = Told(store, {"url": receiver.url})
    told.step()
    run_to(store, "harbour", *DONE, outputs=[{"file": "harbour.mp4"}])
    told.step()
    told.step()
    ((headers, body),) = receiver.got
    expected = hmac.new(KEY, headers["Reeldrop-Timestamp"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert headers["Reeldrop-Signature"] == f"v1={expected}"
    said = json.loads(body)
    assert (said["counts"], said["left_out"], said["daemon"]) == ({"done": 1}, 0, "box/1")
    (event,) = said["events"]
    assert (event["event"], event["name"]) == ("done", "text-to-video/harbour")
    assert (event["job"], event["result"]) == ("job-harbour", "text-to-video/harbour.mp4")


def test_a_failure_is_told_with_its_cure(store, receiver):
    told = Told(store, {"url": receiver.url})
    told.step()
    run_to(store, "a", State.QUEUED, State.FAILED, error={"code": "x", "title": "It broke.", "fix": "Mend it."})
    run_to(store, "b", State.REJECTED, error={"code": "x", "title": "No.", "fix": "Write it."})
    told.step()
    assert [(each["event"], each["title"], each["fix"]) for each in receiver.events()] == [
        ("failed", "It broke.", "Mend it."),
        ("failed", "No.", "Write it."),
    ]


def test_each_is_told_what_it_asked_for(store, receiver):
    with receiving() as other:
        told = Told(store, {"url": receiver.url, "events": ("started",)}, {"url": other.url, "tasks": ("face-swap",)})
        told.step()
        run_to(store, "harbour", *DONE)
        told.step()
        assert [each["event"] for each in receiver.events()] == ["started"]
        assert other.asked == 0


def test_a_target_that_is_down_for_a_day_gets_one_message_and_nothing_is_lost(store, receiver, caplog):
    caplog.set_level(logging.INFO)
    told = Told(store, {"url": receiver.url})
    told.step()
    receiver.answer = 503
    for hour in range(24):
        for job in range(6):
            run_to(store, f"{hour}-{job}", *DONE)
        for _ in range(30):
            told.step(120)
        if hour == 12:
            told.again()
    assert receiver.asked < 150
    assert "hush" not in caplog.text
    assert "http://127.0.0.1 isn't told: It answers 503." in caplog.text
    (notice,) = store.notices()
    assert notice["code"] == "notify_failing"
    assert "hush" not in notice["title"]
    receiver.answer = 200
    told.step(900)
    told.step(900)
    ((_, body),) = receiver.got
    said = json.loads(body)
    assert said["counts"] == {"done": 144}
    assert said["left_out"] == 144 - MOST_TOLD == 44
    assert said["events"][-1]["name"] == "text-to-video/23-5"
    assert store.notices() == []


def test_what_happened_while_no_daemon_looked_is_told_by_the_next_life(store, receiver):
    told = Told(store, {"url": receiver.url})
    run_to(store, "before", *DONE)
    told.step()
    run_to(store, "after", *DONE)
    told.again()
    told.step()
    assert [each["name"] for each in receiver.events()] == ["text-to-video/after"]


def test_a_trouble_is_told_when_it_lasts_and_again_when_it_is_over(store, receiver):
    told = Told(store, {"url": receiver.url, "tasks": ("face-swap",)})
    told.step()
    store.note_backend("gpu", {"answers": False, "why": "Nothing listens."})
    told.step(5)
    told.step(SETTLE_S - 1)
    assert receiver.asked == 0
    told.step(5)
    told.again()
    told.step(SETTLE_S)
    store.note_backend("gpu", {"answers": True})
    told.step(5)
    told.step(SETTLE_S)
    told.step(SETTLE_S)
    assert [(each["event"], each["name"], each["title"]) for each in receiver.events()] == [
        ("backend_down", "gpu", "Nothing listens."),
        ("back_again", "gpu", "It is over: Nothing listens."),
    ]


def test_what_flickers_is_not_told():
    settling, told = Settling(), []
    for second in range(0, 600, 10):
        begun, _ = settling.step(second, ["backend gpu"] if second % 20 else [], told)
        told += begun
    assert told == []


def test_a_full_disk_and_a_troubled_daemon_are_told_but_not_what_people_want_so(store):
    see(store, "a")
    store.change("job-a", hold=Hold("disk_full", "No space.", "Free some.", "2026-11-22T00:00:00Z"))
    see(store, "b")
    store.change("job-b", hold=Hold("paused", "Paused.", "Remove PAUSE.", "2026-11-22T00:00:00Z"))
    store.set_notice("events_lost", Problem("events_lost", "Events are lost.", "Look."))
    found = troubles_of(store.holds(), store.notices(), {"gpu": {"answers": False, "draining": True}})
    assert {key: trouble.event for key, trouble in found.items()} == {
        "hold disk_full": "disk_full",
        "notice events_lost": "held",
    }


def test_a_trouble_that_no_log_can_take_is_told_from_memory(tmp_path, store, receiver):
    told = Told(store, {"url": receiver.url})
    told.step()
    see(store, "a")
    store.change("job-a", hold=Hold("disk_full", "No space.", "Free some.", "2026-11-22T00:00:00Z"))
    told.step(5)
    store._connection.execute("PRAGMA query_only = ON")
    told.step(SETTLE_S)
    told.step(SETTLE_S)
    assert [each["event"] for each in receiver.events()] == ["disk_full"]
    store._connection.execute("PRAGMA query_only = OFF")
    store.change("job-a", hold=None)
    told.step(5)
    told.step(SETTLE_S)
    assert [each["event"] for each in receiver.events()] == ["disk_full", "back_again"]


def test_waits_grow_to_a_quarter_of_an_hour():
    assert [wait_s(failures) for failures in (0, 1, 2, 3, 8, 9, 10_000)] == [0, 5, 10, 20, 640, 900, 900]


def test_a_message_has_words_for_people():
    tidings = [Tiding(number, "done", "", f"text-to-video/{number}") for number in range(MOST_TOLD + 2)]
    one = message_of(tidings[:1], ["done"], [])
    assert one is not None
    assert one.title() == "Reeldrop: done: text-to-video/0"
    many = message_of(tidings, ["done"], ["text-to-video"])
    assert many is not None
    assert many.title() == "Reeldrop: 102 done"
    assert many.text().endswith("and 2 earlier ones")
    assert message_of(tidings, ["failed"], []) is None


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1", "169.254.169.254", "fe80::1%eth0", "0.0.0.0", "::",
        "224.0.0.1", "255.255.255.255", "fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192",
        "64:ff9b::7f00:1", "2002:7f00:1::", "::ffff:169.254.169.254", "nonsense",
    ],
)  # fmt: skip
def test_nothing_is_sent_to_this_machine_its_links_or_a_clouds_own_services(address):
    assert not may_connect(address)


@pytest.mark.parametrize("address", ["192.168.1.5", "10.0.0.1", "fd12::5", "93.184.216.34", "2606:4700::1"])
def test_a_host_that_the_operator_names_may_be_on_a_private_network(address):
    assert may_connect(address)


def test_a_name_that_leads_to_this_machine_is_refused_before_anything_is_sent(receiver):
    webhooks = Webhooks(KEY)
    with pytest.raises(NotToldError, match="nothing is sent to"):
        webhooks.send(receiver.url.replace("127.0.0.1", "localhost"), b"{}", threading.Event())
    webhooks.close()
    assert receiver.asked == 0


def test_redirects_are_not_followed_and_proxies_not_used(receiver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    webhooks = Webhooks(KEY, may_connect=lambda _: True)
    receiver.answer = 302
    with pytest.raises(NotToldError, match="It answers 302"):
        webhooks.send(receiver.url, b"{}", threading.Event())
    webhooks.close()
    assert receiver.asked == 1


def test_who_never_answers_is_given_up_when_the_daemon_stops():
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        timer = threading.Timer(0.3, stop.set)
        timer.start()
        webhooks = Webhooks(KEY, may_connect=lambda _: True)
        with pytest.raises(NotToldError, match="stops"):
            webhooks.send(f"http://127.0.0.1:{silent.getsockname()[1]}/", b"{}", stop)
        webhooks.close()
        timer.join()


def test_apprise_tells_its_targets_from_a_process_of_its_own(receiver):
    pytest.importorskip("apprise", reason="Apprise is an extra")
    target = f"json://127.0.0.1:{receiver.server_address[1]}/"
    send_by_apprise(target, "Reeldrop: done: a", "text", threading.Event())
    assert json.loads(receiver.got[0][1])["title"] == "Reeldrop: done: a"
    receiver.answer = 500
    with pytest.raises(NotToldError, match="could not deliver"):
        send_by_apprise(target, "a", "b", threading.Event())
    with pytest.raises(NotToldError, match="does not know"):
        send_by_apprise("nonsense://x", "a", "b", threading.Event())


def test_the_key_is_made_once_and_only_ours_to_read(tmp_path):
    key = signing_key(tmp_path)
    assert len(key) == 64
    assert signing_key(tmp_path) == key
    assert stat.S_IMODE((tmp_path / "notify.key").stat().st_mode) == 0o600


def test_of_an_address_only_the_host_is_shown():
    assert shown("https://hooks.example.com/hush?key=hush") == "https://hooks.example.com"
    assert shown("mailtos://user:hush@example.com") == "mailtos://…"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("url: ftp://hush.example.com", "must begin with http"),
        ("url: https://user:hush@example.com/", "can't hold a password"),
        ("url: https://example.com:hush/", "not an address"),
        ("apprise: hush", "no target of Apprise"),
        ("tasks: [face-swap]", "either url or apprise"),
        ("url: https://example.com/\n  apprise: json://example.com", "either url or apprise"),
        ("url: https://example.com/\n  events: [rendered]", "events"),
        ("url: @hush", "can't be read as YAML"),
        ("apprise: json://example.com\n- url: @hush", "can't be read as YAML"),
    ],
)
def test_what_is_wrong_in_notify_is_named_without_its_secret(tmp_path, entry, words):
    from service.config import parse

    with pytest.raises(Rejected) as refusal:
        parse(f"notify:\n- {entry}\n", tmp_path)
    assert words in str(refusal.value)
    assert "hush" not in str(refusal.value)


def test_the_page_names_every_event():
    rows = [f"| `{event}` | {words} |" for event, words in EVENTS.items()]
    table = "\n".join(["| event | what it tells |", "| --- | --- |", *rows]) + "\n"
    assert pages.parts("notifications.md") == {"events": table}

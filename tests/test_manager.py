"""systemd's socket and the journal's, listened to as they would: what arrives, and that nobody who is gone hurts."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from service.journal import JOURNAL, Journal, is_listening
from service.manager import Manager
from tests.faults.process import Process
from tests.line.world import ROOT


@pytest.fixture
def listening(tmp_path: Path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(20)
        yield listener, tmp_path / "notify"


def test_a_manager_is_told_what_it_asked_for(listening, monkeypatch: pytest.MonkeyPatch):
    listener, path = listening
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    manager = Manager()
    manager.ready()
    manager.alive("2 queued")
    manager.alive("2 queued")
    manager.stopping()
    assert [listener.recv(1000) for _ in range(4)] == [
        b"READY=1", b"WATCHDOG=1\nSTATUS=2 queued", b"WATCHDOG=1", b"STOPPING=1",
    ]  # fmt: skip


def test_a_manager_that_is_gone_or_never_was_hurts_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    Manager().ready()
    monkeypatch.delenv("NOTIFY_SOCKET")
    manager = Manager()
    manager.ready()
    assert not manager.listens


def test_a_daemon_says_that_it_is_ready_alive_and_ending(listening, tmp_path: Path):
    listener, path = listening
    (tmp_path / "config.yaml").write_text(f"workflows_dir: '{ROOT / 'workflows'}'\nengine: 'off'\n")
    with Process(
        "daemon.py", "run", "--config", tmp_path / "config.yaml", cwd=ROOT, env={"NOTIFY_SOCKET": str(path)}
    ) as daemon:
        assert listener.recv(1000) == b"READY=1"
        assert listener.recv(1000) == b"WATCHDOG=1\nSTATUS=nothing to do"
        daemon.terminate()
        said = listener.recv(1000)
        while said.startswith(b"WATCHDOG=1"):
            said = listener.recv(1000)
        assert said == b"STOPPING=1"


def fields_of(datagram: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            length = int.from_bytes(rest[:8], "little")
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()], datagram = value.decode(), rest
    return found


def test_the_journal_gets_each_record_with_its_fields(listening):
    listener, path = listening
    journal = Journal(path)
    log = logging.Logger("service.lane")
    log.addHandler(journal)
    try:
        log.warning("%s: lost", "cup")
        log.error("two\nlines")
    finally:
        journal.close()
    first, second = fields_of(listener.recv(10_000)), fields_of(listener.recv(10_000))
    assert (first["MESSAGE"], first["PRIORITY"], first["REELDROP_ROOM"]) == ("cup: lost", "4", "service.lane")
    assert first["REELDROP_THREAD"] == "MainThread"
    assert (second["MESSAGE"], second["PRIORITY"], second["SYSLOG_IDENTIFIER"]) == ("two\nlines", "3", "reeldrop")


def test_a_journal_that_is_gone_is_told_of_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    journal = Journal(tmp_path / "gone")
    log = logging.Logger("service.lane")
    log.addHandler(journal)
    log.warning("lost")
    journal.close()
    assert "lost" in capsys.readouterr().err


def test_a_journal_that_a_parent_writes_to_is_not_ours():
    """A terminal that systemd started hands its JOURNAL_STREAM on to whatever is typed into it."""
    with open(os.devnull) as stream:
        found = os.fstat(stream.fileno())
        told = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert is_listening(told, stream.fileno()) == JOURNAL.exists()
        assert not is_listening({"JOURNAL_STREAM": "1:1"}, stream.fileno())
        assert not is_listening({}, stream.fileno())


def test_the_logs_own_file_begins_anew_before_it_fills_a_disk(tmp_path: Path):
    code = (
        "import logging, sys; from pathlib import Path; from service.config import default\n"
        "from service.commands import speech\n"
        "speech._LOG_BYTES = 2000\n"
        "speech.keep_log(default(Path(sys.argv[1])), to_terminal=False)\n"
        "[logging.warning('line %d of many, many lines', n) for n in range(500)]\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, check=True, timeout=25)
    logs = sorted((tmp_path / "var").glob("reeldrop.log*"))
    assert len(logs) == 4
    assert all(log.stat().st_size <= 2000 for log in logs)

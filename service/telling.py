"""Telling: a thread that follows the log and tells those who are named in config.yaml; each is told at least once."""

from __future__ import annotations

import hashlib
import logging
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from service.errors import Problem
from service.notify_keys import Target
from service.store import Store
from service.tidings import Settling, Tiding, Trouble, message_of, troubles_of, wait_s
from service.webhooks import NotToldError, Webhooks, send_by_apprise, shown

LOG = logging.getLogger(__name__)
_LOOK_S = 2.0
#: Whether something is wrong is looked at this often: every live job's row is read for it.
_TROUBLES_S = 5.0
#: After so many failures in a row people are told of it by `status`.
_SAID_AFTER = 3


@dataclass
class _Ear:
    """One target: its key in the database, how often it failed in a row, when it is tried again."""

    target: Target
    key: str
    address: str
    failures: int = 0
    due_s: float = 0.0
    last: int | None = None


class Telling:
    """Follows the log for each target; troubles that last are written into the log first."""

    def __init__(
        self,
        targets: Sequence[Target],
        store: Store,
        webhooks: Webhooks,
        daemon: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._webhooks = webhooks
        self._daemon = daemon
        self._monotonic = monotonic
        self._settling = Settling()
        self._looked_s = float("-inf")
        self._ears = [_ear_of(target) for target in targets]
        #: Told from memory: a full disk takes no line of the log that says so.
        self._unwritten: dict[str, Trouble] = {}

    def __bool__(self) -> bool:
        return bool(self._ears)

    def run(self, stop: threading.Event) -> None:
        """Tell what happens until asked to stop."""
        while not stop.is_set():
            self.step(stop)
            stop.wait(_LOOK_S)
        self._webhooks.close()

    def step(self, stop: threading.Event) -> None:
        """Note troubles, then tell each target whose time has come what it doesn't know yet."""
        try:
            extra = self._note_troubles()
            for ear in self._ears:
                if ear.last is None:
                    ear.last = self._store.told_to(ear.key)
                if not stop.is_set():
                    self._tell(ear, extra, stop)
        except sqlite3.OperationalError as trouble:
            LOG.warning("who is to be told can't be looked up now: %s", trouble)

    def _note_troubles(self) -> list[Tiding]:
        """Write what has become wrong or is over; return what can't be written, to be told once from memory."""
        now_s = self._monotonic()
        if now_s - self._looked_s < _TROUBLES_S:
            return []
        self._looked_s = now_s
        told = self._store.told_troubles() | self._unwritten
        now = troubles_of(self._store.holds(), self._store.notices(), self._store.backends())
        begun, over = self._settling.step(now_s, now, told)
        unwritten = []
        for key in begun:
            try:
                self._store.note_trouble(key, now[key])
            except sqlite3.OperationalError:
                self._unwritten[key] = now[key]
                unwritten.append(Tiding(0, now[key].event, "", now[key].name, now[key].title, now[key].fix))
        for key in over:
            try:
                self._store.note_trouble_over(key, told[key])
            except sqlite3.OperationalError as trouble:
                LOG.warning("the end of a trouble can't be saved now: %s", trouble)
            else:
                self._unwritten.pop(key, None)
        return unwritten

    def _tell(self, ear: _Ear, extra: Sequence[Tiding], stop: threading.Event) -> None:
        if ear.due_s > self._monotonic():
            return
        assert ear.last is not None
        tidings, newest = self._store.tidings_after(ear.last)
        message = message_of([*tidings, *extra], ear.target.events, ear.target.tasks)
        if message is not None:
            try:
                if ear.target.url is not None:
                    self._webhooks.send(ear.address, message.body(self._daemon), stop)
                else:
                    send_by_apprise(ear.address, message.title(), message.text(), stop)
            except NotToldError as trouble:
                self._put_off(ear, trouble)
                return
            self._worked(ear)
        if newest != ear.last:
            # First in memory: where the database can't be written, nobody is told the same again and again.
            ear.last = newest
            if message is not None:
                self._store.note_told(ear.key, newest)

    def _put_off(self, ear: _Ear, trouble: NotToldError) -> None:
        ear.failures += 1
        ear.due_s = self._monotonic() + wait_s(ear.failures)
        level = logging.WARNING if ear.failures == 1 else logging.DEBUG
        LOG.log(level, "%s isn't told: %s", shown(ear.address), trouble)
        if ear.failures == _SAID_AFTER:
            title = f"{shown(ear.address)} can't be told what happens. {trouble}"
            self._say(Problem("notify_failing", title, "Look at notify in config.yaml, and at what listens there."))

    def _worked(self, ear: _Ear) -> None:
        if ear.failures:
            LOG.info("%s is told again", shown(ear.address))
        ear.failures = 0
        if all(other.failures < _SAID_AFTER for other in self._ears):
            self._say(None)

    def _say(self, problem: Problem | None) -> None:
        try:
            self._store.set_notice("notify_failing", problem)
        except sqlite3.OperationalError as trouble:
            LOG.warning("what status shows of notifications can't be saved now: %s", trouble)


def _ear_of(target: Target) -> _Ear:
    secret = target.url or target.apprise
    assert secret is not None
    address = secret.get_secret_value()
    # Its events and tasks too: who is told of other things begins with what comes.
    kind = f"{address} {sorted(target.events)} {sorted(target.tasks)}"
    return _Ear(target, hashlib.sha256(kind.encode("utf-8", "replace")).hexdigest()[:32], address)


def signing_key(state_dir: Path) -> bytes:
    """Return the key that webhooks are signed with, made once: var/notify.key, 64 hexadecimal digits, ours to read."""
    path = state_dir / "notify.key"
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32) + "\n")
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    return path.read_text(encoding="ascii").strip().encode()

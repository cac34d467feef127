"""Tidings: what happened becomes messages for those who want to be told; pure."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field

from service.job import WANTED_HOLDS

#: A message tells the newest so many in full, and how many there were of all.
MOST_TOLD = 100
#: A trouble is told after so long, and so long after its end it is told to be over: what flickers isn't told at all.
SETTLE_S = 30.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 5.0, 900.0
#: What the log calls the moves that are told.
EVENT_OF: Mapping[str, str] = {"running": "started", "done": "done", "failed": "failed", "rejected": "failed"}
_FULL = frozenset({"disk_full", "server_disk_full"})
#: Somebody wants it so, or another tiding says it, or a drop waits for the rest of it.
_UNTOLD = WANTED_HOLDS | {
    "refused", "unreachable", "timeout", "connecting", "cancelling", "incomplete", "media_missing",
}  # fmt: skip
_LABELS: Mapping[str, str] = {"backend_down": "Backend down", "disk_full": "Disk full", "back_again": "Back again"}
#: Services of clouds that hand out secrets at addresses that aren't link-local: Amazon (IPv6), Alibaba, Azure, Oracle.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "168.63.129.16", "192.0.0.192")))
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True)
class Tiding:
    """One thing that happened: `id` is its number in the log, `name` a job's folder and name, or who is in trouble."""

    id: int
    event: str
    at: str
    name: str
    title: str = ""
    fix: str = ""
    job: str | None = None
    task: str | None = None
    result: str | None = None


@dataclass(frozen=True)
class Trouble:
    """Something that is wrong now: which event tells it, and in which words."""

    event: str
    name: str
    title: str
    fix: str


@dataclass(frozen=True)
class Message:
    """What is sent at once: the newest tidings in full, and how many there are of each event in all."""

    tidings: tuple[Tiding, ...]
    counts: Mapping[str, int]

    @property
    def left_out(self) -> int:
        """How many are only counted."""
        return sum(self.counts.values()) - len(self.tidings)

    def body(self, daemon: str) -> bytes:
        """Return it as a webhook gets it."""
        said = {
            "schema": 1,
            "daemon": daemon,
            "counts": dict(self.counts),
            "left_out": self.left_out,
            "events": [asdict(tiding) for tiding in self.tidings],
        }
        return json.dumps(said, ensure_ascii=False).encode("utf-8", "replace")

    def title(self) -> str:
        """Return it in one line for people."""
        if len(self.tidings) == 1 and not self.left_out:
            return f"Reeldrop: {_line(self.tidings[0])}"
        return "Reeldrop: " + ", ".join(f"{count} {event.replace('_', ' ')}" for event, count in self.counts.items())

    def text(self) -> str:
        """Return it in lines for people."""
        lines = [f"{_line(tiding)}. {tiding.title} {tiding.fix}".rstrip() for tiding in self.tidings]
        return "\n".join([*lines, f"and {self.left_out} earlier ones"] if self.left_out else lines)


def _line(tiding: Tiding) -> str:
    return f"{_LABELS.get(tiding.event, tiding.event)}: {tiding.name}"


def message_of(tidings: Sequence[Tiding], events: Collection[str], tasks: Collection[str]) -> Message | None:
    """Return what one target is told, of all tidings since its last message; None where nothing is for it."""
    wanted = [
        tiding
        for tiding in tidings
        if tiding.event in events and (tiding.task is None or not tasks or tiding.task in tasks)
    ]
    if not wanted:
        return None
    return Message(tuple(wanted[-MOST_TOLD:]), Counter(tiding.event for tiding in wanted))


def wait_s(failures: int) -> float:
    """Return how long a target that failed so many times in a row is left alone, in seconds."""
    return min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** min(failures - 1, 20)) if failures else 0.0


def signature_of(key: bytes, timestamp: str, body: bytes) -> str:
    """Return the value of the header Reeldrop-Signature: HMAC-SHA256 of the timestamp, a full stop, and the body."""
    return "v1=" + hmac.new(key, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def may_connect(address: str) -> bool:
    """Return whether a webhook may go to an address: not to this machine, its links, or a cloud's own services."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        found = ipaddress.ip_address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else inner or found
    here = found.is_loopback or found.is_link_local or found.is_unspecified
    return not (here or found.is_multicast or found.is_reserved or found in _METADATA)


def troubles_of(
    holds: Mapping[tuple[str, str, str], int],
    notices: Sequence[Mapping[str, str]],
    backends: Mapping[str, Mapping[str, object]],
) -> dict[str, Trouble]:
    """Return what is wrong now, by a key that stays the same while it lasts."""
    found = {}
    for (code, title, fix), _ in sorted(holds.items()):
        if code not in _UNTOLD:
            found[f"hold {code}"] = Trouble("disk_full" if code in _FULL else "held", "jobs", title, fix)
    for notice in notices:
        if notice["code"] not in _UNTOLD and notice["code"] != "notify_failing":
            found[f"notice {notice['code']}"] = Trouble("held", "daemon", notice["title"], notice["fix"])
    for name, facts in backends.items():
        if facts.get("answers") is False and not facts.get("draining"):
            why = str(facts.get("why") or "It doesn't answer.")
            found[f"backend {name}"] = Trouble("backend_down", name, why, "Its jobs wait, and go on by themselves.")
    return found


@dataclass
class Settling:
    """Which troubles have lasted long enough to be told, and which have been over as long."""

    _since_s: dict[str, float] = field(default_factory=dict)

    def step(self, now_s: float, present: Collection[str], told: Collection[str]) -> tuple[list[str], list[str]]:
        """Return the keys that are to be told now, and those that are over; `told` are those told and not yet over."""
        changing = {key for key in {*present, *told} if (key in present) != (key in told)}
        self._since_s = {key: self._since_s.get(key, now_s) for key in changing}
        ripe = sorted(key for key, since_s in self._since_s.items() if now_s - since_s >= SETTLE_S)
        return [key for key in ripe if key in present], [key for key in ripe if key not in present]

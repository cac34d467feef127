"""What a server's answer says, or whose turn it is where it says nothing that ComfyUI says."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from service.comfy.wire import Wire
from service.errors import Unavailable

#: What is small on the way can be large in memory: 60 MB of "[],[],[]" would be well over a gigabyte.
_MOST_PARTS = 4_000_000
_LONGEST_ADDRESS = 200


@dataclass(frozen=True)
class Queue:
    """The prompt ids that the server runs and those that wait."""

    running: frozenset[str]
    pending: frozenset[str]
    #: All of them in the order in which the server takes them, those that run first: by number, then by id as text.
    order: tuple[str, ...] = ()
    #: Their numbers. A server that was restarted counts from 0 again.
    numbers: Mapping[str, float] = field(default_factory=dict)


def queue_in(wire: Wire, said: Mapping[str, Any]) -> Queue:
    """Return the queue in an answer to GET /queue; raise Unavailable where there is none."""
    running, pending = _entries(wire, said.get("queue_running")), _entries(wire, said.get("queue_pending"))
    numbers = {prompt_id: number for number, prompt_id in (*running, *pending)}
    # The server's list of those that wait has no order of its own.
    order = dict.fromkeys(prompt_id for _, prompt_id in (*sorted(running), *sorted(pending)))
    return Queue(frozenset(each for _, each in running), frozenset(each for _, each in pending), tuple(order), numbers)


def _entries(wire: Wire, entries: Any) -> list[tuple[float, str]]:
    try:
        return [(number_of(entry[0]), str(entry[1])) for entry in entries]
    except (TypeError, LookupError):
        raise wire.not_comfyui("its queue has another shape") from None


def number_of(value: Any) -> float:
    """Return a place in the server's order; what is none comes last."""
    try:
        return float(value) if isinstance(value, int | float) and not math.isnan(value) else math.inf
    except OverflowError:
        return math.inf


def object_in(wire: Wire, answer: requests.Response, raw: bytes) -> dict[str, Any]:
    """Return the JSON object that a body holds; raise Unavailable (not_comfyui) where it holds none."""
    if sum(map(raw.count, (b",", b"[", b"{"))) > _MOST_PARTS:
        raise wire.not_comfyui("its answer has more parts than any of ComfyUI's", answer.headers)
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        html = raw.lstrip()[:1] == b"<"
        why = "it sends a web page" if html else "its answer is no JSON"
        raise wire.not_comfyui(why, answer.headers) from None
    if not isinstance(said, dict):
        raise wire.not_comfyui("its answer is no JSON object", answer.headers)
    return said


def bad_status(wire: Wire, answer: requests.Response) -> Unavailable:
    """Return the trouble of an answer whose status ComfyUI doesn't give to what was asked."""
    status = answer.status_code
    if status in {401, 403, 407}:
        return Unavailable(
            "forbidden",
            f"The server at {wire.shown} doesn't let us in (HTTP {status}).",
            "Give this backend its `headers` or `token` in config.yaml, or allow this machine there.",
        )
    if status >= 500:
        return Unavailable(
            "server_error",
            f"The server at {wire.shown} got itself into trouble (HTTP {status}).",
            "If it stays like that, look into the server's log and restart it.",
        )
    if answer.is_redirect:
        return _redirected(wire, answer)
    return wire.not_comfyui(f"it answers HTTP {status} where ComfyUI answers 200", answer.headers)


def _redirected(wire: Wire, answer: requests.Response) -> Unavailable:
    # Never followed: what lets us in here must not be shown elsewhere, and ComfyUI itself sends nobody anywhere.
    try:
        where = urlsplit(urljoin(f"{wire.shown}/", answer.headers["Location"][:_LONGEST_ADDRESS]))
        shown = f"{where.scheme}://{where.netloc.rpartition('@')[2]}"
    except ValueError:
        shown = "nowhere"
    shown = "".join(letter for letter in shown if letter.isprintable())
    return Unavailable(
        "redirected",
        f"The server at {wire.shown} sends us on to {shown} (HTTP {answer.status_code}), and we don't follow.",
        "Put ComfyUI's own address under `backends` in config.yaml, and its `headers` or `token` if it asks for them.",
    )

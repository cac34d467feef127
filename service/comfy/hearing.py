"""Whether a socket that is open still hears: pure thought on the caller's monotonic clock.

Theory of operation. A server forgets the new socket of a client id when the old one's end reaches it late: the new one
stays open and is told nothing ever again, not even `status`. But `status` goes to everybody after each POST /prompt and
each change of the queue. So whoever sees such a change over HTTP and hears nothing at all from before it until a moment
after it is deaf. A change from before the connection proves nothing, for nothing is replayed.
"""

from __future__ import annotations

#: How long after a change its broadcast may come. It is sent in the same breath as the answer that shows the change.
GRACE_S = 3.0
#: How long before it was seen a change may have happened, where the caller doesn't say.
_LOOK_GAP_S = 2.5


class Hearing:
    """One socket's hearing; times are seconds on the caller's monotonic clock, never running backwards."""

    def __init__(self) -> None:
        self._client_id: str | None = None
        self._connected_s = 0.0
        self._heard_s: float | None = None
        #: Broadcasts that must have come: heard since the first time, at the latest by the second.
        self._expected: list[tuple[float, float]] = []

    def connected(self, now_s: float, client_id: str) -> None:
        """A connection came up under this client id: what was before says nothing about it."""
        self._client_id, self._connected_s = client_id, now_s
        self._heard_s, self._expected = None, []

    def disconnected(self) -> None:
        """There is no connection, so nothing can be missed on it."""
        self._client_id, self._expected = None, []

    def heard(self, now_s: float) -> None:
        """A frame came on the present connection, whatever it said."""
        self._heard_s = now_s if self._heard_s is None else max(now_s, self._heard_s)
        self._expected = [each for each in self._expected if each[0] > now_s]

    def posted(self, now_s: float, client_id: str, *, began_s: float | None = None) -> None:
        """A POST /prompt was answered with 200 under this id; `began_s` is when it was sent."""
        if client_id == self._client_id:
            self._expect(now_s if began_s is None else began_s, now_s)

    def changed(self, now_s: float, *, since_s: float | None = None) -> None:
        """HTTP showed another queue than the look that began at `since_s` did (by default, a moment ago)."""
        self._expect(now_s - _LOOK_GAP_S if since_s is None else since_s, now_s)

    def deaf(self, now_s: float) -> bool:
        """Return whether a change that HTTP showed went by without a frame: time for a connection under a fresh id."""
        return any(due_s <= now_s for _, due_s in self._expected)

    def hears(self, client_id: str) -> bool:
        """Return whether what is said of prompts sent under this id comes in, as far as we can know."""
        return self._client_id == client_id and self._heard_s is not None and not self._expected

    def _expect(self, since_s: float, now_s: float) -> None:
        if self._client_id is None or since_s < self._connected_s:
            return
        if self._heard_s is None or self._heard_s < since_s:
            self._expected.append((since_s, now_s + GRACE_S))

"""One prompt's life, as told by the server: frames and looks in, events and verdicts out; no socket, no clock.

Theory of operation. The server's history is the truth, every message is only a hint: messages get lost, come twice,
come for other prompts, and `executing` without a node follows failures too. So `hear` never judges; it tells how far
the render is and when to ask. `reconcile` judges, from one look: GET /queue first, GET /history/{id} second, for a
prompt only ever moves from the first to the second. "In neither" means that the server forgot the prompt, but only if
our own POST can't be still on its way; hence the deadline and the two looks.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from service.comfy import messages, stages
from service.comfy.events import (
    AskHistory,
    Event,
    Lost,
    NodeBegan,
    NodeEnded,
    Preview,
    Progress,
    Started,
    StillPending,
    StillRunning,
    Verdict,
)
from service.comfy.verdict import Errored, Interrupted, OutputFile, Succeeded, judge

__all__ = [
    "LOOK_GAP_S", "POST_DEADLINE_S", "AskHistory", "Errored", "Event", "Interrupted", "Lost", "NodeBegan", "NodeEnded",
    "OutputFile", "Preview", "Progress", "Run", "Started", "StillPending", "StillRunning", "Succeeded", "Verdict",
]  # fmt: skip

#: A POST /prompt that has no answer by then is given up by us, and can't reach the server any more.
POST_DEADLINE_S = 4.0
#: The second of two empty looks must begin so long after the first was answered to mean that the prompt is gone.
LOOK_GAP_S = 4.0


class Run:
    """One prompt's life; `weights` says by node id how much of the whole each node is (above 0; default by class)."""

    def __init__(
        self,
        prompt_id: str,
        graph: Mapping[str, Any],
        weights: Mapping[str, float] | None = None,
        *,
        output_node: str | None = None,
        posted_s: float | None = None,
    ) -> None:
        self.prompt_id = prompt_id
        self._output_node = output_node
        self._classes = {node: str(of.get("class_type", "")) for node, of in graph.items() if isinstance(of, dict)}
        self._weights = {
            node: _weight(of, (weights or {}).get(node)) for node, of in graph.items() if isinstance(of, dict)
        }
        self._whole = sum(self._weights.values()) or 1.0
        self._done = dict.fromkeys(self._weights, 0.0)
        self._current: str | None = None
        #: The node in work whose beginning was heard, and whose end will be as far as nothing is missed.
        self._timed: str | None = None
        self._stage = "waiting"
        self._told: tuple[float, str] | None = None
        self._started = False
        self._running = False
        self._posted_s = posted_s
        self._refused_s: float | None = None
        self._first_empty_s: float | None = None

    # ── what the socket says ────────────────────────────────────────────────────────────────────────────────────────

    def hear(self, frame: str | bytes) -> tuple[Event, ...]:
        """Given a frame, return what it means for our prompt; nothing for other prompts' frames and unknown ones."""
        said = messages.read(frame)
        if said is None:
            return ()
        if isinstance(said, messages.Picture):
            return self._see(said)
        if isinstance(said, messages.Executing) and said.prompt_id is None:
            return self._take_hint(said)
        if said.prompt_id != self.prompt_id:
            # One prompt runs at a time: whoever else is at work now, ours isn't.
            self._running = False
            return ()
        return self._follow(said)

    def _see(self, picture: messages.Picture) -> tuple[Event, ...]:
        # The old layout names no prompt; the server runs one at a time, so while ours runs it can only be ours.
        mine = self._running if picture.prompt_id is None else picture.prompt_id == self.prompt_id
        return (Preview(picture.data),) if mine else ()

    def _take_hint(self, said: messages.Executing) -> tuple[Event, ...]:
        """After a reconnect the server says which node runs, not whose: only words, and only while ours runs."""
        if not self._running or said.node not in self._classes:
            return ()
        self._current, self._stage = said.node, stages.words_for(self._classes[said.node])
        return self._tell()

    def _follow(self, said: messages.Said) -> tuple[Event, ...]:
        events: tuple[Event, ...] = self._begin()
        self._running = not isinstance(said, messages.Ended)
        match said:
            case messages.Cached(nodes=nodes):
                for node in nodes:
                    self._reach(node, 1.0)
            case messages.Steps(nodes=nodes):
                for steps in nodes:
                    events += self._step(steps)
            case messages.Executing(node=None) | messages.Ended():
                self._running = False
                return (*events, *self._end(self._timed), AskHistory())
            case messages.Executing(node=str(node)):
                events += self._move_to(node)
            case messages.Executed(node=node):
                self._reach(node, 1.0)
                events += self._end(node)
        return (*events, *self._tell())

    def _begin(self) -> tuple[Event, ...]:
        if self._started:
            return ()
        self._started, self._stage = True, "starting"
        return (Started(),)

    def _move_to(self, node: str) -> tuple[Event, ...]:
        if node not in self._classes:
            # A node may make others while it runs; the graph doesn't have them, and it isn't over yet.
            return ()
        if self._current is not None and self._current != node:
            self._reach(self._current, 1.0)
        self._current, self._stage = node, stages.words_for(self._classes[node])
        if self._timed == node:
            return ()
        ended, self._timed = self._end(self._timed), node
        return (*ended, NodeBegan(node))

    def _step(self, steps: messages.NodeSteps) -> tuple[Event, ...]:
        if steps.node not in self._classes:
            return ()
        if steps.finished:
            self._reach(steps.node, 1.0)
            return self._end(steps.node)
        if steps.maximum > 0:
            self._reach(steps.node, steps.value / steps.maximum)
            self._current, self._stage = steps.node, _stage(self._classes[steps.node], steps)
        return ()

    def _end(self, node: str | None) -> tuple[Event, ...]:
        if node is None or node != self._timed:
            return ()
        self._timed = None
        return (NodeEnded(node),)

    @property
    def started(self) -> bool:
        """Whether the server was heard to have begun with the prompt since it was sent."""
        return self._started

    @property
    def current(self) -> str | None:
        """The node that was last heard to be at work."""
        return self._current

    def miss(self) -> None:
        """Frames may have been missed, as when the socket broke: the node in work isn't timed."""
        self._timed = None

    def _reach(self, node: str, fraction: float) -> None:
        # Some nodes count their steps several times over; a sum of what never shrinks never runs backwards.
        if node in self._done:
            self._done[node] = max(self._done[node], min(max(fraction, 0.0), 1.0))

    def standing(self, verdict: StillPending | StillRunning) -> Progress:
        """Return how far the render is as a look found it, for whoever missed the last event or hears none."""
        fraction = self._told[0] if self._told else 0.0
        if isinstance(verdict, StillPending):
            return Progress(fraction, "waiting in ComfyUI's queue", None)
        return Progress(fraction, self._stage if self._started else "rendering", self._current)

    def _tell(self) -> tuple[Event, ...]:
        done = sum(self._weights[node] * fraction for node, fraction in self._done.items())
        told = (min(1.0, done / self._whole), self._stage)
        if self._told == told:
            return ()
        self._told = told
        return (Progress(*told, self._current),)

    # ── what the looks say ──────────────────────────────────────────────────────────────────────────────────────────

    def posted(self, now_s: float) -> None:
        """A POST /prompt of this id begins now: looks that began earlier say nothing about it.

        Sent again after a loss every node starts over, and so does the progress: its reader holds what was shown.
        """
        self._done = dict.fromkeys(self._done, 0.0)
        self._current, self._started, self._running, self._timed = None, False, False, None
        self._posted_s = now_s
        self._refused_s = None
        self._first_empty_s = None

    def refused(self, now_s: float) -> None:
        """The server refused a connection now, so the process that had our prompt is gone."""
        self._refused_s = now_s

    def reconcile(
        self,
        pending: bool,  # noqa: FBT001  a look has these two sides, in this order
        running: bool,  # noqa: FBT001
        entry: Mapping[str, Any] | None,
        *,
        now_s: float,
        answered_s: float | None = None,
    ) -> Verdict | None:
        """Given one look (queue, then history) from `now_s` to `answered_s`, return what became of the prompt.

        `now_s` is the caller's monotonic clock, the same as in `posted` and `refused`; a look without both answers
        isn't handed in at all. None: in neither, but that is no proof yet; look again at `look_again_s`.
        """
        if running or pending:
            self._first_empty_s = self._refused_s = None
            return StillRunning() if running else StillPending()
        if entry is not None:
            return judge(entry, self._output_node)
        return self._miss(now_s, now_s if answered_s is None else answered_s)

    def _miss(self, now_s: float, answered_s: float) -> Lost | None:
        if self._posted_s is None:
            # Whoever sent it before us may have done so a moment ago: its deadline counts from our first look.
            self._posted_s = now_s
        if now_s < self._posted_s + POST_DEADLINE_S:
            return None
        if self._refused_s is not None and self._refused_s >= self._posted_s and now_s >= self._refused_s:
            return Lost()
        if self._first_empty_s is None:
            # A server that stood still answers first and reads what else came meanwhile a moment later.
            self._first_empty_s = answered_s
            return None
        return Lost() if now_s >= self._first_empty_s + LOOK_GAP_S else None

    @property
    def look_again_s(self) -> float | None:
        """When, on the caller's clock, the next look can decide that the prompt is lost; None before any empty look."""
        if self._posted_s is None:
            return None
        if self._first_empty_s is not None:
            return self._first_empty_s + LOOK_GAP_S
        return self._posted_s + POST_DEADLINE_S


def _weight(node: Mapping[str, Any], given: float | None) -> float:
    if given is None or not math.isfinite(given) or given < 0:
        return stages.weight_of(node)
    return float(given)


def _stage(class_type: str, steps: messages.NodeSteps) -> str:
    words = stages.words_for(class_type)
    counted = steps.maximum > 1 and steps.maximum == int(steps.maximum) and steps.value == int(steps.value)
    return f"{words} {int(steps.value)}/{int(steps.maximum)}" if counted and steps.value >= 0 else words

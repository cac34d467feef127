"""Timing: what earlier renders took is remembered, so that the next ones' progress, end and patience are known."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict

from service import durations, parts
from service.comfy import stages
from service.durations import AFTER, WHOLE, Growth, Lap, Plan, Size
from service.job import Job, Render
from service.store import Store

#: A node that works in silence is left alone for at least so long, and one that nobody ever timed for much longer:
#: a first run may fetch a model of many gigabytes.
LEAST_PATIENCE_S, UNKNOWN_PATIENCE_S = 120.0, 1800.0


class Timing:
    """The history of how long nodes took, by workflow, node and size; may be asked from any thread."""

    def __init__(
        self, store: Store, *, least_s: float = LEAST_PATIENCE_S, unknown_s: float = UNKNOWN_PATIENCE_S
    ) -> None:
        self._store = store
        self._least_s = least_s
        self._unknown_s = unknown_s
        self._lock = threading.Lock()
        #: Of each workflow, by node and class, the oldest first; read from the store when first asked for.
        self._laps: dict[str, dict[tuple[str, str], list[Lap]]] = {}

    def plan(self, job: Job, render: Render) -> Plan:
        """Return what a job's render will be like."""
        defaults = _defaults(render)
        typical = {node: durations.typical_s(self._likeliest(job, render, node)) for node in defaults}
        weights = durations.weights(typical, defaults)
        known = any(seconds is not None for seconds in typical.values())
        size = _size(job, render)
        return Plan(
            weights,
            render_s=sum(weights.values()) if known else None,
            whole_s=self._whole_s(job.workflow, size, job.backend) if known else None,
            after_s=self._after_s(job.workflow, size, job.backend),
        )

    def weights(self, job: Job, render: Render) -> dict[str, float]:
        """Return the seconds that each node is expected to take, or its default share where nothing is known."""
        return dict(self.plan(job, render).weights)

    def eta_s(self, job: Job, render: Render, elapsed_s: float, done: Mapping[str, float]) -> float | None:
        """Return the seconds to the published result, None without history.

        `done` says by node id how far each is (0 to 1, cached ones 1), `elapsed_s` how long ago the server began.
        """
        plan = self.plan(job, render)
        if not any(done.values()):
            total_s = plan.total_s()
            return None if total_s is None else max(total_s - elapsed_s, plan.after_s)
        if plan.render_s is None:
            return None
        left_s = sum(seconds * (1 - min(max(done.get(node, 0.0), 0.0), 1.0)) for node, seconds in plan.weights.items())
        return left_s + plan.after_s

    def expected_s(self, workflow: str | None, settings: Mapping[str, object], backend: str | None) -> float | None:
        """Return how long a job of these settings takes from its sending to its result, None without history."""
        size = durations.size_of(settings)
        whole_s = self._whole_s(workflow, size, backend)
        return None if whole_s is None else whole_s + self._after_s(workflow, size, backend)

    def patience_s(self, job: Job, render: Render, node: str | None) -> float:
        """Return how long a node may work without a sign of life before it is taken to stand still."""
        seconds = self._likeliest(job, render, node) if node is not None else []
        return durations.patience_s(seconds, least_s=self._least_s, unknown_s=self._unknown_s)

    def record(self, job: Job, render: Render, node_seconds: Mapping[str, float], whole_s: float | None) -> None:
        """Remember how long the nodes of a successful render took, and all of it; cached nodes aren't among them."""
        measured = {node: seconds for node, seconds in node_seconds.items() if node in render.graph}
        self._add(job, render, measured | ({} if whole_s is None else {WHOLE: whole_s}))

    def record_after(self, job: Job, render: Render, seconds: float) -> None:
        """Remember how long a render took from its end on the server to its published result."""
        self._add(job, render, {AFTER: seconds})

    def _add(self, job: Job, render: Render, seconds: Mapping[str, float]) -> None:
        size, workflow = _size(job, render), job.workflow or ""
        laps = [Lap(node, _class_of(render, node), job.backend or "", size, each) for node, each in seconds.items()]
        with self._lock:
            known = self._known(workflow)
            for lap in laps:
                of_node = known[lap.node, lap.class_type]
                of_node.append(lap)
                known[lap.node, lap.class_type] = _newest(of_node, lap)
            self._store.add_laps(workflow, laps)

    def _likeliest(self, job: Job, render: Render, node: str) -> list[float]:
        class_type = _class_of(render, node)
        growth = stages.growth_of(class_type)
        return self._seconds(job.workflow, node, class_type, _size(job, render), growth, job.backend)

    def _whole_s(self, workflow: str | None, size: Size, backend: str | None) -> float | None:
        """Return what renders of this size took; where there were none, what their nodes took, each in its measure."""
        with self._lock:
            known = {key: list(laps) for key, laps in self._known(workflow or "").items()}
        whole = [lap for lap in known.pop((WHOLE, ""), ()) if not size.apart(lap.size)]
        known.pop((AFTER, ""), None)
        if whole:
            return durations.typical_s(durations.likeliest(whole, size, Growth.STEPS, backend or ""))
        nodes = [
            durations.typical_s(durations.likeliest(laps, size, stages.growth_of(class_type), backend or ""))
            for (_, class_type), laps in known.items()
        ]
        return sum(seconds or 0.0 for seconds in nodes) if nodes else None

    def _after_s(self, workflow: str | None, size: Size, backend: str | None) -> float:
        return durations.typical_s(self._seconds(workflow, AFTER, "", size, Growth.PIXELS, backend)) or 0.0

    def _seconds(
        self, workflow: str | None, node: str, class_type: str, size: Size, growth: Growth, backend: str | None
    ) -> list[float]:
        with self._lock:
            laps = list(self._known(workflow or "").get((node, class_type), ()))
        return durations.likeliest(laps, size, growth, backend or "")

    def _known(self, workflow: str) -> dict[tuple[str, str], list[Lap]]:
        if workflow not in self._laps:
            self._laps[workflow] = defaultdict(list)
            for lap in self._store.laps(workflow):
                self._laps[workflow][lap.node, lap.class_type].append(lap)
        return self._laps[workflow]


def _newest(laps: list[Lap], added: Lap) -> list[Lap]:
    """Leave out what is too old of the size that was just added to."""
    alike = [lap for lap in laps if lap.backend == added.backend and lap.size.bucket == added.size.bucket]
    old = set(map(id, alike[: -durations.KEPT]))
    return [lap for lap in laps if id(lap) not in old] if old else laps


def _defaults(render: Render) -> dict[str, float]:
    """Return each node's share as its workflow gives it, or as its kind is where the workflow gives none."""
    return {
        node: render.weights[node] if node in render.weights else stages.weight_of(of)
        for node, of in render.graph.items()
    }


def _class_of(render: Render, node: str) -> str:
    return str(render.graph[node].get("class_type", "")) if node in render.graph else ""


def _size(job: Job, render: Render) -> Size:
    return durations.size_of(parts.settings_of(job.settings, render), asdict(render.expected))

"""What `status` says of the backends, and of when queued jobs will have their turn on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from service.commands.pausing import backend_names
from service.config import Config
from service.forecast import FORETOLD, Forecast, Stand, foretell
from service.job import Job
from service.openings import OUTSIDE_WINDOW, Openings, local_now
from service.schedule import Bay, Turn
from service.store import Store
from service.timetable import Timetable
from service.timing import Timing


class FleetReport:
    """The backends of one configuration as the database knows them; `alive` says whether a daemon runs."""

    def __init__(self, config: Config, store: Store, *, alive: bool) -> None:
        self._config = config
        self._store = store
        self._alive = alive
        self._facts = store.backends()
        self._openings = Openings(config.backends, store.backend_state)
        self._seconds = _Seconds(store)

    def backends(self) -> list[dict[str, Any]]:
        """Return what is said of each backend: whether it answers or why not, what it does, and when it takes jobs."""
        return [self._backend(name) for name in backend_names(self._config)]

    def _backend(self, name: str) -> dict[str, Any]:
        facts = self._facts.get(name, {}) if self._alive else {}
        hold, change = self._openings.hold_of(name), self._openings.next_change(name)
        there = self._store.running_on(name)
        queued = [job_id for job_id in facts.get("queued", ()) if job_id in there]
        return {
            "name": name,
            "url": next((each.url for each in self._config.backends if each.name == name), None),
            "answers": facts.get("answers"),
            "why": facts.get("why"),
            "engine": facts.get("engine"),
            "running": [self._name(job_id) for job_id in there if job_id not in queued],
            "queued": [self._name(job_id) for job_id in queued],
            "others": {"running": facts.get("others_running", 0), "queued": facts.get("others_queued", 0)},
            "draining": self._store.backend_state(name) == "draining",
            "window": {"open": hold is None or hold.code != OUTSIDE_WINDOW, "changes": change and change.isoformat()},
        }

    def _name(self, job_id: str) -> str:
        job = self._store.get(job_id)
        return f"{job.folder}/{job.name}" if job else job_id

    def closed_tasks(self, tasks: Collection[str]) -> dict[str, datetime]:
        """Return the task folders that are outside their windows, each with when it opens."""
        return Timetable(self._config.windows, self._config.task_windows, local_now).closed(tasks)

    # what comes ------------------------------------------------------------------------------------------------------

    def forecasts(self, paused: Collection[str]) -> dict[str, Forecast]:
        """Return when each queued job that comes up by itself will have its turn and be done."""
        turns = self._store.all_turns(paused)
        names = [name for name in backend_names(self._config) if self._store.backend_state(name) == "on"]
        # What doesn't answer now counts only where nothing else does.
        answering = [name for name in names if self._facts.get(name, {}).get("answers")] if self._alive else []
        stands = [self._stand(name) for name in answering or names]
        last_started = self._store.last_started({turn.task for turn in turns})
        return foretell(turns, last_started, stands, self._can_run, self._seconds)

    def _stand(self, name: str) -> Stand:
        facts = self._facts.get(name, {}) if self._alive else {}
        weight = next((each.weight for each in self._config.backends if each.name == name), 1.0)
        jobs = [job for job_id in self._store.running_on(name) if (job := self._store.get(job_id))]
        warm = frozenset(jobs[-1].models) if jobs else frozenset(facts.get("warm", ()))
        foreign = int(facts.get("others_running", 0)) + int(facts.get("others_queued", 0))
        busy_s = self._closed_s(name)
        busy_s += sum(self._left_s(job) for job in jobs) + foreign * (self._seconds.usual_s(name) or 0.0)
        return Stand(Bay(name, weight, warm, free=busy_s <= 0), busy_s, foreign)

    def _closed_s(self, name: str) -> float:
        hold, opening = self._openings.hold_of(name), self._openings.next_change(name)
        if hold is None or hold.code != OUTSIDE_WINDOW or opening is None:
            return 0.0
        return max(0.0, (opening - local_now()).total_seconds())

    def _left_s(self, job: Job) -> float:
        if job.eta_seconds is not None:
            return float(job.eta_seconds)
        return (self._seconds.of_job(job, job.backend or "") or 0.0) * (1 - job.progress)

    def _can_run(self, name: str, turn: Turn) -> bool:
        return turn.workflow not in self._facts.get(name, {}).get("cannot", ())


class _Seconds:
    """How long jobs take; of very many the later ones take what those of their workflow usually do."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._timing = Timing(store)
        self._seen: dict[tuple[str, str], list[float]] = defaultdict(list)
        self._asked = 0

    def __call__(self, turn: Turn, backend: str) -> float | None:
        seen = self._seen[turn.workflow, backend]
        if self._asked >= FORETOLD:
            return sum(seen) / len(seen) if seen else None
        self._asked += 1
        job = self._store.get(turn.id)
        return self.of_job(job, backend) if job else None

    def of_job(self, job: Job, backend: str) -> float | None:
        """Return how long one job takes on a backend, None where nothing like it ran before."""
        seconds = self._timing.expected_s(job.workflow, job.settings, backend)
        if seconds is not None:
            self._seen[job.workflow or "", backend].append(seconds)
        return seconds

    def usual_s(self, backend: str) -> float | None:
        """Return what a prompt that isn't ours is taken to need: what our newest jobs there took."""
        newest = [job for job in self._store.newest(20) if job.backend == backend]
        taken = [seconds for job in newest if (seconds := self.of_job(job, backend)) is not None]
        return sum(taken) / len(taken) if taken else None


def lines_of_backends(backends: list[dict[str, Any]]) -> Iterator[str]:
    """Yield each backend as people read it."""
    for each in backends:
        yield f"backend {each['name']}: {'; '.join(_said(each))}"


def _said(backend: Mapping[str, Any]) -> Iterator[str]:
    if backend["answers"] is None:
        yield "nothing is known of it now"
    elif backend["answers"]:
        yield f"answers ({backend['engine']})" if backend["engine"] else "answers"
    else:
        yield backend["why"] or "does not answer"
    if backend["running"]:
        yield f"runs {', '.join(backend['running'])}"
    if backend["queued"]:
        yield f"next there: {', '.join(backend['queued'])}"
    others = backend["others"]["running"] + backend["others"]["queued"]
    if others:
        yield f"{others} prompt{'s' if others > 1 else ''} of other people"
    if backend["draining"]:
        yield f"paused, it takes nothing new (`reeldrop resume backend {backend['name']}` ends it)"
    if not backend["window"]["open"]:
        opens = datetime.fromisoformat(backend["window"]["changes"])
        yield f"outside its time window until {opens:%Y-%m-%d %H:%M}"

"""What pause and resume share: where their PAUSE file lies, that the inbox is the right one, and backends."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from service.backend_keys import EMBEDDED
from service.commands.speech import ask_or_act
from service.config import Config
from service.errors import Problem, Rejected, Unavailable
from service.inbox.roots import marker
from service.library import load
from service.openings import drain
from service.servers import uses_embedded
from service.store import Store


def drain_backend(config: Config, name: str, *, draining: bool, as_json: bool) -> None:
    """Pause a backend or let it go on, by the daemon if one runs."""
    verb = "pause backend" if draining else "resume backend"
    names = backend_names(config)
    ask_or_act(config, verb, name, lambda store: drain(store, names, name, draining=draining), as_json=as_json)


def backend_names(config: Config) -> list[str]:
    """Return the backends that this configuration works with, the embedded engine among them."""
    return [EMBEDDED] if uses_embedded(config) else [backend.name for backend in config.backends]


def folder_for(config: Config, task: str | None) -> Path:
    """Return the folder in which a PAUSE counts; raises Rejected for an unknown task, Unavailable for no inbox."""
    _meet(config)
    if task is None:
        return config.inbox_dir
    tasks = list(load(config).tasks)
    if task not in tasks:
        near = get_close_matches(task, tasks, n=1)
        fix = f"Did you mean {near[0]}?" if near else f"Use one of: {', '.join(tasks)}."
        raise Rejected(Problem("unknown_task", f"There is no task {task}.", fix))
    return config.inbox_dir / task


def _meet(config: Config) -> None:
    """The bare mount point of a share must get no PAUSE that nobody sees."""
    database = config.state_dir / "reeldrop.db"
    if database.exists():
        store = Store(database, read_only=True)
        try:
            known = store.marker(str(config.inbox_dir))
        finally:
            store.close()
        if known is not None:
            marker(config.inbox_dir, known)
    if not config.inbox_dir.is_dir():
        fix = "Start the daemon once, or correct inbox_dir in config.yaml."
        raise Unavailable("folder_missing", f"There is no inbox at {config.inbox_dir}.", fix)

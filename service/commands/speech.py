"""What every command shares: where its settings are, how it speaks, how it stops."""

from __future__ import annotations

import json
import logging
import signal
import sys
import time
from collections.abc import Callable, Mapping
from logging.handlers import RotatingFileHandler
from pathlib import Path

import click

from service import config as configuration
from service.app import App
from service.config import Config
from service.errors import Problem, Rejected, Unavailable
from service.inbox.lease import holder, is_locked
from service.journal import Journal, is_listening
from service.liveness import alive
from service.manager import Manager
from service.requests import Requests
from service.store import Store

WRONG_USE = 2
_LOG_BYTES = 5_000_000
#: systemd waits 120 s for a sign of life.
_SIGN_S = 20.0
#: Beside daemon.py; an installed reeldrop uses the folder it is called in.
_BESIDE_DAEMON = Path(__file__).resolve().parents[2]


def home() -> Path:
    """Return the folder that holds config.yaml, inbox, outbox and workflows."""
    return _BESIDE_DAEMON if (_BESIDE_DAEMON / "daemon.py").exists() else Path.cwd()


def settings(config_file: Path | None) -> Config:
    """Return the settings; raises Rejected with every mistake of the file, each with its place."""
    path = config_file or home() / "config.yaml"
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        if config_file is None:
            return configuration.default(path.parent.resolve())
        raise Rejected(
            Problem("config_missing", f"There is no {path}.", "Name an existing file with --config.")
        ) from None
    return configuration.parse(text, path.parent.resolve(), path.name)


def complain(sentence: str) -> None:
    """Say what is wrong on standard error."""
    click.echo(sentence, err=True)


def ask_daemon(
    config: Config,
    verb: str,
    target: str,
    task: str | None = None,
    *,
    as_json: bool = False,
    more: Mapping[str, str] | None = None,
) -> None:
    """Ask the running daemon for something and say what it answered; exit code 1 where it can't be done.

    Raises Unavailable where no daemon runs, or none answers.
    """
    if not is_locked(config.state_dir / "lock"):
        other = holder(config.inbox_dir)
        who = f"The inbox is worked on by {other}, elsewhere." if other else "No daemon is running."
        fix = f"Run `reeldrop {verb}` there." if other else "Start it with `reeldrop run`, then ask again."
        raise Unavailable("no_daemon", who, fix)
    try:
        said = Requests(config.state_dir / "requests").ask(verb, target, task, more=more)
    except Rejected as rejected:
        tell_problems(rejected, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    click.echo(json.dumps({"said": said}, ensure_ascii=False) if as_json else said)


def ask_or_act(
    config: Config,
    verb: str,
    target: str,
    act: Callable[[Store], str],
    *,
    task: str | None = None,
    more: Mapping[str, str] | None = None,
    as_json: bool = False,
) -> None:
    """Ask the running daemon for something that its database alone decides; where none runs, do it ourselves.

    Raises Unavailable where the daemon doesn't answer, or works elsewhere.
    """
    database = config.state_dir / "reeldrop.db"
    if is_locked(config.state_dir / "lock") or holder(config.inbox_dir) or not database.exists():
        ask_daemon(config, verb, target, task, as_json=as_json, more=more)
        return
    store = Store(database)
    try:
        said = act(store)
    except Rejected as rejected:
        tell_problems(rejected, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    finally:
        store.close()
    click.echo(json.dumps({"said": said}, ensure_ascii=False) if as_json else said)


def tell_problems(rejected: Rejected, *, as_json: bool) -> None:
    """Say everything that is wrong, for people on standard error or as JSON on standard output."""
    if as_json:
        problems = [problem.as_json() for problem in rejected.problems]
        click.echo(json.dumps({"problems": problems}, ensure_ascii=False))
        return
    for problem in rejected.problems:
        complain(problem.sentence())


def keep_log(config: Config, *, to_terminal: bool) -> None:
    """Write the log to standard error, or to var/reeldrop.log where the terminal shows jobs instead.

    Under systemd it goes to the journal with its fields. The file is kept small: of old ones the newest three are left.
    """
    handler: logging.Handler
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    if to_terminal and is_listening():
        # Time, level and room are fields of their own there.
        handler, form = Journal(), "%(message)s"
    elif to_terminal:
        handler = logging.StreamHandler()
    else:
        config.state_dir.mkdir(parents=True, exist_ok=True)
        file = config.state_dir / "reeldrop.log"
        handler = RotatingFileHandler(file, maxBytes=_LOG_BYTES, backupCount=3, encoding="utf-8")
    handler.setFormatter(logging.Formatter(form))
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    # These libraries tell at INFO what is of no use to an operator.
    for noisy in ("apscheduler", "urllib3", "watchdog"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def stop_on_signals(app: App) -> None:
    """Let SIGTERM and Ctrl-C end the daemon in order; a second Ctrl-C ends it at once."""

    def ask(number: int, _frame: object) -> None:
        app.ask_to_stop()
        signal.signal(number, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, ask)
    signal.signal(signal.SIGINT, ask)


def serve(app: App, each_second: Callable[[], bool] | None = None, *, interval_s: float = 1.0) -> None:
    """Open, start and keep the daemon until it is asked to stop or `each_second` returns True; always closes it."""
    manager = Manager()
    app.open()
    try:
        stop_on_signals(app)
        app.start()
        manager.ready()
        told_s = -_SIGN_S
        while not app.wait(interval_s):
            app.check()
            if time.monotonic() - told_s >= _SIGN_S and alive(app.pulses.at(time.monotonic())):
                # A daemon whose threads stand still says nothing, and is started anew.
                manager.alive(app.in_one_line())
                told_s = time.monotonic()
            if each_second and each_second():
                break
    finally:
        manager.stopping()
        app.close()


def printable(text: str) -> str:
    """Return a file's name so that it can't play with the terminal."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def on_terminal() -> bool:
    """Return whether standard output is a person's terminal."""
    return sys.stdout.isatty()

"""reeldrop submit: drop files into the inbox as a careful person would, media first; or say what they would become."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from service import jobfile
from service.catalogue import Library
from service.commands.speech import WRONG_USE, printable, settings
from service.config import Config
from service.declaration import written
from service.disk import Disk
from service.drops import media_kind
from service.errors import Problem, Rejected
from service.foretelling import Foretelling, Foretold
from service.inbox.lookup import Lookup
from service.library import load

_JOB_ENDINGS = {".yaml", ".yml", ".json"}
_READ_BYTES = (1 << 20) + 1
#: Longer values are cut in the lines for people; JSON has them whole.
_SHOWN = 60


@click.command()
@click.argument("task")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Say what the files would become, and drop nothing.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print one JSON object instead of lines.")
def submit(task: str, files: tuple[Path, ...], dry_run: bool, as_json: bool, config_file: Path | None) -> None:
    """Copy FILES (job files, prompts, media) whole into the inbox folder of TASK."""
    config = settings(config_file)
    library = load(config)
    tasks = list(library.tasks)
    if task not in tasks:
        raise Rejected(Problem("unknown_task", f"There is no task {task}.", f"Use one of: {', '.join(tasks)}."))
    if dry_run:
        _foretell(config, library, task, files, as_json=as_json)
        return
    for file in files:
        if file.suffix.lower() in _JOB_ENDINGS:
            jobfile.parse(file.read_bytes(), library.max_cells)
    folder = config.inbox_dir / task
    folder.mkdir(parents=True, exist_ok=True)
    # Media first: when the job file appears, all that it needs is there.
    for file in sorted(files, key=lambda file: media_kind(file.name) is None):
        click.echo(f"dropped {drop_whole(file, folder)}")


def drop_whole(file: Path, folder: Path) -> Path:
    """Copy a file so that it appears in the folder whole or not at all; raises Rejected where the name is taken."""
    target = folder / file.name
    part = folder / f".{file.name}.part"
    disk = Disk()
    try:
        disk.copy_content(file, part)
        disk.rename_new(part, target)
    except FileExistsError:
        fix = "Wait until it has been taken, or rename yours."
        raise Rejected(Problem("name_taken", f"{target} is already there.", fix)) from None
    finally:
        part.unlink(missing_ok=True)
    return target


# what would become of them -------------------------------------------------------------------------------------------


def _foretell(config: Config, library: Library, task: str, files: Sequence[Path], *, as_json: bool) -> None:
    """Say what files would become, exit code 2 where one would be refused; no file and no server is touched."""
    media = [file.name for file in files if media_kind(file.name) is not None]
    texts = {file.name: _text(file) for file in files if file.name not in media}
    lookup = Lookup(config.inbox_dir, list(map(Path, config.media_roots)))
    told = Foretelling(library, _finder(lookup, task, media)).foretell(task, texts, media)
    if as_json:
        click.echo(json.dumps({"drops": [_as_json(drop) for drop in told]}, ensure_ascii=False))
    else:
        for drop in told:
            for line in _lines(drop):
                click.echo(line)
        click.echo("Nothing was dropped. What the servers have is asked when it is; a taken name becomes NAME_2.")
    if any(drop.problems for drop in told):
        raise click.exceptions.Exit(WRONG_USE)


def _finder(lookup: Lookup, task: str, given: Sequence[str]) -> Any:
    return lambda name: name if name in given else lookup.find(task, name)


def _text(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_READ_BYTES)


def _as_json(drop: Foretold) -> dict[str, Any]:
    jobs = [
        {
            "name": job.name,
            "seed": job.seed,
            "workflow": job.workflow,
            "settings": dict(job.settings),
            "adjusted": list(job.adjusted),
        }
        for job in drop.jobs
    ]
    problems = [problem.as_json() for problem in drop.problems]
    return {
        "name": drop.name,
        "files": list(drop.files),
        "jobs": jobs,
        "differing": list(drop.differing),
        "waits": drop.waits,
        "problems": problems,
    }


def _lines(drop: Foretold) -> Iterator[str]:
    files = ", ".join(map(printable, drop.files))
    if drop.problems:
        yield f"{files} would be refused:"
        yield from (f"  {printable(problem.sentence())}" for problem in drop.problems)
        return
    if drop.waits is not None:
        yield f"{files} would wait: {printable(drop.waits)}"
        return
    jobs = f"{len(drop.jobs):,} jobs, as {drop.name}" if len(drop.jobs) > 1 else f"one job, {drop.name}"
    same = {name: value for name, value in drop.jobs[0].settings.items() if name not in drop.differing}
    yield f"{files} would become {printable(jobs)}"
    yield f"  with {printable(_shown(same))}"
    for job in drop.jobs:
        own = {name: job.settings[name] for name in drop.differing if name in job.settings}
        seed = "random" if job.seed is None else job.seed
        yield f"  {printable(job.name)}: {', '.join([f'seed {seed}', *filter(None, [printable(_shown(own))])])}"
        yield from (f"    {printable(line)}" for line in job.adjusted)


def _shown(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {_short(written(value))}" for name, value in values.items() if value not in ("", {}))


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"

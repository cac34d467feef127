"""reeldrop verify: what a result says of itself, whether it is as it was published, and the job that made it."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from service.again import job_text_of_recipe
from service.commands.certificate import make_certificate
from service.commands.speech import complain, printable, settings, tell_problems
from service.config import Config
from service.disk import sha256_of
from service.errors import Failed, Problem, Rejected, Unavailable
from service.examiner import Examiner
from service.examiner.sealer import Sealer
from service.job import Expected, Job, MediaFacts
from service.provenance import (
    Finding,
    Known,
    Verdict,
    findings_of,
    fine,
    known_by_database,
    known_by_status,
    recipe_in,
    signature_of,
    with_recipe,
)
from service.store import Store

_SHOWN = {
    Verdict.FINE: "ok",
    Verdict.UNKNOWN: "not known",
    Verdict.ABSENT: "not there",
    Verdict.MISSING: "MISSING",
    Verdict.CHANGED: "CHANGED",
    Verdict.BROKEN: "BROKEN",
}
_STATUS_BYTES = 4_000_000


@dataclass(frozen=True)
class _Read:
    """A file as it was read: its bytes' SHA-256, what it was found to be, what it says, what is known of it."""

    file: Path
    sha256: str
    facts: MediaFacts | Problem
    tags: Mapping[str, str]
    job: Job | None
    known: Known | None
    #: What its C2PA manifest says and whether it holds, None where there is none, or why that isn't known.
    credentials: dict[str, Any] | Problem | None


@click.command()
@click.argument("video", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
@click.option("--job", "as_job", is_flag=True, help="Print the job file that makes it again, and nothing else.")
@click.option(
    "--make-certificate",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Make a certificate of your own in this folder, to sign results with, and say what it is worth.",
)
def verify(video: Path | None, as_json: bool, as_job: bool, folder: Path | None, config_file: Path | None) -> None:
    """Read back what VIDEO says of itself, and check it against what is known; exit code 1 where something is wrong.

    Whatever stands in a file may have been written by anybody: "it says" is a claim, "it is" was checked.
    """
    if folder is not None:
        make_certificate(folder)
    if video is None:
        if folder is None:
            raise click.UsageError("Name a picture or video.")
        return
    if not video.is_file():
        raise Rejected(Problem("not_a_file", f"{video} is no file.", "Name a picture or video."))
    read = _read(video, settings(config_file))
    if as_job:
        _print_job(read)
        return
    findings = [
        *findings_of(read.facts, read.tags, read.sha256, read.known, read.job),
        signature_of(read.credentials, read.known),
    ]
    if as_json:
        click.echo(json.dumps(_report(read, findings), indent=2))
    else:
        for line in _lines(read, findings):
            click.echo(printable(line))
    if not fine(findings):
        raise click.exceptions.Exit(1)


def _read(file: Path, config: Config) -> _Read:
    sha256 = sha256_of(file)
    with tempfile.TemporaryDirectory(prefix="reeldrop-verify-") as temporary:
        examiner = Examiner("verify", temporary=Path(temporary))
        sealer = Sealer("verify", temporary=Path(temporary))
        try:
            facts, tags = _examined(examiner, file)
            credentials = _credentials(sealer, file, config)
        finally:
            examiner.stop()
            sealer.stop()
    job, published = _jobs(config, tags.get("reeldrop_job"), sha256)
    known = known_by_database(published) or known_by_database(job) or _beside(file)
    return _Read(file, sha256, facts, tags, job, known, credentials)


def _examined(examiner: Examiner, file: Path) -> tuple[MediaFacts | Problem, dict[str, str]]:
    """Return what a file is and says, as a child process finds it: it may have been made to hurt a decoder."""
    tags: dict[str, str] = {}
    try:
        tags = examiner.marks(file)
        facts, _ = examiner.verify(file, Expected())
    except Rejected as rejected:
        return rejected.problems[0], tags
    except Failed as failed:
        return failed.problem, tags
    return facts, tags


def _credentials(sealer: Sealer, file: Path, config: Config) -> dict[str, Any] | Problem | None:
    try:
        return sealer.credentials(file, config.c2pa.certificate if config.c2pa else None)
    except Rejected as rejected:
        return rejected.problems[0]
    except Unavailable as away:
        return Problem(away.code, away.title, away.fix)


def _jobs(config: Config, said: str | None, sha256: str) -> tuple[Job | None, Job | None]:
    """Return the job that a file says it is of, and the one whose result has its bytes; as far as they are known."""
    database = config.state_dir / "reeldrop.db"
    if not database.exists():
        return None, None
    try:
        with closing(Store(database, read_only=True)) as store:
            return store.get(said) if said else None, store.of_result(sha256)
    except sqlite3.Error as trouble:
        raise Unavailable(
            "database_unreadable", f"The database can't be read: {trouble}.", "Start the daemon once, then try again."
        ) from trouble


def _beside(file: Path) -> Known | None:
    status = file.with_name(f"{file.stem}.status.json")
    try:
        if not status.is_file() or status.stat().st_size > _STATUS_BYTES:
            return None
        return known_by_status(status.read_bytes(), file.name)
    except OSError:
        return None


def _report(read: _Read, findings: list[Finding]) -> dict[str, Any]:
    facts = read.facts if isinstance(read.facts, MediaFacts) else None
    return {
        "file": read.file.name,
        "fine": fine(findings),
        "sha256": read.sha256,
        "is": asdict(facts) if facts else None,
        "says": {
            "ai_generated": read.tags.get("ai_generated", "").lower() == "true",
            "comment": read.tags.get("comment"),
            "title": read.tags.get("title"),
            "made_by": read.tags.get("encoder_tool"),
            "job": read.tags.get("reeldrop_job"),
            "graph_hash": read.tags.get("graph_hash"),
            "recipe": recipe_in(read.tags),
        },
        "known": asdict(read.known) if read.known else None,
        "c2pa": asdict(read.credentials) if isinstance(read.credentials, Problem) else read.credentials,
        "findings": [asdict(finding) for finding in findings],
    }


def _lines(read: _Read, findings: list[Finding]) -> Iterator[str]:
    yield f"{read.file.name}: {'fine' if fine(findings) else 'NOT as it should be'}"
    yield f"  sha256 {read.sha256}"
    for finding in findings:
        yield f"  {finding.check:<7}{_SHOWN[finding.verdict]:<10} {finding.title} {finding.fix}".rstrip()
    yield 'What "it says" was read from the file, and anybody can write such words.'


def _print_job(read: _Read) -> None:
    """Print the job file; raises Exit with 1 where none can be made of what the file says."""
    try:
        text = job_text_of_recipe(with_recipe(read.tags, read.job))
    except Rejected as rejected:
        tell_problems(rejected, as_json=False)
        raise click.exceptions.Exit(1) from None
    if text is None:
        complain("It says nothing of how it was made. Use its NAME.status.json, or its job file in inbox/done/.")
        raise click.exceptions.Exit(1)
    same = read.known is not None and read.known.sha256 == read.sha256
    click.echo(f"# What {printable(read.file.name)} says of itself{'' if same else '; it was not confirmed'}.")
    click.echo(text, nl=False)

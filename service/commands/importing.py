"""reeldrop workflows import: somebody's graph, in either of ComfyUI's formats, becomes a workflow here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from service import workflow
from service.adoption import Adopted, adopt, bring, name_for, put_in_place
from service.checkup import Finding, examine
from service.commands.servers import ask_all, ask_one
from service.commands.speech import complain, printable, settings, tell_problems
from service.config import Config
from service.errors import Problem, Rejected
from service.library import load
from service.workflow import Workflow


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--name", help="What to call it: small letters, digits, - and _; the file's name unless given.")
@click.option("--url", help="The ComfyUI whose nodes count, by address or by its name in config.yaml.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def import_(file: Path, name: str | None, url: str | None, as_json: bool, config_file: Path | None) -> None:
    """Convert FILE, a graph that ComfyUI saved or exported, into a workflow; exit code 1 where it can't be."""
    config = settings(config_file)
    name = name or name_for(file.name.split(".")[0])
    infos, silent = ask_one(config, url) if url else ask_all(config)
    try:
        data = file.read_bytes()
        adopted = adopt(name, data, infos)
        flow = workflow.parse(name, adopted.graph, adopted.manifest.encode())
        library = load(config)
        finding = examine(flow, infos, library.defaults, library.whereabouts(flow.name))
        files = _write(config, file, name, adopted, data)
    except Rejected as refused:
        tell_problems(_with_reasons(refused, silent), as_json=as_json)
        raise click.exceptions.Exit(1) from None
    except OSError as trouble:
        complain(f"It can't be read or written: {trouble}.")
        raise click.exceptions.Exit(1) from None
    report = _report(flow, adopted, finding, files, silent)
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for line in _lines(report):
        click.echo(printable(line))


def _write(config: Config, file: Path, name: str, adopted: Adopted, data: bytes) -> list[Path]:
    folder = config.workflows_dir
    folder.mkdir(parents=True, exist_ok=True)
    if adopted.by is not None and file.resolve() == (folder / f"{name}.json").resolve():
        return put_in_place(folder, name, adopted)
    return bring(folder, name, adopted, data)


def _with_reasons(refused: Rejected, silent: Mapping[str, str]) -> Rejected:
    """Return what is refused, and, where it waits for a server, why none answered."""
    if refused.problems[0].code != "ui_format":
        return refused
    why = " ".join(f"{name}: {trouble}" for name, trouble in silent.items()) or "No backend is configured."
    title = "The graph is in ComfyUI's UI format, and no ComfyUI answers that could say what its nodes take."
    fix = "Start it and try again, name one with --url, or export the graph with Workflow > Export (API)."
    return Rejected(Problem("ui_format", title, fix, why))


def _report(
    flow: Workflow, adopted: Adopted, finding: Finding, files: list[Path], silent: Mapping[str, str]
) -> dict[str, Any]:
    return {
        "name": flow.name,
        "folder": f"inbox/{flow.task}/",
        "converted_by": adopted.by,
        "files": [str(path) for path in files],
        "nodes": len(flow.graph),
        "notes": list(adopted.notes),
        "consent": flow.needs_consent,
        "refused": [problem.as_json() for problem in finding.refused],
        "able": finding.able,
        "lacking": {name: [each.as_json() for each in problems] for name, problems in finding.lacking.items()},
        "silent": dict(silent),
    }


def _lines(report: Mapping[str, Any]) -> Iterator[str]:
    how = f", converted by what {report['converted_by']} says" if report["converted_by"] else ""
    yield f"{report['name']}: {report['nodes']} nodes{how}; drop files into {report['folder']}"
    yield from (f"  wrote {path}" for path in report["files"])
    yield from (f"  {note}" for note in report["notes"])
    if report["consent"]:
        yield "  its jobs need consent: true"
    yield from (f"  can't run: {Problem(**problem).sentence()}" for problem in report["refused"])
    for backend, problems in report["lacking"].items():
        yield from (f"  on {backend}: {Problem(**problem).sentence()}" for problem in problems)
    yield "Look its manifest over: it is a draft."

"""reeldrop workflows: which workflows there are, what each takes, and whether a server has what they need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from service.catalogue import Library
from service.checkup import Finding, examine
from service.commands.servers import ask_all
from service.commands.speech import printable, settings
from service.config import Config
from service.declaration import did_you_mean, written
from service.errors import Problem, Rejected
from service.guard import identity_nodes
from service.library import load
from service.manifest_keys import Parameter
from service.workflow import OUTSIDE, Workflow

FOUND_PROBLEMS = 3
_SWITCH = {"description", "default", "role"}


@click.group()
def workflows() -> None:
    """Say which workflows there are, what each takes, and whether they can run."""


def _as_json(command: Callable[..., None]) -> Callable[..., None]:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")(command)


@workflows.command(name="list")
@_as_json
def list_(as_json: bool, config_file: Path | None) -> None:
    """List every workflow with its folder and what it takes, and the files that are left out and why."""
    config = settings(config_file)
    library = load(config)
    report = {"workflows": [_short(flow, library) for flow in _in_order(library)], "broken": _broken(library)}
    _say(report, as_json, _list_lines(config, report))


@workflows.command()
@click.argument("name")
@_as_json
def show(name: str, as_json: bool, config_file: Path | None) -> None:
    """Show one workflow: its folder, what a job may set, which files it takes, what must be installed."""
    library = load(settings(config_file))
    flow = _named(library, name)
    report = _long(flow, library)
    _say(report, as_json, _show_lines(report))


@workflows.command()
@click.argument("names", nargs=-1)
@_as_json
def check(names: tuple[str, ...], as_json: bool, config_file: Path | None) -> None:
    """Check workflows (all unless named) by the rules and on each backend that answers; exit code 3 on problems."""
    config = settings(config_file)
    library = load(config)
    flows = [_named(library, name) for name in names] or _in_order(library)
    infos, silent = ask_all(config)
    findings = {flow.name: examine(flow, infos, library.defaults, library.whereabouts(flow.name)) for flow in flows}
    broken = [] if names else _broken(library)
    report = {
        "asked": list(infos),
        "silent": silent,
        "workflows": [_checked(flow, findings[flow.name]) for flow in flows],
        "broken": broken,
    }
    _say(report, as_json, _check_lines(report))
    # Nobody can do anything about what says itself that it can't be run.
    counted = flows if names else [flow for flow in flows if flow.manifest.unavailable is None]
    if broken or not all(_sound(flow, findings[flow.name]) for flow in counted):
        raise click.exceptions.Exit(FOUND_PROBLEMS)


# what there is to say ------------------------------------------------------------------------------------------------


def _in_order(library: Library) -> list[Workflow]:
    listed = [name for names in library.tasks.values() for name in names if name in library.workflows]
    names = dict.fromkeys([*listed, *library.workflows])
    return [library.workflows[name] for name in names]


def _named(library: Library, name: str) -> Workflow:
    plain = name.removesuffix(".json").removesuffix(".yaml")
    if plain in library.workflows:
        return library.workflows[plain]
    if problems := library.broken.get(f"{plain}.yaml") or library.broken.get(f"{plain}.json"):
        raise Rejected(*problems)
    names = sorted(library.workflows)
    fix = did_you_mean(name, names, f"There are: {', '.join(names) or 'none'}.")
    raise Rejected(Problem("unknown_workflow", f"There is no workflow {name}.", fix))


def _short(flow: Workflow, library: Library) -> dict[str, Any]:
    return {
        "name": flow.name,
        "title": flow.title,
        "task": flow.task,
        "folders": [f"inbox/{task}/" for task, names in library.tasks.items() if flow.name in names],
        "takes": sorted(field for field in flow.fields - OUTSIDE if "." not in field),
        "media": {role: str(kind) for role, kind in flow.roles.items()},
        "optional": sorted(set(flow.roles) - flow.required_roles),
        "unavailable": flow.manifest.unavailable,
        "consent": flow.needs_consent,
        "drafted": flow.name in library.drafts,
    }


def _long(flow: Workflow, library: Library) -> dict[str, Any]:
    needs = flow.manifest.needs
    parameters = flow.manifest.parameters.declared()
    return {
        **_short(flow, library),
        "description": flow.manifest.description,
        "parameters": {name: _rule(each) for name, each in parameters.items()},
        "switches": {name: switch.model_dump(include=_SWITCH) for name, switch in flow.manifest.switches.items()},
        "ladder": [dict(step) for step in flow.manifest.ladder],
        "identity_nodes": identity_nodes(flow.graph) if flow.needs_consent else {},
        "needs": needs.model_dump(mode="json", exclude_none=True),
        "sources": {
            f"{each.folder}/{each.file}": library.sources[f"{each.folder}/{each.file}"]
            for each in needs.models
            if f"{each.folder}/{each.file}" in library.sources
        },
        "graph_hash": flow.graph_hash,
    }


def _rule(parameter: Parameter) -> dict[str, Any]:
    return parameter.model_dump(mode="json", exclude_none=True, exclude={"to"}, exclude_defaults=True)


def _broken(library: Library) -> list[dict[str, Any]]:
    return [
        {"file": f"workflows/{file}", "problems": [problem.as_json() for problem in problems]}
        for file, problems in library.broken.items()
    ]


def _sound(flow: Workflow, finding: Finding) -> bool:
    return finding.sound and flow.manifest.unavailable is None


def _checked(flow: Workflow, finding: Finding) -> dict[str, Any]:
    return {
        "name": flow.name,
        "sound": _sound(flow, finding),
        "unavailable": flow.manifest.unavailable,
        "able": finding.able,
        "consent": flow.needs_consent,
        "refused": [problem.as_json() for problem in finding.refused],
        "lacking": {name: [each.as_json() for each in problems] for name, problems in finding.lacking.items()},
    }


# as lines ------------------------------------------------------------------------------------------------------------


def _say(report: Mapping[str, Any], as_json: bool, lines: Iterator[str]) -> None:
    if as_json:
        click.echo(json.dumps(report, indent=2, ensure_ascii=False))
        return
    for line in lines:
        click.echo(printable(line))


def _list_lines(config: Config, report: Mapping[str, Any]) -> Iterator[str]:
    for each in report["workflows"]:
        yield f"{each['name']}: {each['title']}"
        yield f"  drop files into {' or '.join(each['folders']) or 'no folder: no task lists it'}"
        if each["unavailable"]:
            yield f"  can't be run: {each['unavailable']}"
        yield from (f"  {line}" for line in _media_lines(each))
        yield f"  takes {', '.join(name for name in each['takes'] if name not in each['media']) or 'no settings'}"
        if each["consent"]:
            yield "  its jobs need consent: true"
        if each["drafted"]:
            yield "  its manifest is a draft; the daemon writes it beside the graph when it runs"
    if not report["workflows"]:
        yield f"There is no workflow in {config.workflows_dir}."
    yield from _broken_lines(report["broken"])
    yield "`reeldrop workflows show NAME` says more, `reeldrop workflows check` whether they can run."


def _media_lines(report: Mapping[str, Any]) -> Iterator[str]:
    words = {role: f"a {kind} ({role})" for role, kind in report["media"].items()}
    if needed := [words[role] for role in words if role not in report["optional"]]:
        yield f"needs {' and '.join(needed)}"
    if more := [words[role] for role in report["optional"]]:
        yield f"goes by {' and '.join(more)} too, where a job brings it"


def _broken_lines(broken: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for each in broken:
        yield f"left out: {each['file']}"
        yield from (f"  {_sentence(problem)}" for problem in each["problems"])


def _sentence(problem: Mapping[str, Any]) -> str:
    return Problem(**problem).sentence()


def _show_lines(report: Mapping[str, Any]) -> Iterator[str]:
    yield f"{report['name']}: {report['title']}"
    if report["description"]:
        yield f"  {report['description']}"
    yield f"drop files into: {' or '.join(report['folders']) or 'no folder: no task lists it'}"
    if report["unavailable"]:
        yield f"can't be run: {report['unavailable']}"
    yield from _media_lines(report)
    yield "a job may set:" if report["parameters"] else "a job may set: nothing"
    for name, rule in report["parameters"].items():
        yield f"  {name}: {_rule_words(rule)}"
    for name, switch in report["switches"].items():
        unset = f"{'on' if switch['default'] else 'off'} unless set"
        how = f"on with a file as {switch['role']}" if switch["role"] else unset
        yield f"  switches.{name}: {how}. {switch['description']}".rstrip()
    if nodes := report["identity_nodes"]:
        shown = ", ".join(f"{node} ({class_type})" for node, class_type in nodes.items())
        yield f"its jobs need consent: true, for nodes that carry somebody's identity, or may: {shown}"
    if report["ladder"]:
        steps = "; ".join(", ".join(f"{name} {value:g}" for name, value in step.items()) for step in report["ladder"])
        yield f"becomes smaller where memory is short: {steps}"
    needs = report["needs"]
    if "comfyui" in needs:
        yield f"needs ComfyUI {needs['comfyui']} or newer"
    yield from (f"needs the node pack {each['pack']}: {each['url']}" for each in needs["nodes"])
    for each in needs["models"]:
        source = report["sources"].get(f"{each['folder']}/{each['file']}")
        yield f"needs the model models/{each['folder']}/{each['file']}{f' from {source}' if source else ''}"


def _rule_words(rule: Mapping[str, Any]) -> str:
    kind = {"whole": "a whole number", "number": "a number", "text": "text"}[rule["type"]]
    words = [kind]
    if "minimum" in rule and "maximum" in rule:
        words.append(f"{rule['minimum']:.16g} to {rule['maximum']:.16g}")
    elif "minimum" in rule:
        words.append(f"{rule['minimum']:.16g} or more")
    elif "maximum" in rule:
        words.append(f"{rule['maximum']:.16g} or less")
    if "multiple_of" in rule:
        base = rule.get("base")
        words.append(f"{rule['multiple_of']}n + {base}" if base else f"a multiple of {rule['multiple_of']}")
    if "default" in rule:
        words.append(f"{written(rule['default'])} unless set")
    return ", ".join([*words, *(["must be set"] if rule.get("required") else [])])


def _check_lines(report: Mapping[str, Any]) -> Iterator[str]:
    for name, trouble in report["silent"].items():
        yield f"{name} doesn't answer: {trouble}"
    if not report["asked"]:
        yield "No backend answers: only the files and the rules are checked."
    for each in report["workflows"]:
        if each["unavailable"]:
            yield f"{each['name']}: can't be run: {each['unavailable']}"
            continue
        how = "may run" if each["sound"] else "can't run"
        where = f", on {' and '.join(each['able'])}" if each["able"] else ""
        yield f"{each['name']}: {how}{where}{' (its jobs need consent: true)' if each['consent'] else ''}"
        yield from (f"  {_sentence(problem)}" for problem in each["refused"])
        for backend, problems in each["lacking"].items():
            yield from (f"  on {backend}: {_sentence(problem)}" for problem in problems)
    yield from _broken_lines(report["broken"])

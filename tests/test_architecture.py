"""The table of allowed doors is the architecture: imports go downwards only, never sideways (docs/architecture.md)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SERVICE = ROOT / "service"

#: From the roof down. A room may import from lower floors only, and from its own room where it is a package.
FLOORS: dict[str, float] = {
    "commands": 9,
    "app": 8,
    "building": 7.5,
    # hallway: the order of steps
    "intake": 7,
    "admission": 7,
    "lane": 7,
    "publishing": 7,
    "releasing": 7.1,
    "recovery": 7,
    "retrial": 7,
    "beginning": 7,
    "housekeeping": 7,
    "results": 6.5,
    "sheets": 6.5,
    "previews": 6.5,
    "marking": 6,
    "finishing": 6.2,
    "signing": 6.1,
    "leaving": 6,
    "report": 6.5,
    "control": 6.5,
    # landing: what several steps of the hallway share
    "pursuit": 4.5,
    "sending": 6,
    "patience": 6,
    "dispatch": 6.7,
    "inheritance": 6.8,
    "fleet": 5.5,
    "mishaps": 6.2,
    "following": 6.4,
    "neighbours": 5.9,
    "connection": 5,
    "servers": 4.8,
    "stillness": 6,
    "sightings": 6,
    "texts": 6,
    "named_media": 6,
    "readiness": 6.5,
    "pairing": 6,
    "followers": 6.5,
    "earlier": 6.5,
    "claim_reading": 6.7,
    "consideration": 6.7,
    "orders": 6.8,
    "waiting": 6.8,
    "claiming": 6.8,
    "resting": 6.85,
    "examination": 6,
    "uploads": 6,
    "enlisting": 6.5,
    "binding": 6.3,
    "foretelling": 6.4,
    "judgement": 6.2,
    "responsibility": 6.25,
    "quarantine": 6.3,
    "stitching": 6.4,
    "publish_notes": 6,
    "checkup": 6.2,
    "consents": 6.3,
    "sameness": 6,
    "soundness": 4.5,
    "fit": 4.5,
    "provenance": 2.1,
    "drafting": 2.5,
    "drafted": 4.2,
    "adoption": 4.3,
    "restocking": 5,
    "ending": 6,
    "openings": 6,
    "hours": 6,
    "priorities": 6,
    "setbacks": 6,
    "telling": 5,
    "webhooks": 3,
    "tidings": 1,
    "apprising": 1,
    "notify_keys": 2.45,
    "register": 5,
    "timing": 5,
    # doors: one outside thing each
    "inbox": 4,
    "examiner": 4,
    "store": 4,
    "requests": 4,
    "rows": 3,
    "migrations": 3,
    "comfy": 4,
    "outbox": 4,
    "library": 4.4,
    "model_folder": 4,
    "sums": 4,
    "sharing": 4,
    "downloads": 4.2,
    "pulling": 6,
    "disk": 3,
    "exchange": 2,
    "syncing": 2,
    "renaming": 2,
    # library: pure thought; the settings' own rooms build on each other
    "reading": 3,
    "roles": 2.9,
    "catalogue": 2.85,
    "presets": 2.45,
    "again": 2.45,
    "cells": 3.2,
    "schemas": 3,
    "workflow": 2.8,
    "choosing": 2.82,
    "shrinking": 2.85,
    "resolving": 2.6,
    "config": 2.6,
    "manifest_fit": 2.5,
    "manifest": 2.4,
    "switching": 2.5,
    "interpolating": 4.2,
    "expectation": 2.5,
    "manifest_needs": 2.35,
    "manifest_switches": 2.35,
    "manifest_keys": 2.3,
    "jobfile": 2.4,
    "job_output": 2.25,
    "job_texts": 2.22,
    "model_list": 2.4,
    "model_hosts": 2.4,
    "model_stock": 2.5,
    "model_links": 2.5,
    "config_keys": 2.5,
    "backend_keys": 2.45,
    "signing_keys": 2.45,
    "window_keys": 2.44,
    "key_types": 2.4,
    "jobs_in_file": 2.37,
    "matrix": 2.36,
    "job_fields": 2.35,
    "alternatives": 2.1,
    "manifest_loras": 2.35,
    "families": 2.0,
    "loras": 2.6,
    "model_headers": 4,
    "wildcards": 2.25,
    "typed_yaml": 2.3,
    "yaml_problems": 2.25,
    "declaration": 2.2,
    "strict_yaml": 2.1,
    "plain_text": 2,
    "graph": 2,
    "yaml_slips": 2,
    "adult": 2.2,
    "graph_texts": 2.1,
    "guard": 2,
    "drops": 2,
    "prompt_rules": 1.6,
    "prompt_seen": 1.4,
    "prompt_ages": 1.2,
    "prompt_text": 1,
    "prompt_terms": 1,
    "adult_workflow": 1,
    "node_classes": 1,
    "attention": 2.5,
    "agenda": 1,
    "settling": 1,
    "pace": 1,
    "crew": 1,
    "backlog": 1,
    "liveness": 1,
    "health": 1.5,
    "heartbeat": 4.6,
    "manager": 4,
    "journal": 4,
    "units": 2,
    "installing": 5,
    "parts": 0.9,
    "naming": 1,
    "durations": 1,
    "schedule": 1,
    "windows": 1,
    "recurrence": 1.5,
    "moments": 1.2,
    "cron": 1,
    "timetable": 2.3,
    "meant": 2.3,
    "cohorts": 1,
    "forecast": 1.5,
    "status": 1,
    "disk_trouble": 1,
    # ground: shared by service and engine
    "media": 0.5,
    "engine": 0.5,
    "job": 0,
    "errors": 0,
    "foreign": 0,
}


def modules() -> list[Path]:
    return sorted(SERVICE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SERVICE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    """Return every dotted name that a module imports, at any depth of it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def rooms_used_by(path: Path) -> set[str]:
    parts = [name.split(".") for name in imports_of(path) if name.startswith("service.")]
    return {each[1] for each in parts if each[1] in FLOORS} - {room_of(path)}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SERVICE)))
def test_a_room_imports_only_from_below(path: Path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in FLOORS, f"{room} has no floor: give it one here and in docs/architecture.md"
    for used in rooms_used_by(path):
        assert FLOORS[used] < FLOORS[room], f"{path.relative_to(ROOT)} imports {used}, which isn't below it"


def test_the_engine_knows_nothing_of_the_service():
    for path in (SERVICE / "engine").rglob("*.py"):
        assert rooms_used_by(path) <= {"media", "errors", "job"}, path


def test_every_room_is_on_the_architecture_page():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    missing = [
        room for room in FLOORS if f"`{room}" not in page and f"{room}.py" not in page and f"{room}/" not in page
    ]
    assert missing == []


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(SERVICE)))
def test_only_commands_print(path: Path):
    if room_of(path) == "commands":
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]

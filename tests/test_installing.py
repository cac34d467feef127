"""service install and uninstall against a systemctl of the test's own, which notes what it is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from service import installing
from service.errors import Rejected
from service.installing import Place
from service.units import Installation

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "{log}"
[ -e "{broken}" ] && {{ echo "Unit reeldrop.service is masked." >&2; exit 1; }}
case "$*" in *is-active*) echo active;; esac
exit 0
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine run by systemd, as far as installing can tell."""
    programs = tmp_path / "bin"
    programs.mkdir()
    script = programs / "systemctl"
    script.write_text(SYSTEMCTL.format(log=tmp_path / "asked", broken=tmp_path / "broken"))
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(installing, "_has_systemd", lambda _where: True)
    return tmp_path


def where(machine: Path) -> Place:
    return Place("systemd", machine / "units" / "reeldrop.service", system=False)


def installed(machine: Path, user: str | None = None) -> Installation:
    home = machine / "a home"
    return Installation(("/usr/bin/true", "run"), home, (home / "inbox", home / "outbox"), (home / "inbox",), user)


def asked(machine: Path) -> list[str]:
    return (machine / "asked").read_text().splitlines()


def test_installing_writes_the_unit_and_starts_it(machine: Path):
    said = list(installing.install(where(machine), installed(machine)))
    assert where(machine).file.read_text().startswith("# Written by `reeldrop service install`")
    assert asked(machine) == [
        "--user daemon-reload",
        "--user enable reeldrop.service",
        "--user restart reeldrop.service",
    ]
    assert (machine / "a home" / "inbox").is_dir(), "systemd starts nothing that shall write to what isn't there"
    assert any("enable-linger" in line for line in said)
    assert installing.state(where(machine)) == "active"


def test_installing_again_is_the_same(machine: Path):
    list(installing.install(where(machine), installed(machine)))
    before = where(machine).file.read_bytes()
    list(installing.install(where(machine), installed(machine)))
    assert where(machine).file.read_bytes() == before


def test_uninstalling_leaves_nothing_but_what_the_user_has(machine: Path):
    list(installing.install(where(machine), installed(machine)))
    (machine / "a home" / "inbox" / "mine.yaml").write_text("prompt: x")
    list(installing.uninstall(where(machine)))
    assert list((machine / "units").iterdir()) == []
    assert (machine / "a home" / "inbox" / "mine.yaml").exists()
    assert "--user disable --now reeldrop.service" in asked(machine)
    assert "isn't there" in "".join(installing.uninstall(where(machine)))
    assert installing.state(where(machine)) == "not installed"


def test_what_systemd_refuses_is_passed_on_with_the_cure(machine: Path):
    (machine / "broken").touch()
    with pytest.raises(Rejected, match="is masked") as refused:
        list(installing.install(where(machine), installed(machine)))
    assert refused.value.problems[0].fix


def test_a_machine_without_systemd_is_told_what_to_do_instead(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Rejected, match="isn't run by systemd") as refused:
        list(installing.install(where(tmp_path), installed(tmp_path)))
    assert "container" in refused.value.problems[0].fix
    assert not where(tmp_path).file.exists()


def test_a_user_that_is_not_there_is_named(machine: Path):
    with pytest.raises(Rejected, match="no user nobody-by-this-name"):
        list(installing.install(where(machine), installed(machine, "nobody-by-this-name")))


def test_a_home_that_can_not_be_written_is_said(machine: Path):
    blocked = Place("systemd", machine / "file" / "reeldrop.service", system=False)
    (machine / "file").write_text("a file where a folder should be")
    with pytest.raises(Rejected, match="can't be changed"):
        list(installing.install(blocked, installed(machine)))


@pytest.mark.parametrize(
    ("platform", "system", "kind", "file"),
    [
        ("linux", False, "systemd", "home/.config/systemd/user/reeldrop.service"),
        ("linux", True, "systemd", "/etc/systemd/system/reeldrop.service"),
        ("darwin", False, "launchd", "home/Library/LaunchAgents/org.reeldrop.reeldrop.plist"),
        ("darwin", True, "launchd", "/Library/LaunchDaemons/org.reeldrop.reeldrop.plist"),
    ],
)
def test_each_machine_has_its_place(tmp_path, monkeypatch, platform, system, kind, file):
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    found = installing.place(system=system, platform=platform, home=tmp_path / "home")
    assert (found.kind, found.file) == (kind, tmp_path / file)

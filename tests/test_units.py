"""Units for systemd and property lists for launchd, judged by systemd itself and by the keys that launchd knows."""

from __future__ import annotations

import os
import plistlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from service.units import Installation
from service.units.launchd import plist
from service.units.systemd import WATCHDOG_S, unit

ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze isn't installed")


def installed(folder: Path, user: str | None = None) -> Installation:
    home = folder / 'it\'s 100% "mine" $HOME'
    inbox = home / "in box"
    inbox.mkdir(parents=True, exist_ok=True)
    command = (
        shutil.which("true") or "/bin/true",
        str(home / "daemon.py"),
        "run",
        "--config",
        str(home / "config.yaml"),
    )
    return Installation(command, home, (inbox, home / "out box"), (inbox,), user)


def written(folder: Path, user: str | None) -> Path:
    path = folder / "reeldrop.service"
    path.write_text(unit(installed(folder, user)), encoding="utf-8")
    return path


def analyze(folder: Path, *words: str, user: str | None) -> subprocess.CompletedProcess[str]:
    assert ANALYZE is not None
    argv = [ANALYZE, *words, *([] if user else ["--user"]), str(written(folder, user))]
    env = {**os.environ, "XDG_RUNTIME_DIR": str(folder), "SYSTEMD_COLORS": "0"}
    return subprocess.run(argv, capture_output=True, text=True, timeout=25, check=False, env=env)


@needs_systemd
@pytest.mark.parametrize("user", [None, "root"], ids=["user's own", "system's"])
def test_systemd_finds_nothing_wrong_with_a_unit_whatever_its_paths_hold(tmp_path: Path, user: str | None):
    done = analyze(tmp_path, "verify", user=user)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@needs_systemd
def test_the_systems_unit_is_exposed_to_little(tmp_path: Path):
    done = analyze(tmp_path, "security", "--offline=true", user="root")
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= 3.0


def test_a_command_is_what_it_was_whatever_it_holds(tmp_path: Path):
    (line,) = [line for line in unit(installed(tmp_path)).splitlines() if line.startswith("ExecStart=")]
    words = re.findall(r'"((?:[^"\\]|\\.)*)"', line)
    told = [re.sub(r"\\(.)", r"\1", word).replace("%%", "%") for word in words]
    first, *rest = installed(tmp_path).command
    assert told == [f":{first}", *rest]


def test_only_the_system_waits_for_mounts_and_names_a_user(tmp_path: Path):
    own, system = unit(installed(tmp_path)), unit(installed(tmp_path, "anna"))
    assert "RequiresMountsFor" not in own
    assert "CAP_LEASE" not in own
    assert "\nUser=anna\n" in system
    assert "AmbientCapabilities=CAP_LEASE" in system
    assert f"WatchdogSec={WATCHDOG_S}" in own


#: launchd.plist(5): the type of each key that we use.
KEYS = {
    "Label": str, "UserName": str, "ProgramArguments": list, "WorkingDirectory": str, "EnvironmentVariables": dict,
    "RunAtLoad": bool, "KeepAlive": dict, "ThrottleInterval": int, "ExitTimeOut": int, "ProcessType": str, "Umask": int,
    "StandardErrorPath": str, "StandardOutPath": str,
}  # fmt: skip


@pytest.mark.parametrize("user", [None, "anna"], ids=["agent", "daemon"])
def test_a_property_list_is_read_back_as_it_was_meant(tmp_path: Path, user: str | None):
    told = plistlib.loads(plist(installed(tmp_path, user), tmp_path / "Reeldrop.log"))
    assert {key: type(value) for key, value in told.items()} == {key: KEYS[key] for key in told}
    assert tuple(told["ProgramArguments"]) == (*installed(tmp_path).command, "--log-file")
    assert told["StandardOutPath"] == "/dev/null"
    assert told["KeepAlive"] == {"Crashed": True, "SuccessfulExit": False}
    assert told["ProcessType"] in {"Background", "Standard", "Adaptive", "Interactive"}
    assert told.get("UserName") == user
    assert not {"WatchPaths", "QueueDirectories"} & set(told)


def test_a_users_manager_is_asked_for_nothing_that_takes_capabilities_away(tmp_path: Path):
    """Such a service would end with 218/CAPABILITIES at each start."""
    keys = set(re.findall(r"^(\w+)=", unit(installed(tmp_path)), re.MULTILINE))
    taking = {"ProtectKernelModules", "ProtectKernelLogs", "ProtectClock", "PrivateDevices", "CapabilityBoundingSet"}
    assert not keys & {*taking, "AmbientCapabilities"}


def test_a_share_that_is_away_for_a_night_is_waited_for(tmp_path: Path):
    text = unit(installed(tmp_path))
    assert "\nStartLimitIntervalSec=0\n" in text
    assert "\nRestartPreventExitStatus=2\n" in text


def test_what_lies_in_tmp_is_not_hidden(tmp_path: Path):
    there, elsewhere = Path("/var/tmp/reel"), Path("/srv/reel")
    hidden = Installation(("/bin/true",), elsewhere, (elsewhere, there), (elsewhere,), "anna")
    assert "\nPrivateTmp=no\n" in unit(hidden)
    assert "\nPrivateTmp=yes\n" in unit(Installation(("/bin/true",), elsewhere, (elsewhere,), (elsewhere,), "anna"))


@pytest.mark.parametrize("name", ["a\nExecStartPre=x", "ends\\"])
def test_no_path_adds_or_joins_a_line(name: str):
    folder = Path("/srv") / name
    lines = unit(Installation((f"{folder}/python", "run"), folder, (folder,), (folder,), "anna")).splitlines()
    assert not any(line.startswith("ExecStartPre") or line.endswith("\\") for line in lines)

"""The process controller waits, kills, freezes, and leaves nothing behind."""

from __future__ import annotations

import signal
from pathlib import Path

import psutil
import pytest

from tests.faults.process import Process

SLEEPER = "import sys, time; print('ready', flush=True); time.sleep(60)"


def test_it_waits_for_a_line_and_keeps_all_that_is_said() -> None:
    with Process("-c", "import sys; print('at port 8188'); print('oh', file=sys.stderr)") as child:
        assert child.wait_for_line(r"port (\d+)")[1] == "8188"
        assert child.wait() == 0
        assert child.stdout == "at port 8188\n"
        assert child.stderr == "oh\n"


def test_it_waits_for_a_file(tmp_path: Path) -> None:
    with Process(
        "-c", "import pathlib, time; time.sleep(0.1); pathlib.Path('a').touch(); time.sleep(60)", cwd=tmp_path
    ) as child:
        assert child.wait_for_file(tmp_path / "a") == tmp_path / "a"


def test_a_wait_that_ends_in_vain_shows_what_was_said() -> None:
    with Process("-c", "raise SystemExit('the reason')") as child, pytest.raises(AssertionError, match="the reason"):
        child.wait_for_line("ready", 5)
    with Process("-c", SLEEPER) as child, pytest.raises(AssertionError, match=r"0\.2 s went by"):
        child.wait_for_line("never", 0.2)
    with Process("-c", SLEEPER) as child, pytest.raises(AssertionError, match="still runs"):
        child.wait(0.1)


def test_it_kills_and_terminates() -> None:
    for end, code in ((Process.kill, -signal.SIGKILL), (Process.terminate, -signal.SIGTERM)):
        with Process("-c", SLEEPER) as child:
            child.wait_for_line("ready")
            end(child)
            assert child.wait() == code
            assert not child.alive()


def test_it_freezes_and_thaws() -> None:
    with Process("-c", SLEEPER) as child:
        child.wait_for_line("ready")
        seen = psutil.Process(child.pid)
        child.freeze()
        child.wait_until(lambda: seen.status() == psutil.STATUS_STOPPED, 5)
        child.thaw()
        child.wait_until(lambda: seen.status() != psutil.STATUS_STOPPED, 5)


def test_its_children_end_with_it() -> None:
    lines = (
        "import subprocess, sys",
        f"made = subprocess.Popen([sys.executable, '-c', {SLEEPER!r}])",
        "print(made.pid, flush=True)",
        "made.wait()",
    )
    with Process("-c", "\n".join(lines)) as child:
        grandchild = psutil.Process(int(child.wait_for_line(r"^(\d+)$")[1]))
    _, alive = psutil.wait_procs([grandchild], timeout=5)
    assert [each for each in alive if each.status() != psutil.STATUS_ZOMBIE] == []

"""How the engine starts, where it listens, and that it never outlives the one who started it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from service import __version__
from tests.engine.running import ROOT, Engine, running_engine, until

BURNING: dict[str, Any] = {"1": {"class_type": "Burn", "inputs": {"ms": 20_000}}}


def run_to_the_end(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "service.engine", *arguments]
    return subprocess.run(
        command, check=False, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20
    )


def test_the_first_line_says_where_it_listens(engine: Engine) -> None:
    assert engine.url.startswith("http://127.0.0.1:")
    system = engine.get("/system_stats")["system"]
    assert (system["reeldrop_engine"], system["comfyui_version"]) == (__version__, "0.3.64")


def test_a_closed_standard_input_ends_it_and_the_line_is_json(tmp_path: Path) -> None:
    done = run_to_the_end("--base", str(tmp_path))
    assert done.returncode == 0
    said = json.loads(done.stdout)
    assert said["url"].startswith("http://127.0.0.1:")
    assert isinstance(said["pid"], int)


def test_a_taken_port_is_one_clear_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_to_the_end("--base", str(tmp_path), "--port", str(port))
    assert done.returncode == 2
    assert done.stderr == (
        f"Port {port} on 127.0.0.1 is taken by another program. Choose another --port, or 0 for any free one.\n"
    )
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"models: 5", "must be a list"),
        (b"- {name: a}", "needs name and folder"),
        (b"- [", "can't be read as YAML"),
        (b"\xff\xfe\x00", "can't be read as YAML"),
    ],
)
def test_a_models_file_of_another_shape_is_refused_with_its_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    models = tmp_path / "models.yaml"
    models.write_bytes(content)
    done = run_to_the_end("--base", str(tmp_path / "base"), "--models", str(models))
    assert done.returncode == 2
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_models_are_listed_from_the_file_alone(tmp_path: Path) -> None:
    models = tmp_path / "models.yaml"
    models.write_text("- {name: b.pt, folder: clip}\n- {name: a.pt, folder: mine}\n- {name: a.pt, folder: mine}\n")
    with running_engine(tmp_path / "base", models) as engine:
        assert engine.get("/models/mine") == ["a.pt"]
        assert engine.get("/models/text_encoders") == engine.get("/models/clip") == ["b.pt"]
        assert engine.get("/models")[-1] == "mine"


def test_temp_is_wiped_at_start_and_the_rest_stays(tmp_path: Path) -> None:
    for name in ("input", "output", "temp", "scratch"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "old").touch()
    with running_engine(tmp_path):
        assert [(tmp_path / name / "old").exists() for name in ("input", "output", "temp", "scratch")] == [
            True,
            True,
            False,
            False,
        ]


@pytest.mark.parametrize("way", ["its parent's pipe closes", "SIGTERM"])
def test_it_ends_within_a_second_in_the_middle_of_a_run(tmp_path: Path, way: str) -> None:
    with running_engine(tmp_path, module="tests.engine.own_classes") as engine:
        engine.post(BURNING)
        until(lambda: engine.get("/queue")["queue_running"])
        began = time.monotonic()
        if way == "SIGTERM":
            engine.process.send_signal(signal.SIGTERM)
        else:
            engine.process.stdin.close()
        assert engine.process.wait(10) == 0
        assert time.monotonic() - began < 1.0


def test_with_stay_it_outlives_its_standard_input_but_not_sigterm(tmp_path: Path) -> None:
    with running_engine(tmp_path, None, "--stay") as engine:
        engine.process.stdin.close()
        assert engine.is_idle()
        engine.process.send_signal(signal.SIGTERM)
        assert engine.process.wait(10) == 0


def test_it_answers_while_a_node_computes_without_a_pause(tmp_path: Path) -> None:
    with running_engine(tmp_path, module="tests.engine.own_classes") as engine:
        engine.post({"1": {"class_type": "Burn", "inputs": {"ms": 2_000}}})
        until(lambda: engine.get("/queue")["queue_running"])
        answered = 0
        while engine.get("/queue")["queue_running"]:
            answered += 1
        assert answered > 5


def test_it_is_gone_when_its_parent_was_killed(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-m', 'service.engine', '--base', {str(tmp_path)!r}],"
        " stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)\n"
        "print(child.stdout.readline(), end='', flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    pid = json.loads(parent.stdout.readline())["pid"]
    parent.kill()
    parent.wait()
    parent.stdout.close()

    def is_gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # An orphan that nobody has waited for yet is as good as gone.
        state = Path(f"/proc/{pid}/stat")
        return state.exists() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z"

    until(is_gone, 5)

"""reeldrop models: what people read, what ends up on their disk, and the exit codes that scripts go by."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from service.commands import commands
from service.errors import Rejected, Unavailable
from service.model_folder import look
from tests.models.shelf_server import ShelfServer, answer, cut_after, drip

#: Mistakes in a file that we read, which say themselves what they are.
_OF_ANY_FILE = {"missing_field", "duplicate_key", "bad_path", "unreadable"}
ROOT = Path(__file__).resolve().parents[2]
CONTENT = b"weights" * 5000
SUM = hashlib.sha256(CONTENT).hexdigest()


class Home:
    """A home with models of its own: two that the workflow needs, one free and one not, one to get by hand."""

    def __init__(self, folder: Path, shelf: ShelfServer) -> None:
        self.folder = folder
        self.shelf = shelf
        self.models = folder / "models"
        self.models.mkdir()
        keys = {"workflows_dir": str(ROOT / "workflows"), "model_hosts": ["127.0.0.0/8"]}
        (folder / "config.yaml").write_text(json.dumps(keys))
        shelf.files |= {"/free": CONTENT, "/bound": CONTENT}
        self.write([self.free(), self.bound()])

    def write(self, rows: list[dict[str, Any]]) -> None:
        (self.models / "models.yaml").write_text(json.dumps(rows))

    def free(self, **more: Any) -> dict[str, Any]:
        return self.row("free.safetensors", "Apache-2.0", "yes", url=f"{self.shelf.url}/free", sha256=SUM, **more)

    def bound(self, **more: Any) -> dict[str, Any]:
        return self.row("bound.onnx", "Research only", "no", url=f"{self.shelf.url}/bound", **more)

    def row(self, name: str, licence: str, commercial: str, **more: Any) -> dict[str, Any]:
        return {
            "name": name, "folder": "vae", "licence": licence, "commercial": commercial,
            "source": "https://example.org/page", "workflows": ["text_to_video_basic"], **more,
        }  # fmt: skip

    def call(self, *words: str) -> Result:
        return CliRunner().invoke(commands, ["models", *words, "--config", str(self.folder / "config.yaml")])

    def told(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self.call(*words, "--json").stdout))

    def pull(self, *more: str) -> Result:
        return self.call("pull", "text_to_video_basic", "--yes", "--accept-licence", "Research only", *more)


@pytest.fixture
def home(tmp_path: Path, shelf: ShelfServer) -> Home:
    return Home(tmp_path, shelf)


def states(home: Home, *words: str) -> dict[str, str]:
    return {row["file"]: row["state"] for row in home.told("list", *words)["models"]}


# list ----------------------------------------------------------------------------------------------------------------


def test_the_list_says_what_is_there_missing_unused_and_unknown(home: Home) -> None:
    unused = {**home.free(), "name": "unused.pt", "workflows": []}
    sized = {**home.free(), "name": "sized.pt", "size_bytes": 5}
    home.write([home.free(), home.bound(), unused, sized, {**unused, "name": "optional.pt"}])
    (home.models / "vae" / "sub").mkdir(parents=True)
    for name in ("free.safetensors", "unused.pt", "sized.pt", "sub/mine.ckpt", "notes.txt", ".hidden.ckpt"):
        (home.models / "vae" / name).write_bytes(CONTENT)
    assert states(home) == {
        "vae/free.safetensors": "present", "vae/bound.onnx": "missing", "vae/unused.pt": "unused",
        "vae/sized.pt": "wrong_size", "vae/optional.pt": "optional",
    }  # fmt: skip
    assert home.told("list")["unknown"] == [{"file": "vae/sub/mine.ckpt", "size_bytes": len(CONTENT)}]
    lines = home.call("list").output
    assert "text_to_video_basic: 1 of 3 files missing" in lines
    assert "vae/bound.onnx: MISSING; size not known; Research only, NOT for commercial use" in lines
    assert "vae/sized.pt: THERE, BUT OF ANOTHER SIZE" in lines
    assert "vae/sub/mine.ckpt" in lines


def test_one_workflow_may_be_asked_for_and_a_slip_gets_the_nearest_name(home: Home) -> None:
    assert set(states(home, "--workflow", "text_to_video_basic")) == {"vae/free.safetensors", "vae/bound.onnx"}
    assert "needs no model files" in home.call("list", "--workflow", "image_to_video_svd").output
    refused = home.call("list", "--workflow", "text_to_video_basik").exception
    assert isinstance(refused, Rejected)
    assert "Did you mean text_to_video_basic?" in str(refused)


def test_the_list_that_comes_with_us_is_read_and_every_workflow_said(home: Home) -> None:
    (home.models / "models.yaml").write_bytes((ROOT / "models" / "models.yaml").read_bytes())
    lines = home.call("list").output
    for name in ("text_to_video_basic", "image_to_video_svd", "face_swap_video", "text_to_video_ltx"):
        assert f"{name}: " in lines


def test_without_a_list_it_says_so_and_a_mistake_in_it_has_its_line(home: Home) -> None:
    (home.models / "models.yaml").write_text("- {name: a}\n")
    broken = home.call("list").exception
    assert isinstance(broken, Rejected)
    assert broken.problems[0].line == 1
    (home.models / "models.yaml").unlink()
    missing = home.call("list").exception
    assert isinstance(missing, Rejected)
    assert missing.problems[0].code == "models_list_missing"


def test_a_folder_of_very_many_files_is_looked_at_up_to_a_bound(tmp_path: Path) -> None:
    folder = tmp_path / "vae"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.pt").touch()
    (folder / "loop").symlink_to(folder)
    assert (len(look(tmp_path, most=40).files), look(tmp_path, most=40).whole) == (40, False)
    assert (len(look(tmp_path).files), look(tmp_path).whole) == (50, True)


# pull ----------------------------------------------------------------------------------------------------------------


def test_a_pull_brings_everything_and_says_by_whose_word_it_is_right(home: Home) -> None:
    result = home.pull()
    assert result.exit_code == 0, result.output
    assert f"fetched vae/free.safetensors: SHA-256 {SUM}, as models.yaml says" in result.output
    assert f"fetched vae/bound.onnx: nobody says what its SHA-256 must be; it is {SUM}" in result.output
    assert (home.models / "vae" / "free.safetensors").read_bytes() == CONTENT
    again = home.pull()
    assert (again.exit_code, "there already: vae/free.safetensors" in again.output) == (0, True)
    assert len(home.shelf.asked) == 2


def test_a_licence_that_restricts_is_not_accepted_by_yes_alone(home: Home) -> None:
    refused = home.call("pull", "text_to_video_basic", "--yes").exception
    assert isinstance(refused, Rejected)
    (problem,) = refused.problems
    assert problem.code == "licence_not_accepted"
    assert "It does NOT allow commercial use." in problem.detail
    assert '--accept-licence "Research only"' in problem.fix
    assert home.shelf.asked == []
    unasked = home.call("pull", "text_to_video_basic").exception
    assert isinstance(unasked, Rejected), "without a terminal nobody can be asked"
    assert home.call("pull", "text_to_video_basic", "--yes", "--file", "free.safetensors").exit_code == 0


def test_what_one_file_lacks_does_not_keep_the_others(home: Home) -> None:
    by_hand = home.row("hand.pt", "MIT", "yes")
    home.write([home.free(), home.bound(), by_hand])
    home.shelf.acts["/free"] = [answer(404)]
    result = home.pull()
    assert result.exit_code == 1
    assert "free.safetensors is no longer at its address." in result.output
    assert "vae/hand.pt can't be fetched by a command: get it from https://example.org/page." in result.output
    assert (home.models / "vae" / "bound.onnx").exists()


def test_a_file_of_another_size_is_neither_replaced_nor_called_there(home: Home) -> None:
    home.write([home.free(size_bytes=len(CONTENT))])
    (home.models / "vae").mkdir()
    (home.models / "vae" / "free.safetensors").write_bytes(b"mine")
    result = home.pull()
    assert (result.exit_code, "another size" in result.output) == (1, True)
    assert (home.models / "vae" / "free.safetensors").read_bytes() == b"mine"


def test_two_pulls_at_once_are_one(home: Home) -> None:
    with (home.models / ".reeldrop-pull.lock").open("w") as lock:
        # Even one who only looks at it keeps others out.
        fcntl.flock(lock, fcntl.LOCK_SH)
        busy = home.pull().exception
    assert isinstance(busy, Unavailable)
    assert busy.code == "pull_running"
    assert home.pull().exit_code == 0


def test_ctrl_c_leaves_a_part_that_goes_on(home: Home) -> None:
    home.write([home.free()])
    home.shelf.acts["/free"] = [drip]
    words = ["models", "pull", "text_to_video_basic", "--yes", "--config", str(home.folder / "config.yaml")]
    pulling = subprocess.Popen(
        [sys.executable, str(ROOT / "daemon.py"), *words], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    part = home.models / "vae" / ".free.safetensors.part"
    due = time.monotonic() + 20
    while not (part.exists() and part.stat().st_size > 10) and time.monotonic() < due:
        time.sleep(0.05)
    pulling.send_signal(signal.SIGINT)
    said, _ = pulling.communicate(timeout=20)
    assert (pulling.returncode, "the same command goes on from there" in said) == (130, True)
    assert part.stat().st_size > 10
    assert home.pull().exit_code == 0
    assert home.shelf.ranges("/free")[-1] is not None


def test_a_pull_that_broke_goes_on_where_it_was(home: Home) -> None:
    home.write([home.free()])
    home.shelf.acts["/free"] = [cut_after(1000)]
    assert home.pull().exit_code == 0
    assert home.shelf.ranges("/free") == [None, "bytes=1000-"]


def test_a_file_may_be_pulled_that_no_workflow_needs_and_a_slip_in_its_name_is_named(home: Home) -> None:
    home.write([{**home.free(), "workflows": []}])
    assert home.call("pull", "--file", "free.safetensors", "--yes").exit_code == 0
    slip = home.call("pull", "--file", "fre.safetensors", "--yes").exception
    assert isinstance(slip, Rejected)
    assert "Did you mean free.safetensors?" in str(slip)
    assert home.call("pull").exit_code == 2


# verify --------------------------------------------------------------------------------------------------------------


def test_verify_says_which_file_is_wrong_and_its_exit_code_tells_scripts(home: Home) -> None:
    assert home.pull().exit_code == 0
    right = home.call("verify")
    assert right.exit_code == 0
    assert "right: vae/free.safetensors" in right.output
    assert f"no SHA-256 is known of vae/bound.onnx; it has {SUM}" in right.output
    (home.models / "vae" / "free.safetensors").write_bytes(CONTENT[:-1] + b"x")
    wrong = home.call("verify", "--workflow", "text_to_video_basic")
    assert (wrong.exit_code, "WRONG: vae/free.safetensors" in wrong.output) == (1, True)
    assert {row["state"] for row in home.told("verify")["models"]} == {"wrong", "not_known"}


def test_verify_reads_once_and_again_only_what_has_changed(home: Home) -> None:
    assert home.pull().exit_code == 0
    file = home.models / "vae" / "free.safetensors"
    facts = file.stat()
    # The same size and time of change: only one who read it again would see what is in it now.
    file.write_bytes(CONTENT[:-1] + b"x")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert home.call("verify").exit_code == 0
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    assert home.call("verify").exit_code == 1
    (home.folder / "var" / "model_sums.json").write_text("{broken")
    assert home.call("verify").exit_code == 1


# link ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def comfyui(tmp_path: Path) -> Path:
    folder = tmp_path / "Comfy UI"
    (folder / "models" / "insightface").mkdir(parents=True)
    for name in ("main.py", "folder_paths.py"):
        (folder / name).touch()
    return folder


def test_link_prints_what_comfyui_reads_and_says_who_does_not(home: Home) -> None:
    result = home.call("link")
    read = yaml.safe_load(result.stdout)["reeldrop"]
    assert read["base_path"] == str(home.models)
    assert read["is_default"] is True
    assert read["diffusion_models"].split() == ["diffusion_models", "unet"]
    assert read["animatediff_models"] == "animatediff_models/"
    for pack in ("ComfyUI-ReActor", "ComfyUI-LivePortraitKJ", "ComfyUI-MagicAnimate", "AUX_ANNOTATOR_CKPTS_PATH"):
        assert pack in result.stderr


def test_link_writes_its_own_part_and_leaves_the_rest(home: Home, comfyui: Path) -> None:
    path = comfyui / "extra_model_paths.yaml"
    path.write_text("mine:\n  base_path: /elsewhere\n  vae: vae/\n")
    words = ("link", "--comfyui", str(comfyui), "--write")
    assert "was written: restart ComfyUI" in home.call(*words).output
    first = path.read_text()
    assert set(yaml.safe_load(first)) == {"mine", "reeldrop"}
    assert "is as it must be" in home.call(*words).output
    path.write_text(first.replace("checkpoints:", "chekpoints:") + "\nlater:\n  vae: vae/\n")
    home.call(*words)
    assert set(yaml.safe_load(path.read_text())) == {"mine", "reeldrop", "later"}
    assert "chekpoints" not in path.read_text()


def test_a_part_of_our_name_that_somebody_else_wrote_is_left_alone(home: Home, comfyui: Path) -> None:
    path = comfyui / "extra_model_paths.yaml"
    path.write_text("reeldrop:\n  base_path: /mine\n")
    refused = home.call("link", "--comfyui", str(comfyui), "--write").exception
    assert isinstance(refused, Rejected)
    assert refused.problems[0].code == "not_ours"
    assert path.read_text() == "reeldrop:\n  base_path: /mine\n"


def test_links_are_made_on_request_alone_and_replace_nothing(home: Home, comfyui: Path) -> None:
    home.call("link", "--comfyui", str(comfyui), "--write")
    assert not (comfyui / "models" / "liveportrait").exists()
    report = home.told("link", "--comfyui", str(comfyui), "--symlinks")
    found = {Path(each["link"]).name: each["state"] for each in report["links"]}
    assert (found["insightface"], found["liveportrait"]) == ("in_the_way", "linked")
    assert (comfyui / "models" / "liveportrait").resolve() == home.models / "liveportrait"
    again = {
        Path(each["link"]).name: each["state"]
        for each in home.told(*("link", "--comfyui", str(comfyui), "--symlinks"))["links"]
    }
    assert again["liveportrait"] == "already"


def test_a_folder_that_is_no_comfyui_gets_nothing(home: Home, tmp_path: Path) -> None:
    refused = home.call("link", "--comfyui", str(tmp_path), "--write").exception
    assert isinstance(refused, Rejected)
    assert refused.problems[0].code == "not_comfyui"
    assert not (tmp_path / "extra_model_paths.yaml").exists()
    assert home.call("link", "--write").exit_code == 2


def test_every_reason_has_a_line_on_the_page() -> None:
    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rooms = [*(ROOT / "service" / "downloads").glob("*.py"), *(ROOT / "service").glob("model_*.py")]
    rooms += [ROOT / "service" / name for name in ("pulling.py", "sharing.py", "commands/models_pull.py")]
    codes = {code for room in rooms for code in re.findall(r'(?:Problem|Unavailable)\(\s*"(\w+)"', room.read_text())}
    missing = {
        code for code in codes - {"missing_field", "duplicate_key", "bad_path", "unreadable"} if f"`{code}`" not in page
    }
    assert len(codes) > 12
    assert missing == set()

"""History is the judge: what each recorded end of a prompt means."""

from __future__ import annotations

from typing import Any

import pytest

from service.comfy.verdict import Errored, Interrupted, OutputFile, Succeeded, judge
from tests.comfy.recorded import VERSIONS, entry, history, load

each_version = pytest.mark.parametrize("version", VERSIONS)


def outcomes() -> list[tuple[str, str]]:
    return [
        (version, label)
        for version in VERSIONS
        for label, case in load(version, "node_outputs.json").items()
        if isinstance(case, dict) and isinstance(case.get("outputs"), dict) and case.get("status_str")
    ]


def entry_of(case: dict[str, Any]) -> dict[str, Any]:
    last = [case["last_message"]] if case.get("last_message") else []
    return {"outputs": case["outputs"], "status": {"status_str": case["status_str"], "messages": last}}


def files(verdict: object) -> tuple[OutputFile, ...]:
    assert isinstance(verdict, Succeeded), verdict
    return verdict.outputs


@pytest.mark.parametrize(("version", "label"), outcomes())
def test_every_recorded_outcome_has_the_verdict_of_its_files(version: str, label: str) -> None:
    case = load(version, "node_outputs.json")[label]
    verdict = judge(entry_of(case))
    saved = [
        item["filename"]
        for output in case["outputs"].values()
        for items in output.values()
        for item in items
        if isinstance(item, dict) and item.get("type") == "output" and "%03d" not in item["filename"]
    ]
    if case["status_str"] == "success" and saved:
        assert sorted(file.filename for file in files(verdict)) == sorted(saved)
    else:
        assert isinstance(verdict, Errored)


@each_version
def test_every_recorded_history_entry_is_judged(version: str) -> None:
    kinds = {type(judge(one)) for one in history(version).values()}
    assert kinds == {Succeeded, Errored, Interrupted}


@each_version
def test_a_video_is_found_where_the_node_reports_it(version: str) -> None:
    (video,) = files(judge(entry(version, "video success, first run"), "5"))
    assert video.filename.endswith(".mp4")
    assert (video.subfolder, video.type, video.node) == ("rec", "output", "5")


@each_version
def test_a_failed_node_is_named_with_its_reason_and_a_cure(version: str) -> None:
    label = "error: LoadImage of a file that is no image, with an independent good branch"
    verdict = judge(entry(version, label), "3")
    assert isinstance(verdict, Errored)
    assert verdict.problem.code == "node_failed"
    assert "node 1 (LoadImage): cannot identify image file" in verdict.problem.title
    assert verdict.problem.fix


@each_version
def test_partial_outputs_of_a_failed_prompt_are_no_result(version: str) -> None:
    label = "error: LoadImage of a file that is no image, with an independent good branch"
    assert entry(version, label)["outputs"], "the recording has the good branch's file"
    assert isinstance(judge(entry(version, label), "12"), Errored)


def test_an_interrupt_is_told_apart_by_its_last_message() -> None:
    interrupted = entry("0.3.64", "interrupted by /interrupt with prompt_id")
    assert interrupted["status"]["status_str"] == "error"
    assert judge(interrupted) == Interrupted()


def test_a_success_without_outputs_is_an_error_with_its_reason() -> None:
    verdict = judge(entry("0.8.0", "cached re-run with NO client_id"), "5")
    assert isinstance(verdict, Errored)
    assert verdict.problem.code == "result_missing"
    assert "no file from its output node 5" in verdict.problem.title


def test_a_success_of_another_node_only_is_an_error() -> None:
    assert isinstance(judge(entry("0.33.0", "video success, first run"), "other"), Errored)


def test_previews_in_the_temp_folder_are_no_result() -> None:
    case = load("0.3.64", "node_outputs.json")["PreviewImage batch of 2"]
    assert isinstance(judge(entry_of(case)), Errored)


def test_a_video_with_sound_is_the_one_that_the_pack_reports() -> None:
    (video,) = files(judge(entry_of(load("0.33.0", "node_outputs.json")["VHS_VideoCombine with audio"]), "5"))
    assert video.filename.endswith("-audio.mp4")


def test_a_prompt_that_queued_itself_again_says_so() -> None:
    case = load("0.8.0", "node_outputs.json")["VHS_BatchManager: 8-frame clip, 4 frames a batch (re-queues itself)"]
    verdict = judge(entry_of(case), "5")
    assert isinstance(verdict, Errored)
    assert "VHS_BatchManager" in verdict.problem.title


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("torch.OutOfMemoryError", "Allocation on device \nThis error means you ran out of memory on your GPU."),
        ("torch.cuda.OutOfMemoryError", "CUDA out of memory. Tried to allocate 2.00 GiB."),
        (
            "RuntimeError",
            "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 4398046511104",
        ),
    ],
)
def test_running_out_of_memory_has_a_code_of_its_own(kind: str, message: str) -> None:
    said = {"node_id": "3", "node_type": "KSampler", "exception_type": kind, "exception_message": message}
    verdict = judge({"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", said]]}})
    assert isinstance(verdict, Errored)
    assert verdict.problem.code == "out_of_memory"
    assert "node 3 (KSampler)" in verdict.problem.title


def test_an_error_on_the_way_to_a_success_is_not_the_end() -> None:
    status = {"status_str": "success", "messages": [["execution_error", {}], ["execution_success", {}], ["odd", {}]]}
    done = {"status": status, "outputs": {"9": {"gifs": [{"filename": "a.mp4", "subfolder": "", "type": "output"}]}}}
    assert files(judge(done, "9")) == (OutputFile("a.mp4", "", "output", "9"),)


@pytest.mark.parametrize(
    "odd",
    [{}, {"status": None, "outputs": None}, {"status": {"messages": "x"}, "outputs": []},
     {"status": {"messages": [None, [1], ["execution_error", None]]}, "outputs": {"1": None}},
     {"outputs": {"1": {"images": [None, {"filename": ""}, "x"], "gifs": 5}}}],
)  # fmt: skip
def test_an_odd_entry_is_an_error_not_a_crash(odd: dict[str, Any]) -> None:
    verdict = judge(odd, "1")
    assert isinstance(verdict, Errored)
    assert verdict.problem.fix


def test_where_the_servers_files_lie_is_left_out_of_its_words():
    said = {"node_id": "7", "node_type": "X", "exception_message": "no '/home/anna/My Comfy/models/m.ckpt' there"}
    problem = judge({"status": {"status_str": "error", "messages": [["execution_error", said]]}}).problem
    assert problem.title == "ComfyUI failed at node 7 (X): no 'm.ckpt' there."


def made(node: str, **output: Any) -> dict[str, Any]:
    return {"status": {"status_str": "success", "messages": []}, "outputs": {node: output}}


def saved(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"filename": name, "subfolder": "s", "type": "output", **more} for name in names]


@pytest.mark.parametrize("key", ["images", "gifs", "video", "videos", "result", "anything"])
def test_a_result_is_known_by_what_it_is_and_not_by_its_key(key: str) -> None:
    (video,) = files(judge(made("9", **{key: saved("a.mp4"), "text": ["a caption"], "animated": [True]}), "9"))
    assert (video.filename, video.subfolder) == ("a.mp4", "s")


def test_a_video_comes_before_its_pictures_and_its_sound() -> None:
    entry = made("9", images=saved("a.png", "b.WEBP"), audio=saved("a.flac"), gifs=saved("a.webm"))
    assert [file.filename for file in files(judge(entry, "9"))] == ["a.webm", "a.png", "b.WEBP", "a.flac"]


def test_of_a_videos_two_files_the_one_with_sound_is_the_result() -> None:
    entry = made("9", gifs=saved("o_00001.png", "o_00001.mp4", "o_00001-audio.mp4"))
    assert [file.filename for file in files(judge(entry, "9"))][:2] == ["o_00001-audio.mp4", "o_00001.mp4"]


def test_sound_alone_is_no_result() -> None:
    verdict = judge(made("9", audio=saved("a.flac")), "9")
    assert isinstance(verdict, Errored)
    assert "a.flac, which is neither a video nor a picture" in verdict.problem.title


def test_a_series_of_pictures_in_place_of_a_video_says_so() -> None:
    case = load("0.3.64", "node_outputs.json")["VHS_VideoCombine video/8bit-png"]
    verdict = judge(entry_of(case), "5")
    assert isinstance(verdict, Errored)
    assert "series of single pictures" in verdict.problem.title
    assert "video formats" in verdict.problem.fix

"""Bad input: each gets its reason or its hold, none stops the daemon, and nothing that a user dropped is lost."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from service.errors import Unavailable
from tests.faults.proxy import Proxy
from tests.line.world import ROOT, SMALL, World, photo, picture
from tests.marker_classifier import MARKER

GOOD = f"prompt: a harbour\n{SMALL}"

#: What is dropped, and words of what and cure that its reason file must hold.
MISTAKES: dict[str, tuple[bytes, list[str]]] = {
    "not-yaml": (b"prompt: [a harbour\nseed: 1\n", ["line", "column"]),
    "not-utf8": (b"prompt: caf\xe9\n", ["UTF-8"]),
    "utf-16": ("prompt: a harbour\n".encode("utf-16"), ["UTF-8"]),
    "empty": (b"", ["empty"]),
    "only-comments": (b"# nothing yet\n", ["empty"]),
    "a-list": (b"- prompt: a harbour\n", ["list"]),
    "a-text": (b"a harbour at dawn\n", ["fields"]),
    "unknown-key": (b"promt: a harbour\n", ["promt", "prompt"]),
    "wrong-type": (b"prompt: a harbour\nseed: twelve\n", ["Line 2", "seed", "whole number"]),
    "quoted-number": (b'prompt: a harbour\nframes: "16"\n', ["frames", "16"]),
    "too-large": (b"prompt: a harbour\nframes: 5000\n", ["frames", "64"]),
    "duplicate-key": (b"prompt: a\nprompt: b\n", ["prompt", "twice"]),
    "anchor": (b"prompt: &a harbour\n", ["anchor"]),
    "tabs": (b"prompt: a\n\tseed: 1\n", ["ab"]),
    "colon": (b"prompt: a cat: on a mat\n", ["quote"]),
    "no-prompt": (b"seed: 1\n", ["prompt"]),
    "not-built": (b"prompt: a harbour\nnotify: [x]\n", ["notify", "not built yet"]),
    "no-such-lora": (
        b"prompt: a harbour\nloras: [{name: age_slder.safetensors}]\n",
        ["Line 2", "age_slder", "age_slider"],
    ),
    "other-family": (b"prompt: a harbour\ncheckpoint: svd_xt.safetensors\n", ["Line 2", "made for svd", "sd15"]),
    "slider": (b"prompt: a harbour\nsliders: {age: 2, hair: 1}\n", ["age must be 1.0 or less", "hair"]),
    "alternatives": (b"prompt: 'a harbour at {9$$dawn|dusk}'\n", ["9 of 2 alternatives"]),
    "no-such-wildcard": (b"prompt: a harbour in __wether__\n", ["__wether__", "Did you mean weather?"]),
    "matrix": (b"prompt: a\nmatrix: {cfg: [6, x], samplr: [euler]}\n", ["'x'", "Did you mean sampler?"]),
    "too-many": (b"prompt: a\nmatrix: {seed: [1, 2, 3]}\ncount: 400\n", ["1,200 jobs"]),
    "no-workflow": (b"prompt: a harbour\nworkflow: text_to_video_fancy\n", ["text_to_video_fancy"]),
    "unbuilt-workflow": (b"prompt: a harbour\nworkflow: text_to_video_nsfw\n", ["text_to_video_nsfw", "inbox/adult/"]),
    "no-such-model": (b"prompt: a harbour\ncheckpoint: dreamshaper.safetensors\n", ["dreamshaper.safetensors"]),
    "no-such-sampler": (b"prompt: a harbour\nsampler: eulr\n", ["eulr"]),
    "someone-elses-file": (b"prompt: a harbour\nimage: ../../secret.jpg\n", ["image"]),
    "bomb": (b"a: " + b"[" * 2000 + b"]" * 2000, ["levels"]),
    "huge": (b"prompt: " + b"x" * (1 << 20) + b"\n", ["1 MB"]),
}


def test_every_mistake_in_a_job_file_has_its_reason_and_none_disturbs_another(world: World):
    with world:
        for name, (content, _) in MISTAKES.items():
            world.drop(f"text-to-video/{name}.yaml", content)
        world.drop("text-to-video/good.yaml", GOOD)
        for name in MISTAKES:
            world.until_state(f"text-to-video/{name}", "rejected")
            world.until_returned(f"rejected/text-to-video/{name}.reason.txt")
        world.until_state("text-to-video/good", "done")
    for name, (content, words) in MISTAKES.items():
        reason = world.reason(f"text-to-video/{name}")
        for word in words:
            assert word.casefold() in reason.casefold(), f"{name}: {reason}"
        assert "Traceback" not in reason
        assert (world.config.inbox_dir / f"rejected/text-to-video/{name}.yaml").read_bytes() == content
        assert world.status(f"text-to-video/{name}")["error"]["fix"]


def mp4_without_moov() -> bytes:
    return b"\0\0\0\x18ftypisom\0\0\2\0isomiso2" + b"\0\0\4\x08mdat" + bytes(1024)


BAD_MEDIA: dict[str, tuple[bytes, list[str]]] = {
    "text.png": (b"this is no picture at all\n", ["text.png"]),
    "page.webp": (b"<!doctype html><html><body>404 not found</body></html>", ["page.webp"]),
}


def test_media_that_is_no_media_has_its_reason(world: World):
    with world:
        for name, (content, _) in BAD_MEDIA.items():
            world.drop(f"image-to-video/{name}", content)
            world.drop(f"image-to-video/{name.rsplit('.', 1)[0]}.yaml", "seed: 1\nframes: 2\nsteps: 1\n")
        for name in BAD_MEDIA:
            world.until_state(f"image-to-video/{name.rsplit('.', 1)[0]}", "rejected")
    for name, (_, words) in BAD_MEDIA.items():
        reason = world.status(f"image-to-video/{name.rsplit('.', 1)[0]}")["error"]
        for word in words:
            assert word in f"{reason['title']} {reason['detail']} {reason['fix']}"


def test_a_picture_with_the_wrong_ending_is_taken_for_what_it_is(world: World):
    with world:
        world.drop("image-to-video/cup.jpg", picture(Image.new("RGB", (64, 64), "navy"), "PNG"))
        world.drop("image-to-video/cup.yaml", "seed: 1\nwidth: 256\nheight: 256\nframes: 2\nsteps: 1\n")
        world.until_state("image-to-video/cup", "done")


def test_an_empty_picture_is_waited_for_by_name(world: World):
    with world:
        world.drop("image-to-video/zero.jpg", b"")
        world.drop("image-to-video/zero.yaml", "seed: 1\n")
        hold = world.until_hold("image-to-video/zero", "incomplete")
    assert "zero.jpg" in hold["title"]


def test_a_truncated_jpeg_is_waited_for_by_name_and_then_rejected(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch={"media_wait_minutes": 0.03})
    with world:
        world.drop("image-to-video/cup.jpg", photo()[:20000])
        world.drop("image-to-video/cup.yaml", "seed: 1\n")
        hold = world.until_hold("image-to-video/cup", "incomplete")
        assert "cup.jpg" in hold["title"]
        world.until_returned("rejected/image-to-video/cup.reason.txt")
    assert "cup.jpg" in world.reason("image-to-video/cup")
    assert (world.config.inbox_dir / "rejected/image-to-video/cup.jpg").read_bytes() == photo()[:20000]


def test_a_picture_that_grows_whole_is_taken_whole(world: World):
    with world:
        target = world.config.inbox_dir / "image-to-video/cup.jpg"
        target.write_bytes(photo()[:20000])
        world.drop("image-to-video/cup.yaml", "seed: 1\nwidth: 256\nheight: 256\nframes: 2\nsteps: 1\n")
        world.until_hold("image-to-video/cup", "incomplete")
        with target.open("ab") as file:
            file.write(photo()[20000:])
        world.until_state("image-to-video/cup", "done")
        world.until_returned("done/image-to-video/cup.jpg")
    assert (world.config.inbox_dir / "done/image-to-video/cup.jpg").read_bytes() == photo()


def test_media_that_a_task_has_no_role_for_is_sent_to_the_folder_that_takes_it(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch={"media_wait_minutes": 0.02})
    with world:
        world.drop("text-to-video/cup.jpg", photo((64, 48)))
        world.drop("image-to-video/clip.mp4", mp4_without_moov())
        world.until_returned("rejected/text-to-video/cup.reason.txt")
        world.until_returned("rejected/image-to-video/clip.reason.txt")
    assert "inbox/image-to-video/" in world.reason("text-to-video/cup")
    assert "clip.mp4" in world.reason("image-to-video/clip")


def test_missing_media_is_named_and_rejected_after_its_time_with_the_same_words(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch={"media_wait_minutes": 0.02})
    with world:
        world.drop("image-to-video/gone.yaml", "image: nowhere.jpg\n")
        hold = world.until_hold("image-to-video/gone", "media_missing")
        world.until_returned("rejected/image-to-video/gone.reason.txt")
    assert "nowhere.jpg" in hold["title"]
    assert hold["title"] in world.reason("image-to-video/gone")


def test_a_picture_that_the_screen_hits_is_rejected_before_it_is_uploaded(world: World, engine_outside: str):
    with Proxy(engine_outside) as proxy:
        screened = World(world.folder, proxy.url)
        with screened:
            screened.drop("image-to-video/bad.png", picture(Image.new("RGB", (64, 64), MARKER), "PNG"))
            status = screened.until_state("image-to-video/bad", "rejected")
        assert not [path for method, path in proxy.requests if "/upload" in path]
    assert status["error"]["code"] == "nudity_found"
    assert "1.00" in status["error"]["title"]


class _Everything:
    """Counts every picture as nudity."""

    def score(self, rgb: object) -> float:
        return 0.97


def test_a_result_that_the_screen_hits_is_never_published(world: World):
    world.classifier = _Everything
    with world:
        world.drop("text-to-video/bad.yaml", GOOD)
        status = world.until_state("text-to-video/bad", "failed")
        world.until_returned("rejected/text-to-video/bad.reason.txt")
    assert status["error"]["code"] == "nudity_quarantined"
    assert world.outbox() == ["text-to-video/bad.status.json"]
    assert [path.parent.name for path in world.config.state_dir.rglob("*.mp4")] == ["quarantine"]


@pytest.mark.parametrize("fault", ["html", "refused", "cut"])
def test_a_server_that_answers_nonsense_is_waited_for_and_the_job_goes_on(tmp_path, engine_outside, fault):
    with Proxy(engine_outside) as proxy:
        {"html": proxy.answer_html, "refused": proxy.refuse, "cut": lambda: proxy.cut_body("/object_info", bytes_=100)}[
            fault
        ]()
        world = World(tmp_path, proxy.url)
        with world:
            world.drop("text-to-video/harbour.yaml", GOOD)
            file = world.config.output_dir / "text-to-video/harbour.status.json"
            if fault != "cut":
                world.until(lambda: file.exists() and bool(world.status("text-to-video/harbour")["hold"]), "a hold")
                hold = world.status("text-to-video/harbour")["hold"]
                assert hold["title"]
                assert hold["fix"]
                assert world.status("text-to-video/harbour")["state"] == "queued"
                proxy.accept() if fault == "refused" else proxy.heal()
            world.until_state("text-to-video/harbour", "done")


def test_an_engine_on_a_taken_port_says_so_in_one_sentence(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        argv = [sys.executable, "-m", "service.engine", "--port", str(port), "--base", str(tmp_path)]
        argv += ["--models", str(ROOT / "models" / "models.yaml")]
        ended = subprocess.run(argv, capture_output=True, text=True, timeout=20, cwd=ROOT, stdin=subprocess.DEVNULL)
    assert ended.returncode == 2
    assert str(port) in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_daemon_on_the_same_inbox_is_refused_by_name(world: World):
    with world:
        second = World(world.folder, None)
        with pytest.raises(Unavailable, match=str(os.getpid())):
            second.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder unwritable for itself (chattr +i)")
def test_an_outbox_without_write_permission_holds_the_job_and_lets_it_go_on(world: World):
    outbox = world.config.output_dir / "text-to-video"
    outbox.mkdir(parents=True)
    with world:
        world.drop("text-to-video/harbour.yaml", "prompt: a harbour\nwidth: 256\nheight: 256\nframes: 8\nsteps: 8\n")
        world.until_state("text-to-video/harbour", "running")
        if subprocess.run(["chattr", "+i", str(outbox)], capture_output=True).returncode:
            pytest.skip("this file system has no immutable folders")
        try:
            app = world.app
            assert app is not None

            def held() -> bool:
                jobs = app.store.newest(1)
                return bool(jobs[0].hold) and jobs[0].hold.code == "not_writable"

            world.until(held, "a hold for the missing right")
        finally:
            subprocess.run(["chattr", "-i", str(outbox)], check=True)
        world.until_state("text-to-video/harbour", "done")


def test_a_link_and_a_folder_nobody_may_read_hold_themselves_and_nothing_else(world: World):
    inbox = world.config.inbox_dir / "text-to-video"
    with world:
        secret = world.folder / "secret.yaml"
        secret.write_text(GOOD)
        (inbox / "a-link.yaml").symlink_to(secret)
        os.mkfifo(inbox / "b-pipe.yaml")
        world.drop("text-to-video/good.yaml", GOOD)
        world.until_state("text-to-video/good", "done")
        for name in ("a-link", "b-pipe"):
            assert "no plain file" in world.until_hold(f"text-to-video/{name}", "not_a_file")["title"]
    assert secret.read_text() == GOOD
    assert (inbox / "a-link.yaml").is_symlink()


def test_without_any_backend_a_job_waits_and_says_what_to_configure(tmp_path):
    world = World(tmp_path, None, engine="off")
    with world:
        world.drop("text-to-video/harbour.yaml", GOOD)
        hold = world.until_hold("text-to-video/harbour", "no_backend")
    assert "backends" in hold["fix"]
    assert world.status("text-to-video/harbour")["state"] == "queued"


@pytest.mark.parametrize("gone", ["inbox", "outbox"])
def test_a_folder_that_was_here_before_and_is_gone_is_offline_and_nothing_is_made_in_its_place(world: World, gone: str):
    with world:
        pass
    folder = world.folder / gone
    folder.rename(world.folder / "elsewhere")
    with pytest.raises(Unavailable, match="offline"):
        world.start()
    assert not folder.exists()
    (world.folder / "elsewhere").rename(folder)
    with world:
        world.drop("text-to-video/harbour.yaml", GOOD)
        world.until_state("text-to-video/harbour", "done")


def test_an_outbox_that_goes_offline_gets_nothing_into_its_bare_mount_point(world: World):
    outbox = world.config.output_dir
    with world:
        world.drop(
            "text-to-video/slow.yaml", "prompt: a harbour\nseed: 1\nwidth: 256\nheight: 256\nframes: 16\nsteps: 30\n"
        )
        world.until_state("text-to-video/slow", "running")
        outbox.rename(world.folder / "elsewhere")
        outbox.mkdir()
        app = world.app
        assert app is not None

        def held() -> bool:
            jobs = app.store.newest(1)
            return bool(jobs[0].hold) and jobs[0].hold.code == "folder_offline"

        world.until(held, "a hold for the folder that is offline")
        assert [path for path in outbox.rglob("*") if path.is_file()] == []
        shutil.rmtree(outbox)
        (world.folder / "elsewhere").rename(outbox)
        world.until_state("text-to-video/slow", "done")

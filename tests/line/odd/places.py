"""Job files that name what isn't theirs, files where nothing is dropped, and files that pretend to be ours."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.line.odd.rows import Row, refused
from tests.line.world import photo

TASK = "image-to-video"
TINY = "seed: 7\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\n"
TEXT = f"prompt: odd\n{TINY}".encode()


def foreign() -> Iterator[Row]:
    """What a job may not name: refused at once, with the place."""
    for name, file, *words in (
        ("absolute", "/etc/passwd", "absolute path"),
        ("home", "~/secret.jpg", "absolute path"),
        ("drive", r"C:\pictures\cat.jpg", "backslash"),
        ("drive-slash", "C:/pictures/cat.jpg", "absolute path"),
        ("share", r"\\nas\pictures\cat.jpg", "backslash"),
        ("up", "../cat.jpg", "'..'"),
        ("up-inside", "cats/../../cat.jpg", "'..'"),
        ("web", "https://127.0.0.1/cat.jpg", "address"),
        ("file-address", "file:///etc/passwd", "address"),
        ("ours", ".reeldrop/marker.json", "hidden"),
        ("hidden", "cats/.cat.jpg", "hidden"),
        ("slash-end", "cats/", "empty"),
        ("long", "x" * 300 + ".jpg", "longer than"),
        ("itself", "itself.yaml", "is no picture"),
        ("no-media", "notes.pdf", "is no picture"),
        ("film-as-picture", "film.mp4", "is a video"),
    ):
        yield refused(TASK, name, f"image: '{file}'\n{TINY}", *words, at=None)
    yield refused(TASK, "nul-byte", f'image: "a\\0.jpg"\n{TINY}', "control character", at=(1, 8))
    yield refused(TASK, "several", f"image: [a.jpg, b.jpg]\n{TINY}", "not a list", at=(1, 8))


def others() -> Iterator[Row]:
    """What lies where no job of this folder looks: it isn't found, whatever lies there."""
    theirs = photo((64, 48))
    for name, file in (
        ("other-task", "text-to-video/secret.jpg"),
        ("done", "done/image-to-video/secret.jpg"),
        ("rejected", "rejected/image-to-video/secret.jpg"),
        ("media-twice", "media/secret.jpg"),
        ("nowhere", "nowhere.jpg"),
        ("protocol", "concat:a.jpg|b.jpg"),
        ("folder", "folder"),
    ):
        row = Row(
            {f"{TASK}/{name}.yaml": f"image: {file}.jpg\n{TINY}".replace(".jpg.jpg", ".jpg").encode()}, f"{TASK}/{name}"
        )
        yield row.coming("hold media_missing", file.rpartition("/")[2])
    for place in (
        "text-to-video/kept/secret.pdf",
        "done/image-to-video/secret.jpg",
        "rejected/image-to-video/secret.jpg",
    ):
        yield Row({place: theirs}, place, "alone")
    yield Row({f"{TASK}/folder.jpg/inside.pdf": b"x"}, "a folder of the name", "alone")


def alone() -> Iterator[Row]:
    """Files that start nothing, wherever they lie."""
    for place in (
        "text-to-video/notes.pdf",
        "text-to-video/.hidden.yaml",
        "text-to-video/.DS_Store",
        "text-to-video/._cat.yaml",
        "text-to-video/Thumbs.db",
        "text-to-video/desktop.ini",
        "text-to-video/~$cat.yaml",
        "text-to-video/cat.yaml~",
        "text-to-video/cat.yaml.part",
        "text-to-video/cat.yaml.crdownload",
        "text-to-video/.cat.yaml.swp",
        "text-to-video/old.reason.txt",
        "text-to-video/cat.sync-conflict-20261122-101010-ABCDEFG.yaml",
        "text-to-video/cat (Ann's conflicted copy 2026-11-22).yaml",
        "text-to-video/@eaDir/cat.yaml",
        "text-to-video/#recycle/cat.yaml",
        "text-to-video/__MACOSX/cat.yaml",
        "text-to-video/done/cat.yaml",
        "text-to-video/Rejected/cat.yaml",
        "text-to-video/gallery/cat.yaml",
        "text-to-video/trip/PAUSE",
        "text-to-video/cat",
        "text-to-video/cat.yaml.gpg",
        "cat.yaml",
        "media/cat.yaml",
        "no-such-task/cat.yaml",
        "Text-to-Video 2/cat.yaml",
        "rejected/text-to-video/cat.yaml",
        "done/text-to-video/cat.yaml",
    ):
        yield Row({place: TEXT}, place, "alone")


def forged() -> Iterator[Row]:
    """Files named like a status of ours: only a job's own fields are taken, checked as if somebody had written them."""
    told = {"schema": 1, "kind": "job", "job": "0198", "state": "done", "workflow": "text_to_video_basic", "seed": 5}
    fine = {"prompt": "told", "width": 64, "height": 64, "frames": 2, "steps": 1}
    for name, status, *words in (
        ("no-json", b"not json at all {", "isn't one"),
        ("no-fields", b"{}", "isn't one"),
        ("list", b"[]", "isn't one"),
        ("digits", b'{"schema": ' + b"9" * 5000 + b"}", "isn't one"),
        ("deep", b"[" * 100_000, "isn't one"),
        ("future", {**told, "schema": 2, "settings": fine}, "isn't one"),
        ("odd-state", {**told, "state": "great", "settings": fine}, "isn't one"),
        ("batch", {**told, "kind": "batch", "settings": fine}, "batch"),
        ("no-settings", {**told, "settings": {}}, "no settings"),
        ("graph-for-prompt", {**told, "settings": {**fine, "prompt": {"1": {"class_type": "Shell"}}}}, "prompt"),
        ("far-too-large", {**told, "settings": {**fine, "width": 999_999}}, "width"),
        ("other-workflow", {**told, "workflow": "../../etc/passwd", "settings": fine}, "workflow"),
        ("their-file", {**told, "settings": fine, "inputs": [{"role": "image", "file": "/etc/passwd"}]}, "absolute"),
        ("huge", b'{"x": "' + b"x" * (1 << 20) + b'"}', "1 MB"),
    ):
        content = status if isinstance(status, bytes) else json.dumps(status).encode()
        yield Row({f"text-to-video/{name}.status.json": content}, f"text-to-video/{name}", "rejected", tuple(words))
    odd = {**told, "settings": {**fine, "sliders": {"age": 1}, "nodes": {}}, "graph": {"1": {"class_type": "Shell"}},
           "outputs": 3, "inputs": 7, "times": "x", "consent": True}  # fmt: skip
    row = Row({"text-to-video/right.status.json": json.dumps(odd).encode()}, "text-to-video/right", "done")
    yield row.telling(prompt="told", seed=5)

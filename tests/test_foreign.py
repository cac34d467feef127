"""Where other people's files lie is nobody's business; what is wrong with them is."""

from __future__ import annotations

import pytest

from service.foreign import without_paths


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("No such file: '/home/anna/My Comfy/models/vae/x.pt'", "No such file: 'x.pt'"),
        ("can't read /srv/comfy/models/a.safetensors: truncated", "can't read a.safetensors: truncated"),
        ("/opt/comfy/run.py failed.", "run.py failed."),
        (r"[Errno 2] 'C:\Users\Anna B\ComfyUI\temp\a.png'", "[Errno 2] 'a.png'"),
        (r"open D:\models\b.ckpt, line 3", "open b.ckpt, line 3"),
        (r"lost \\nas\share\c.mp4", "lost c.mp4"),
        ("see ~/comfy/log.txt.", "see log.txt."),
        ("file:///tmp/x/y.mp4: Invalid data", "y.mp4: Invalid data"),
        ("(/root/x/main.py:12)", "(main.py:12)"),
        ("in /var/lib/comfy/", "in comfy"),
    ],
)
def test_an_absolute_path_becomes_its_last_name(said, shown):
    assert without_paths(said) == shown


@pytest.mark.parametrize(
    "said",
    [
        "expected 4/3 but got 16:9",
        "value 0.5 not in [0, 1]; and/or text",
        "models/vae/x.pt is missing",
        "ask http://127.0.0.1:8188/view?filename=a.png",
        "sampling 9/20",
        "ratio: 1 / 2",
        "",
    ],
)
def test_what_is_no_absolute_path_stays(said):
    assert without_paths(said) == said

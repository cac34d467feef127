"""Names that people, other systems and programs give: all are taken, and called in the outbox as any disk bears it."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from tests.line.odd.rows import Row

TASK = "text-to-video"


def _job(number: int) -> bytes:
    return f"prompt: named {number}\nwidth: 64\nheight: 64\nframes: 2\nsteps: 1\nseed: {number}\n".encode()


def names() -> Iterator[Row]:
    """What is dropped → what its result is called."""
    nfd = unicodedata.normalize("NFD", "noël").encode()
    for number, (dropped, called) in enumerate(
        (
            (b"two words.yaml", "two words"),
            (b'it\'s "quoted".yaml', "it's _quoted_"),
            ("\N{GRINNING FACE} \N{FAMILY}.yaml".encode(), "\N{GRINNING FACE} \N{FAMILY}"),
            (b"new\nline.yaml", "new_line"),
            (b"-rf.yaml", "_rf"),
            (b"--help.yaml", "_-help"),
            (b"$(touch x);&.yaml", "$(touch x);&"),
            (b"%2e%2e.yaml", "%2e%2e"),
            (b"con.yaml", "_con"),
            (b"LPT1.yaml", "_LPT1"),
            (b"aux.old.yaml", "_aux.old"),
            (b"what? a:b*c|d<e>.yaml", "what_ a_b_c_d_e_"),
            (b"back\\slash.yaml", "back_slash"),
            (b"dots...yaml", "dots"),
            (b" spaces .yaml", "spaces"),
            (b"many.dots.in.it.yaml", "many.dots.in.it"),
            (b"LOUD.YAML", "LOUD"),
            (b"short.yml", "short"),
            (b"x" * 250 + b".yaml", "x" * 180),
            ("é".encode() * 125 + b".yaml", "é" * 90),
            (b"latin-\xe9.yaml", "latin-_"),
            ("turn\u202eed.yaml".encode(), "turned"),
            ("no\u200bwidth.yaml".encode(), "nowidth"),
            (nfd + b"-apart.yaml", "noël-apart"),
            ("日本の港.yaml".encode(), "日本の港"),
            (b"done.yaml", "done"),
            (b"media.yaml", "media"),
            (b"harbour_2.yaml", "harbour_2"),
            (b"harbour.status.yaml", "harbour.status"),
        )
    ):
        row = Row({f"{TASK}/".encode() + dropped: _job(number)}, f"{TASK}/{called}", "done")
        yield row.telling(seed=number)


def twins() -> Iterator[tuple[bytes, bytes]]:
    """Two names that one disk takes for the same: both are done, one with a number behind its name."""
    yield "zoé.yaml".encode(), unicodedata.normalize("NFD", "zoé").encode() + b".yaml"
    yield b"Twin.yaml", b"twin.yaml"
    yield b"two.yaml", b"two.json"
    yield b"what_.yaml", b"what?.yaml"

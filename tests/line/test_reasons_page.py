"""Every reason on docs/reasons.md is what the drop above it gets, word for word."""

from __future__ import annotations

import re

from PIL import Image

from tests.line.odd.media import scene
from tests.line.odd.texts import GOOD
from tests.line.world import World, photo, picture
from tests.marker_classifier import MARKER
from tests.pages import refusals

#: What lies beside the job file of an example, or is dropped in its place.
BESIDE = {
    "cup.jpg": photo()[:20_000],
    "tea.jpg": photo()[:30_000] + bytes(4000) + photo()[34_000:],
    "still.jpg": photo((64, 48)),
    "two.jpg": photo((64, 48)),
    "two.png": picture(scene(), "PNG"),
    "page.webp": b"<!doctype html><html><body>404 not found</body></html>",
    "beach.png": picture(Image.new("RGB", (64, 64), MARKER), "PNG"),
    "night.status.json": b'{"prompt": "a harbour at night"}',
}
_PATH = re.compile(r"# inbox/(\S+)(?: and ([\w., ]+?))?(?::.*)?\n")


def test_each_drop_on_the_page_gets_the_reason_below_it(tmp_path, engine_outside):
    world = World(tmp_path, engine_outside, watch={"media_wait_minutes": 0.01})
    found = refusals("reasons.md")
    assert len(found) >= 15
    with world:
        # What the server has is known before anything is judged by it.
        world.drop("text-to-video/good.yaml", GOOD)
        world.until_state("text-to-video/good", "done")
        for file, _ in found:
            path, beside = _said(file)
            folder = path.rpartition("/")[0]
            for name in [*(beside or "").split(", "), path.rpartition("/")[2]]:
                if name in BESIDE:
                    world.drop(f"{folder}/{name}", BESIDE[name])
            if path.endswith(".yaml"):
                world.drop(path, file)
        for file, _ in found:
            world.until_returned(f"rejected/{_reason_of(file)}.reason.txt")
    wrong = [
        f"{_reason_of(file)} says:\n{world.reason(_reason_of(file))}"
        for file, reason in found
        if world.reason(_reason_of(file)).strip() != reason.strip()
    ]
    assert not wrong, "\n".join(wrong)


def _said(file: str) -> tuple[str, str | None]:
    """Return where a file of the page is dropped, and what beside it."""
    match = _PATH.match(file)
    assert match is not None, file
    return match[1].rstrip(":"), match[2]


def _reason_of(file: str) -> str:
    path, _ = _said(file)
    return path.removesuffix(".json").removesuffix(".status") if path.endswith(".json") else path.rpartition(".")[0]

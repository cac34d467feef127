"""The limits that the documentation names are the ones that hold."""

from pathlib import Path

from service.examiner import Deadlines
from service.media import limits

PAGE = Path(__file__).parents[2] / "docs" / "workflows.md"


def test_the_page_names_the_limits_that_hold():
    page = PAGE.read_text(encoding="utf-8")
    wait = Deadlines()
    for said in (
        f"{limits.MAX_PICTURE_PIXELS // 1_000_000} million pixels, {limits.MAX_PICTURE_BYTES >> 20} MB",
        f"{limits.MAX_ANIMATION_FRAMES:,} frames",
        f"{limits.MAX_VIDEO_PIXELS // 1_000_000} million pixels a frame (8192 x 4320)",
        f"{limits.MAX_SECONDS // 3600} hours, one video track",
        f"more than {limits.LARGE_BYTES >> 20} MB is sent as it is",
        f"looking at a file | {wait.probe_s:.0f} seconds; screening or preparing a picture {wait.screen_s:.0f} seconds",
    ):
        assert said in page
    assert (wait.video_s, wait.video_s_for_s, wait.longest_s) == (60, 10, 3600)

"""How long the examiner may take; only tests are in more of a hurry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Deadlines:
    """How long each answer may take, in seconds."""

    start_s: float = 60.0
    probe_s: float = 5.0
    screen_s: float = 30.0
    #: Screening and verifying get one second more for each of this many seconds of video.
    video_s_per_s: float = 5.0
    #: Making a video fit gets this long, and more for each of its seconds, but never longer than the last.
    video_s: float = 60.0
    video_s_for_s: float = 10.0
    longest_s: float = 3600.0
    #: A sheet gets this long for each result that it shows, to read it whole.
    cell_s: float = 10.0
    preview_s: float = 5.0
    #: A preview gives up this soon when another file is being examined; the next one is half a second away.
    preview_turn_s: float = 1.0

"""What can be wrong with a media file, in words for the person who dropped it."""

from __future__ import annotations

import os
from pathlib import Path

from service.errors import Problem, Rejected
from service.foreign import without_paths
from service.media.limits import MAX_ANIMATION_FRAMES, MAX_PICTURE_BYTES, MAX_SECONDS

_AGAIN = "Open it on your machine to see whether it is whole, then export or copy it again and drop it once more."


def name_of(path: Path) -> str:
    """Return a file's name as text that can be shown and stored, whatever bytes it was made of."""
    return os.fsencode(path.name).decode("utf-8", "replace")


def missing(name: str) -> Rejected:
    """The file isn't there, or may not be read."""
    return Rejected(Problem("media_missing", f"{name} can't be read.", "Check that it is still there and readable."))


def empty(name: str) -> Rejected:
    """The file has no bytes."""
    return Rejected(Problem("media_empty", f"{name} is empty.", "Copy it again and drop it once more."))


def unknown(name: str, looks_like: str) -> Rejected:
    """The content is no picture and no video that we read."""
    return Rejected(
        Problem(
            "media_mislabelled",
            f"{name} is no picture or video: its content looks like {looks_like}.",
            "Drop a JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP, TIFF, MP4, MOV, MKV, WebM or AVI file.",
        )
    )


def mislabelled(name: str, content: str, suffix: str) -> Rejected:
    """The name says picture and the content video, or the other way round."""
    return Rejected(
        Problem(
            "media_mislabelled",
            f"{name} ends in {suffix} but its content is {content}.",
            "Give it the ending of its content, or export it in the format that its name says.",
        )
    )


def unreadable(name: str, detail: str = "") -> Rejected:
    """The content begins like media but can't be decoded."""
    return Rejected(
        Problem("media_unreadable", f"{name} is damaged and can't be decoded.", _AGAIN, without_paths(detail)[:200])
    )


def damaged(name: str) -> Rejected:
    """The content goes on to its end, and part of what lies between was overwritten or never filled."""
    title = f"{name} is damaged: part of it is missing or was overwritten, so it would not look as it should."
    return Rejected(Problem("media_unreadable", title, _AGAIN))


def cut_off(name: str, detail: str = "") -> Rejected:
    """The file ends before its content does."""
    title = f"{name} is cut off: it ends before its content does."
    return Rejected(Problem("media_unreadable", title, _AGAIN, without_paths(detail)[:200]))


def no_index(name: str) -> Rejected:
    """An MP4 or MOV without its index (the moov box): nothing can be played without it."""
    return Rejected(
        Problem(
            "media_unreadable",
            f"{name} can't be played: its index (the moov box) is missing, so the recording or copy never finished.",
            "Copy it again from where it plays, or export it again.",
        )
    )


def no_video(name: str, holds: str = "holds no video") -> Rejected:
    """A container without a picture in it, such as a sound recording, or a still picture."""
    return Rejected(Problem("media_unreadable", f"{name} {holds}.", "Drop a file that plays."))


def many_videos(name: str, count: int) -> Rejected:
    """More than one video track: what is screened would not surely be what is used."""
    return Rejected(
        Problem("media_unreadable", f"{name} has {count} video tracks.", "Export it with the one track that you mean.")
    )


def too_large(name: str, width: int, height: int, limit: int) -> Rejected:
    """More pixels than we decode."""
    return Rejected(
        Problem(
            "media_too_large",
            f"{name} is {width} x {height} pixels; at most {limit // 1_000_000} million are read.",
            "Scale it down and drop it again.",
        )
    )


def too_many(name: str, frames: int) -> Rejected:
    """More frames than any animation that is worked on."""
    title = f"{name} has {frames} frames; at most {MAX_ANIMATION_FRAMES} are read of a picture that moves."
    return Rejected(Problem("media_too_large", title, "Cut it, or export it as a video (MP4)."))


def too_big(name: str, size: int) -> Rejected:
    """A picture file of more bytes than pictures have."""
    megabytes = MAX_PICTURE_BYTES // (1024 * 1024)
    title = f"{name} has {size // (1024 * 1024)} MB; at most {megabytes} MB are read of a picture."
    return Rejected(Problem("media_too_large", title, "Export it again, smaller."))


def too_heavy(name: str) -> Rejected:
    """Decoding took more memory than the examiner may have."""
    title = f"{name} needs too much memory to decode."
    return Rejected(Problem("media_too_large", title, "Scale it down or shorten it and drop it again."))


def too_slow(name: str, deadline_s: float) -> Rejected:
    """Decoding took longer than the examiner may take."""
    title = f"{name} could not be examined within {deadline_s:.0f} seconds."
    return Rejected(
        Problem("media_unreadable", title, "Shorten it, or export it in a common format such as H.264 MP4.")
    )


def crashed(name: str) -> Rejected:
    """The decoder fell over this file."""
    title = f"{name} made the decoder fall over, so it was not used."
    return Rejected(Problem("media_unreadable", title, "Export it again with another program and drop the new file."))


def too_long(name: str) -> Rejected:
    """Longer than any clip that is worked on."""
    title = f"{name} says that it is longer than {MAX_SECONDS // 3600} hours."
    return Rejected(Problem("media_too_large", title, "Cut it to the part that you want to use."))

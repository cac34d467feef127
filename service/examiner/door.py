"""The daemon's side of an examiner: what its child can be asked about a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from service.errors import Failed, Rejected, Unavailable
from service.examiner.line import Line, failed, stopping
from service.job import Expected, MediaFacts, MediaKind, Screening
from service.media import trouble


@dataclass(frozen=True)
class Inspection:
    """A result as it was verified and screened; `pictures` is the digest of what was looked at."""

    facts: MediaFacts
    warnings: tuple[str, ...]
    screening: Screening
    pictures: str


class Examiner(Line):
    """Decodes and screens files in a child process, so that no crafted file can fell the daemon.

    All methods may be called from any thread; one file is examined at a time. A child that dies or overruns its
    deadline is killed and started again, and the file is judged for it: `Rejected` for what users drop, `Failed` with
    `results=True`, for what servers return. `Unavailable` says nothing about the file.
    """

    def ready(self) -> None:
        """Return when the child can decode and screen; raises Unavailable with the cure if it can't.

        A child that could once is not asked again, so this costs nothing while files are being examined.
        """
        if self._stopped.is_set():
            raise stopping()
        if self._screens:
            return
        try:
            self._ask("ready", self._deadlines.start_s, "", turn_s=self._deadlines.start_s)
        except (Failed, Rejected) as trouble:
            # Nothing was examined, so nothing is to blame but the screen itself.
            title = "The nudity screen doesn't start."
            raise Unavailable("screening_missing", title, "See the log; make setup installs it again.") from trouble
        self._screens = True

    def probe(self, path: Path) -> MediaFacts:
        """Say what a file is; raises Rejected for one that is broken, cut off, mislabelled or too large."""
        answer, _ = self._ask("probe", self._deadlines.probe_s, trouble.name_of(path), path=str(path))
        return _facts(answer)

    def screen(self, path: Path, facts: MediaFacts) -> Screening:
        """Return the nudity screen's answer; raises Rejected if the file can't be looked at, Unavailable if we can't.

        `frame` of the answer is the number of the frame with the highest score, counted from 0.
        """
        deadline_s = self._long_s(facts.seconds)
        answer, _ = self._ask("screen", deadline_s, trouble.name_of(path), path=str(path))
        return Screening(**answer)

    def prepare(self, path: Path, target: Path) -> tuple[MediaFacts, list[str]]:
        """Write a picture's first frame to `target`, whole or not at all: upright 8-bit RGB PNG without metadata.

        Returns what was written and a line for each thing that was left out.
        """
        name = trouble.name_of(path)
        answer, _ = self._ask("prepare", self._deadlines.screen_s, name, path=str(path), target=str(target))
        return _facts(answer[0]), list(answer[1])

    def prepare_video(
        self, path: Path, target: Path, facts: MediaFacts, large_bytes: int
    ) -> tuple[MediaFacts, list[str], bool]:
        """Write a video or animation to `target` as an MP4 that every loader reads: upright, at a constant rate.

        Returns what it is, a line for each change, and whether it was written: one of more than `large_bytes` that
        needs no change is used where it lies.
        """
        seconds = facts.seconds or 0
        deadline_s = min(self._deadlines.video_s + seconds * self._deadlines.video_s_for_s, self._deadlines.longest_s)
        name = trouble.name_of(path)
        answer, _ = self._ask(
            "prepare_video", deadline_s, name, path=str(path), target=str(target), large_bytes=large_bytes
        )
        return _facts(answer[0]), list(answer[1]), bool(answer[2])

    def tags(self, path: Path) -> dict[str, str]:
        """Return what a video's container says about it, at most a megabyte; raises Rejected for what is no video."""
        answer, _ = self._ask("tags", self._deadlines.probe_s, trouble.name_of(path), path=str(path))
        return dict(answer)

    def marks(self, path: Path) -> dict[str, str]:
        """Return a picture's or video's own words, keys in small letters; raises what `probe` raises."""
        answer, _ = self._ask("marks", self._deadlines.probe_s, trouble.name_of(path), path=str(path))
        return dict(answer)

    def verify(self, path: Path, expected: Expected, pictures: str = "") -> tuple[MediaFacts, list[str]]:
        """Decode a result to its end: what it is, and warnings; raises Failed if it isn't what was asked for.

        One whose pictures have the digest of an inspected one is not decoded again.
        """
        (facts, warnings), _ = self._ask_of_result("verify", path, expected, pictures=pictures)
        return _facts(facts), list(warnings)

    def inspect(self, path: Path, expected: Expected) -> Inspection:
        """Verify and screen a result, decoding it once for both; raises what verify and screen raise."""
        (facts, warnings, screening, pictures), _ = self._ask_of_result("inspect", path, expected)
        return Inspection(_facts(facts), tuple(warnings), Screening(**screening), str(pictures))

    def remux(self, path: Path, target: Path, tags: Mapping[str, str], inspected: Inspection) -> MediaFacts | None:
        """Write an inspected result's very tracks to `target`, an MP4 with these tags alone, and check it.

        Returns what was written, whole or not at all; None where that has to be done otherwise.
        """
        return self._ask_to_write("remux", path, target, tags, inspected)

    def save_picture(
        self, path: Path, target: Path, tags: Mapping[str, str], inspected: Inspection
    ) -> MediaFacts | None:
        """Write an inspected result that is a picture to `target`, a PNG with these tags alone.

        Returns what was written, whole or not at all; None if the file isn't any more what was inspected.
        """
        return self._ask_to_write("save_picture", path, target, tags, inspected)

    def _ask_to_write(
        self, operation: str, path: Path, target: Path, tags: Mapping[str, str], inspected: Inspection
    ) -> MediaFacts | None:
        more: dict[str, Any] = {"target": str(target), "tags": dict(tags), "pictures": inspected.pictures}
        deadline_s = self._long_s(inspected.facts.seconds)
        answer, _ = self._ask(operation, deadline_s, trouble.name_of(path), path=str(path), **more)
        return None if answer is None else _facts(answer)

    def _ask_of_result(self, operation: str, path: Path, expected: Expected, **more: Any) -> tuple[Any, bytes]:
        name = trouble.name_of(path)
        try:
            # What is longer than was asked for is refused before it is decoded.
            known = expected.frames is not None and expected.fps
            deadline_s = self._long_s(_seconds(expected) if known else self.probe(path).seconds)
            return self._ask(operation, deadline_s, name, path=str(path), expected=asdict(expected), **more)
        except Rejected as refusal:
            raise failed(refusal.problems[0]) from refusal

    def sheet(self, cells: Sequence[Mapping[str, Any]], more: int, mark: str, software: str) -> bytes:
        """
        Return a JPEG with the first frame of each cell's file, and of `more` how many there are.

        Each cell has "label", "path" (or None) and "sha256"; a file that isn't there or isn't the same is grey.
        """
        deadline_s = self._deadlines.screen_s + self._deadlines.cell_s * len(cells)
        made: list[Any] = [dict(cell) for cell in cells]
        _, jpeg = self._ask("sheet", deadline_s, "The sheet", cells=made, more=more, mark=mark, software=software)
        return jpeg

    def preview(self, data: bytes) -> tuple[bytes, Screening]:
        """Return a server's preview as a clean JPEG of at most 512 pixels, with its score.

        Raises Rejected, for results too, if it can't be shown: then it is left out and the result decides. Raises
        Unavailable when another file is being examined.
        """
        turn_s = self._deadlines.preview_turn_s
        try:
            answer, jpeg = self._ask("preview", self._deadlines.preview_s, "The preview", data, turn_s=turn_s)
        except Failed as failure:
            raise Rejected(failure.problem) from failure
        return jpeg, Screening(**answer)

    def _long_s(self, seconds: float | None) -> float:
        return self._deadlines.screen_s + (seconds or 0) / self._deadlines.video_s_per_s


def _seconds(expected: Expected) -> float:
    return (expected.frames or 0) / expected.fps if expected.fps else 0.0


def _facts(answer: dict[str, Any]) -> MediaFacts:
    found = MediaFacts(**answer)
    return replace(found, kind=MediaKind(found.kind))

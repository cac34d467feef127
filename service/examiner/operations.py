"""What the child can do with a file; each operation gives back JSON-able facts and bytes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.logging

from service.errors import Problem, Rejected, Unavailable
from service.examiner.classifier import Classifier
from service.job import Expected, MediaFacts, MediaKind, Screening
from service.media import clips, facts, formats, marks, pictures, preparing, remuxing, sheets, trouble, verification

if TYPE_CHECKING:
    from service.media.frames import Rgb

_PREVIEW_LONGEST = 512
_PREVIEW_QUALITY = 85
Result = tuple[Any, bytes]


class Operations:
    """The examiner's work, with the classifier made when first needed and again if that failed."""

    def __init__(self, classifier: Callable[[], Classifier]) -> None:
        av.logging.set_level(None)
        self._make_classifier = classifier
        self._made: Classifier | None = None

    def ready(self, *, payload: bytes) -> Result:
        """Make the classifier; raises Unavailable if it can't be."""
        del payload
        self._classifier()
        return True, b""

    def probe(self, *, path: str, payload: bytes) -> Result:
        """Say what a file is."""
        del payload
        return _plain(facts.probe(Path(path))), b""

    def screen(self, *, path: str, payload: bytes) -> Result:
        """Score the sampled frames and return the highest score."""
        del payload
        classifier = self._classifier()
        return asdict(_highest((number, _score(classifier, rgb)) for number, rgb in facts.sampled(Path(path)))), b""

    def prepare(self, *, path: str, target: str, payload: bytes) -> Result:
        """Write a picture's first frame as an upright RGB PNG; answers its facts and what was left out."""
        del payload
        format_name = formats.read_format(Path(path))
        if format_name not in formats.PICTURES:
            title = f"{trouble.name_of(Path(path))} is a video where a picture is needed."
            raise Rejected(Problem("media_mislabelled", title, "Drop a picture."))
        lines = pictures.save_upright(Path(path), format_name, Path(target))
        return [_plain(facts.probe(Path(target))), lines], b""

    def prepare_video(self, *, path: str, target: str, large_bytes: int, payload: bytes) -> Result:
        """Write a video or animation as an MP4 that every loader reads; answers its facts, what changed, if written."""
        del payload
        found, lines, made = preparing.prepare(Path(path), Path(target), large_bytes)
        return [_plain(found), lines, made], b""

    def tags(self, *, path: str, payload: bytes) -> Result:
        """Return what a video's container says about it."""
        del payload
        return clips.tags(Path(path)), b""

    def marks(self, *, path: str, payload: bytes) -> Result:
        """Return what a picture or video says of itself."""
        del payload
        return marks.read(Path(path)), b""

    def verify(self, *, path: str, expected: dict[str, Any], pictures: str, payload: bytes) -> Result:
        """Check a result against what was asked; one with pictures of this digest is known to be decodable."""
        del payload
        found, warnings = verification.verify(Path(path), Expected(**expected), pictures)
        return [_plain(found), warnings], b""

    def inspect(self, *, path: str, expected: dict[str, Any], payload: bytes) -> Result:
        """Check a result against what was asked and score its sampled frames, decoding it once for both."""
        del payload
        classifier = self._classifier()
        found = verification.inspect(Path(path), Expected(**expected), lambda rgb: _score(classifier, rgb))
        return [_plain(found.facts), found.warnings, asdict(_highest(found.scores)), found.pictures], b""

    def remux(self, *, path: str, target: str, tags: dict[str, str], pictures: str, payload: bytes) -> Result:
        """Write a result's very tracks into an MP4 with these tags alone; answers its facts, null where it can't."""
        del payload
        made = remuxing.remux(Path(path), Path(target), tags, pictures)
        return made and _plain(made), b""

    def save_picture(self, *, path: str, target: str, tags: dict[str, str], pictures: str, payload: bytes) -> Result:
        """Write a result that is a picture as a PNG with these tags alone; answers its facts, or null."""
        del payload
        made = remuxing.save_picture(Path(path), Path(target), tags, pictures)
        return made and _plain(made), b""

    def sheet(self, *, cells: list[dict[str, Any]], more: int, mark: str, software: str, payload: bytes) -> Result:
        """Draw the first frames of several results as one JPEG."""
        del payload
        return True, sheets.draw(cells, more, mark, software)

    def preview(self, *, payload: bytes) -> Result:
        """Encode a server's preview anew and score it."""
        format_name = formats.format_of(payload[:64])
        if format_name not in {"jpeg", "png"}:
            title = "The server's preview is neither JPEG nor PNG."
            raise Rejected(Problem("preview_unreadable", title, "Previews of this server can't be shown."))
        classifier = self._classifier()
        jpeg, rgb = pictures.to_jpeg(payload, format_name, longest=_PREVIEW_LONGEST, quality=_PREVIEW_QUALITY)
        return asdict(_highest([(0, _score(classifier, rgb))])), jpeg

    def _classifier(self) -> Classifier:
        if self._made is None:
            try:
                self._made = self._make_classifier()
            except (Unavailable, MemoryError):
                raise
            except Exception as error:
                # A package that lacks or breaks says nothing about the file that was to be screened.
                title = f"The nudity screen can't be loaded ({type(error).__name__})."
                raise Unavailable("screening_missing", title, "Run make setup again; the job goes on then.") from error
        return self._made


def _score(classifier: Classifier, rgb: Rgb) -> float:
    """Return a score in [0, 1]; raises ValueError for anything else, so that no odd answer passes as harmless."""
    score = float(classifier.score(rgb))
    if not (math.isfinite(score) and 0 <= score <= 1):
        raise ValueError(f"the classifier answered {score}")
    return score


def _highest(scores: Iterable[tuple[int, float]]) -> Screening:
    """Return the highest score with its frame's number; raises ValueError if nothing was looked at."""
    seen = sorted(((score, -number) for number, score in scores), reverse=True)
    if not seen:
        raise ValueError("no frame was looked at")
    score, number = seen[0]
    return Screening(score=score, frame=-number, samples=len(seen))


def _plain(found: MediaFacts) -> dict[str, Any]:
    return {**asdict(found), "kind": MediaKind(found.kind).value}

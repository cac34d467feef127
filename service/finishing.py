"""Finishing: what was verified and screened becomes the file that is published, encoded as asked and marked."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from service.examiner import Examiner, Inspection
from service.job import Job, MediaFacts, Render
from service.marking import as_delivered, is_picture, tags_of
from service.media import tagging
from service.media.delivery import deliver
from service.media.encodings import USUAL, encoding_of

_DEADLINE_S = 600.0


@dataclass(frozen=True)
class Finished:
    """The file, what it is, and a line for people where another encoder than the asked one made it."""

    path: Path
    facts: MediaFacts
    line: str = ""


def finish(
    job: Job, render: Render, raw: Path, inspected: Inspection, examiner: Examiner, stop: threading.Event
) -> Finished | None:
    """Write what is published beside `raw` and check it; None where `raw` isn't any more what was inspected.

    An MP4 in H.264 is copied bit for bit; anything else is encoded from what was screened, then decoded again to its
    end. Raises Failed where that can't be done, Unavailable where it must wait.
    """
    tags = tags_of(job, render, inspected.facts)
    if is_picture(inspected.facts):
        marked = raw.with_name("result.png")
        saved = examiner.save_picture(raw, marked, tags, inspected)
        return Finished(marked, saved) if saved is not None else None
    encoding = encoding_of(job.settings.get("output") or {}, inspected.facts.fps, render.interpolation)
    marked = raw.with_name(f"result.{encoding.format}")
    if encoding == USUAL:
        copied = examiner.remux(raw, marked, tags, inspected)
        if copied is not None:
            return Finished(marked, copied)
    used = deliver(raw, marked, tags, encoding, deadline_s=_DEADLINE_S, stop=stop)
    if encoding.format in tagging.FORMATS:
        tagging.write(marked, tags)
    facts, _ = examiner.verify(marked, as_delivered(render.expected, inspected.facts, encoding), inspected.pictures)
    asked = encoding.encoders[0] if encoding.encoders else used
    line = f"{asked} doesn't work on this machine: {used} encoded the result"
    return Finished(marked, facts, "" if used in ("copy", asked) else line)

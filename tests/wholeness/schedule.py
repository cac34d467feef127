"""One seeded schedule: a writer and our looks take turns on a simulated disk, until we claim as the intake does."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path, PurePosixPath

from service.config_keys import Watch
from service.inbox.gaps import ends_in_zeros
from service.inbox.roots import Place
from service.inbox.structure import structural_end
from service.settling import FileFacts
from service.stillness import Stillness
from tests.wholeness.disk import File, SimulatedDisk
from tests.wholeness.samples import ENDED, PLAIN, sample
from tests.wholeness.writers import WRITERS, Plan

#: Places by what can be seen there. seen: a local disk, writers visible. unseen: the same, files of another user
#: without CAP_LEASE. share: nobody is visible, times are coarse, listings come late.
PLACES = ("seen", "unseen", "share")
_WATCH = Watch()
_QUIET_S = {"seen": _WATCH.quiet_seconds_local, "unseen": _WATCH.quiet_seconds, "share": _WATCH.quiet_seconds_share}
_TICKS_NS = {"seen": (4_000_000,), "unseen": (4_000_000,), "share": (100, 1_000_000_000, 2_000_000_000)}
_LATE_S = 3.0
#: After so long whatever was dropped must have been claimed.
_END_S = 300.0

HasEnd = Callable[[str, bytes], bool]
FAMILIES = {"with an end": ENDED, "without": PLAIN}


def asking_real_files(folder: Path) -> HasEnd:
    """Return a judge of structural ends that writes each new content to a real file there, and asks the real room."""

    @cache
    def has_end(suffix: str, content: bytes) -> bool:
        path = folder / f"file{suffix}"
        path.write_bytes(content)
        return structural_end(path)

    return has_end


def combinations() -> list[tuple[str, str, str]]:
    """Return every writer, place and family of kinds that go together."""
    every = product(WRITERS, PLACES, FAMILIES)
    return [each for each in every if each[0] != "samba" or each[1] == "unseen"]


@dataclass(frozen=True)
class Outcome:
    """
    What became of one schedule.

    `wrong`: a job got bytes that were unfinished, or changed later; `beyond`: at that claim the file had been unchanged
    for the quiet time of its place, no writer was to be seen, and nothing in it said that it was unfinished.
    """

    looks: int
    wrong: str
    beyond: bool
    late_s: float


class Schedule:
    """The inbox of one schedule, looked at by the real Stillness."""

    def __init__(self, writer: str, place: str, suffix: str, seed: int, has_end: HasEnd) -> None:
        self._chance = random.Random(f"{writer}/{place}/{suffix}/{seed}")
        self._place = place
        self._tick_ns = self._chance.choice(_TICKS_NS[place])
        self._has_end = has_end
        self._disk = SimulatedDisk(self._tick_ns)
        path = f"image-to-video/{'trip/' if seed % 2 else ''}cat.{suffix}"
        self._plan = Plan(self._disk, path, sample(suffix), self._chance, _QUIET_S[place])
        self._steps = WRITERS[writer](self._plan)
        self._stillness = Stillness(
            Path(),
            _WATCH,
            place="share" if place == "share" else "local",
            has_writer=self._has_writer,
            has_gaps=self._has_gaps,
        )
        self._listings = [(0.0, self._disk.listing())]
        self._known: dict[str, FileFacts] = {}
        self._claimed: list[tuple[File, bytes, bool]] = []
        self._looks = 0

    def run(self) -> Outcome:
        """Let the writer and the looks take turns; the looks go on until nothing is left."""
        next_step_s: float | None = 0.0
        next_look_s, ended_s = self._chance.uniform(0, 2), 0.0
        while next_step_s is not None or (self._disk.files and self._disk.now_s < ended_s + _END_S):
            if next_step_s is not None and next_step_s <= next_look_s:
                self._disk.now_s = ended_s = next_step_s
                wait_s = next(self._steps, None)
                next_step_s = None if wait_s is None else next_step_s + wait_s
                self._listings.append((self._disk.now_s, self._disk.listing()))
                if self._place != "share" and self._chance.random() < 0.9:
                    next_look_s = min(next_look_s, self._disk.now_s + self._chance.uniform(0, 0.005))
            else:
                self._disk.now_s = next_look_s
                self._look()
                due_s = self._stillness.next_due_s(next_look_s)
                rescan_s = 2.0 if self._place == "share" else 10.0
                next_look_s += max(0.001, rescan_s if due_s is None else min(due_s, rescan_s))
        return self._outcome(self._disk.now_s - ended_s)

    def _look(self) -> None:
        self._looks += 1
        now = self._disk.now_s
        listing = self._listing(now - self._chance.uniform(0, _LATE_S) if self._place == "share" else now)
        changed = {path: facts for path, facts in listing.items() if self._known.get(path) != facts}
        self._stillness.note(now, changed, self._known.keys() - listing.keys())
        self._known = listing
        self._stillness.judge(now)
        for path in [path for path in listing if self._stillness.is_whole(path)]:
            self._claim(path)

    def _listing(self, as_of_s: float) -> dict[str, FileFacts]:
        while len(self._listings) > 1 and self._listings[1][0] <= as_of_s:
            del self._listings[0]
        return self._listings[0][1]

    def _claim(self, path: str) -> None:
        """As the intake: media needs its end, and the file must be what was listed."""
        file = self._disk.files.get(path)
        if file is None or file.facts() != self._known[path]:
            return
        if self._is_media(path) and not self._has_end(PurePosixPath(path).suffix, bytes(file.data)):
            return
        del self._disk.files[path]
        self._known = {}
        self._listings = [(self._disk.now_s, self._disk.listing())]
        self._claimed.append((file, bytes(file.data), self._is_beyond(file)))

    def _is_beyond(self, file: File) -> bool:
        """Tell whether nothing that is promised would have kept an unfinished file from being taken now."""
        if self._place == "seen" and file.writers:
            return False
        quiet_s = _QUIET_S[self._place]
        still_s = self._disk.now_s - file.changed_s
        if not file.data:
            quiet_s = max(quiet_s, _WATCH.quiet_seconds_share)
        elif self._place != "seen" and self._gaps(file):
            quiet_s *= 6
        # A change within the tick of the one before can't be told from it.
        return still_s > quiet_s - self._tick_ns / 1e9

    def _outcome(self, late_s: float) -> Outcome:
        wrong, beyond = "", False
        for file, claimed, was_beyond in reversed(self._claimed):
            # Of several the first counts: what a writer makes of a file that was taken away follows from that.
            if claimed not in self._plan.finished:
                wrong, beyond = f"took {len(claimed)} unfinished bytes", was_beyond
            elif bytes(file.data) != claimed:
                wrong, beyond = "the bytes changed after the claim", was_beyond
        if not wrong and (self._disk.files or self._plan.content not in {claimed for _, claimed, _ in self._claimed}):
            wrong = "never claimed"
        return Outcome(self._looks, wrong, beyond, late_s)

    def _has_writer(self, path: Path, _place: Place) -> bool | None:
        file = self._disk.files.get(path.as_posix())
        return None if file is None or self._place != "seen" else file.writers > 0

    def _has_gaps(self, path: Path) -> bool:
        file = self._disk.files.get(path.as_posix())
        return file is not None and self._gaps(file)

    def _gaps(self, file: File) -> bool:
        # Shares don't tell of holes.
        return (self._place != "share" and file.has_holes()) or ends_in_zeros(bytes(file.data[-64:]))

    @staticmethod
    def _is_media(path: str) -> bool:
        return PurePosixPath(path).suffix != ".yaml"


@dataclass
class Tally:
    """What became of all schedules of one writer in one place, with kinds of one family."""

    runs: int = 0
    right: int = 0
    beyond: int = 0
    wrong: list[str] = field(default_factory=list)
    looks: int = 0
    latest_s: float = 0.0


def tally(writer: str, place: str, family: str, seeds: Iterable[int], has_end: HasEnd) -> Tally:
    """Run schedules, the kinds in turn; `wrong` names the seeds of those that break a promise."""
    found, kinds = Tally(), FAMILIES[family]
    for seed in seeds:
        suffix = kinds[seed % len(kinds)]
        outcome = Schedule(writer, place, suffix, seed, has_end).run()
        found.runs += 1
        found.looks += outcome.looks
        if outcome.wrong and not outcome.beyond:
            found.wrong.append(f"{writer}, {place}, {suffix}, seed {seed}: {outcome.wrong}")
        elif outcome.wrong:
            found.beyond += 1
        else:
            found.right += 1
            found.latest_s = max(found.latest_s, outcome.late_s)
    return found

"""Programs that put files into an inbox, each in its own way. A writer yields the seconds until it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

Steps = Iterator[float]
#: Somewhere in 2001, as a camera's files may be.
_OLD_NS = 1_000_000_000_000_000_000


@dataclass
class Plan:
    """One file to be put in place: where, what, on which disk, by whose chances."""

    #: A SimulatedDisk or a RealDisk.
    disk: Any
    path: str
    content: bytes
    chance: random.Random
    settle_s: float
    #: Every state of the file that its author would call finished.
    finished: set[bytes] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.finished.add(self.content)

    def pause_s(self) -> float:
        """Return a pause as programs and networks make them: mostly short, sometimes near the settle time."""
        kind = self.chance.random()
        if kind < 0.7:
            return self.chance.uniform(0, 0.05)
        return self.chance.uniform(0, 0.9) * (self.settle_s if kind < 0.97 else 1.5 * self.settle_s)

    def parts(self) -> list[tuple[int, bytes]]:
        """Return the content cut at random places: (offset, bytes)."""
        cuts = sorted({0, *(self.chance.randrange(len(self.content)) for _ in range(self.chance.randint(1, 10)))})
        ends = [*cuts[1:], len(self.content)]
        return [(start, self.content[start:end]) for start, end in zip(cuts, ends, strict=True)]


def slow_append(plan: Plan) -> Steps:
    """Written from front to back; some programs open the file anew for each part."""
    disk, keeps_open = plan.disk, plan.chance.random() < 0.7
    file = disk.open(plan.path)
    for offset, part in plan.parts():
        yield plan.pause_s()
        disk.write(file, offset, part)
        if not keeps_open and offset + len(part) < len(plan.content):
            disk.close(file)
            yield plan.pause_s()
            file = disk.open(plan.path)
    yield plan.pause_s()
    disk.close(file)


def long_stall(plan: Plan) -> Steps:
    """Front to back, with one pause of three settle times somewhere; the file stays open, or not."""
    disk, parts = plan.disk, plan.parts()
    stall = plan.chance.randrange(max(1, len(parts) - 1))
    closes = len(parts) > 1 and plan.chance.random() < 0.2
    file = disk.open(plan.path)
    for number, (offset, part) in enumerate(parts):
        disk.write(file, offset, part)
        if number == stall:
            if closes:
                disk.close(file)
            yield 3 * plan.settle_s
            if closes:
                file = disk.open(plan.path)
        yield plan.pause_s()
    disk.close(file)


def preallocate(plan: Plan) -> Steps:
    """Full size at once, then filled in any order, as download managers do."""
    disk = plan.disk
    file = disk.open(plan.path)
    disk.resize(file, len(plan.content))
    parts = plan.parts()
    plan.chance.shuffle(parts)
    for offset, part in parts:
        yield plan.pause_s()
        disk.write(file, offset, part)
    yield plan.pause_s()
    disk.close(file)


def old_time_copy(plan: Plan) -> Steps:
    """As Explorer copies: the full size at once, front to back, and the original's time at the end, or all along."""
    disk = plan.disk
    file = disk.open(plan.path)
    disk.resize(file, len(plan.content))
    disk.date(file, _OLD_NS)
    for offset, part in plan.parts():
        yield plan.pause_s()
        disk.write(file, offset, part)
        if plan.chance.random() < 0.5:
            disk.date(file, _OLD_NS)
    disk.date(file, _OLD_NS)
    yield plan.pause_s()
    disk.close(file)


def rsync(plan: Plan) -> Steps:
    """To .NAME.XXXXXX, then renamed."""
    folder, _, name = plan.path.rpartition("/")
    yield from _elsewhere_then_renamed(plan, f"{folder}/.{name}.aB3xYz")


def ftp(plan: Plan) -> Steps:
    """To NAME.filepart, then renamed."""
    yield from _elsewhere_then_renamed(plan, f"{plan.path}.filepart")


def browser(plan: Plan) -> Steps:
    """An empty placeholder of the final name first, the content to NAME.part, then renamed over the placeholder."""
    plan.disk.create(plan.path)
    yield plan.pause_s()
    yield from _elsewhere_then_renamed(plan, f"{plan.path}.part")


def rsync_inplace(plan: Plan) -> Steps:
    """Under the final name, front to back; may break off and be resumed; the original's time at the end."""
    disk = plan.disk
    file = disk.open(plan.path)
    breaks = plan.chance.random() < 0.2
    for offset, part in plan.parts():
        disk.write(file, offset, part)
        yield plan.pause_s()
        if breaks and offset + len(part) < len(plan.content) and plan.chance.random() < 0.3:
            breaks = False
            disk.close(file)
            yield plan.pause_s()
            file = disk.open(plan.path)
    disk.close(file)
    yield plan.chance.uniform(0, 0.01)
    disk.date(file, _OLD_NS)


def hard_link(plan: Plan) -> Steps:
    """Written elsewhere on the same disk and linked in: when it is finished, or while it is still being written."""
    disk = plan.disk
    file = disk.create("elsewhere", outside=True)
    parts = plan.parts()
    linked_before = plan.chance.randrange(len(parts)) if plan.chance.random() < 0.5 else len(parts)
    for number, (offset, part) in enumerate(parts):
        if number == linked_before:
            disk.link("elsewhere", plan.path)
        yield plan.pause_s()
        disk.write(file, offset, part)
    disk.close(file)
    yield plan.pause_s()
    if linked_before == len(parts):
        disk.link("elsewhere", plan.path)


def rewrite(plan: Plan) -> Steps:
    """Saved, and saved again before it has settled: emptied and written anew, as editors do."""
    disk = plan.disk
    first = plan.content[:-1] + bytes([plan.content[-1] ^ 1]) if plan.path.endswith((".yaml", ".bmp")) else plan.content
    plan.finished.add(first)
    file = disk.open(plan.path)
    disk.write(file, 0, first)
    disk.close(file)
    yield plan.chance.uniform(0, 0.9) * plan.settle_s
    file = disk.open(plan.path)
    disk.resize(file, 0)
    for offset, part in plan.parts():
        yield plan.pause_s()
        disk.write(file, offset, part)
    disk.close(file)


def samba(plan: Plan) -> Steps:
    """A server on this machine writes as who is logged on: full size or growing, with stalls of the network."""
    disk = plan.disk
    file = disk.open(plan.path)
    if plan.chance.random() < 0.7:
        disk.resize(file, len(plan.content))
    for offset, part in plan.parts():
        yield 2 * plan.settle_s if plan.chance.random() < 0.05 else plan.pause_s()
        disk.write(file, offset, part)
    disk.date(file, _OLD_NS)
    yield plan.pause_s()
    disk.close(file)


def _elsewhere_then_renamed(plan: Plan, temporary: str) -> Steps:
    disk = plan.disk
    file = disk.open(temporary)
    for offset, part in plan.parts():
        disk.write(file, offset, part)
        yield plan.pause_s()
    disk.close(file)
    if plan.chance.random() < 0.5:
        disk.date(file, _OLD_NS)
    yield plan.pause_s()
    disk.rename(temporary, plan.path)


WRITERS: dict[str, Callable[[Plan], Steps]] = {
    "slow append": slow_append,
    "long stall": long_stall,
    "preallocate, any order": preallocate,
    "old-time copy": old_time_copy,
    "rsync": rsync,
    "rsync --inplace": rsync_inplace,
    "browser": browser,
    "hard link": hard_link,
    "ftp .filepart": ftp,
    "rewrite": rewrite,
    "samba": samba,
}

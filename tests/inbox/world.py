"""A real inbox on a real disk that can lose its power before any effect."""

import os
from itertools import count
from pathlib import Path

from service.disk import Disk
from service.inbox.claim import Claims, Member
from service.inbox.look import facts_of

JOB = "text-to-video/trip/harbour.yaml"
PICTURE = "text-to-video/trip/harbour.jpg"
#: Two spellings of one name, one of them no UTF-8.
STRANGE = os.fsdecode(b"text-to-video/trip/caf\xe9.yaml")

#: The ways in which a file system can rename without replacing.
ABILITIES = {
    "exclusive rename": {},
    "hard links": {"exclusive_rename": False},
    "placeholders": {"exclusive_rename": False, "hard_links": False},
}


class Stopped(BaseException):
    """The power is gone; nothing may catch this."""


class Fuel:
    """Counts effects and stops before the one after the last that it allows; tells `onlooker` of each."""

    def __init__(self, allowed=None, onlooker=lambda effect, path: None):
        self.left = allowed
        self.onlooker = onlooker
        self.effects = []

    def __call__(self, effect, path):
        if self.left == 0:
            raise Stopped(effect)
        if self.left is not None:
            self.left -= 1
        self.effects.append((effect, path.name))
        self.onlooker(effect, path)


class World:
    def __init__(self, root: Path, abilities=None):
        self.root = root
        self.inbox = root / "inbox"
        self.epoch = 0
        self.abilities = abilities or {}
        self.inbox.mkdir(parents=True)
        self.dropped = {}

    def drop(self, path, content=None):
        """Drop a file whose content is its own in this inbox."""
        content = content or b"content of " + os.fsencode(path) + b" number %d" % len(self.dropped)
        place = self.inbox / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        self.dropped[content] = path
        return place

    def disk(self, fuel=None):
        return Disk(fuel or Fuel(), **self.abilities)

    def claims(self, fuel=None):
        """The claims of a daemon that has just taken the inbox."""
        self.epoch += 1
        return Claims(self.inbox, "here", "boot-1", self.epoch, self.disk(fuel))

    def members(self, *paths):
        return [Member(path, facts_of(self.inbox / path)) for path in paths]

    def files(self):
        """Every file below the inbox by its path, records of claims apart."""
        found = {}
        for folder, _, names in os.walk(self.inbox):
            for name in names:
                if name != "claim.json":
                    path = Path(folder, name)
                    found[path.relative_to(self.inbox).as_posix()] = path.read_bytes()
        return found

    def places(self):
        """Where each dropped content lies: {dropped path: [places]}."""
        found = self.files()
        return {
            (path, content): sorted(place for place, data in found.items() if data == content)
            for content, path in self.dropped.items()
        }

    def claim_folders(self):
        root = self.inbox / ".reeldrop" / "claims"
        return sorted(root.iterdir()) if root.is_dir() else []

    def check_one_place_each(self):
        for (path, _), places in self.places().items():
            assert len(places) == 1, (path, places)
            assert ".reeldrop" in places[0] or places[0].rpartition("/")[2] == path.rpartition("/")[2]

    def check_tidy(self):
        """Nothing of ours is left behind: no claim, no draft, no empty placeholder where others can be had."""
        assert self.claim_folders() == []
        left = [path for path in self.files() if path.endswith(".part")]
        assert left == []


def stops(make_world, act):
    """Run `act` in new worlds, stopping before effect 1, 2, 3 … until one run ends by itself; yield each after it."""
    for allowed in count():
        world = make_world(allowed)
        fuel = Fuel(allowed)
        try:
            act(world, fuel)
        except Stopped:
            yield allowed, world
        else:
            yield allowed, world
            return

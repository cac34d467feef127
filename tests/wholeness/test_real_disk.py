"""The same writers as real processes on a real disk, with the real look, leases and gaps; only the clock is ours."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from service.config_keys import Watch
from service.inbox.look import Listing, facts_of, has_writer
from service.inbox.roots import kind_of
from service.inbox.structure import structural_end
from service.stillness import Stillness
from tests.wholeness.samples import PLAIN, sample
from tests.wholeness.writers import WRITERS

WATCH = Watch()
TASKS = ("image-to-video",)
#: Kinds without an end, where a copy that breaks off and goes on later is beyond what is promised.
BREAKING_OFF = {"long stall", "rsync --inplace", "slow append"}
ROOT = Path(__file__).resolve().parents[2]


class Inbox:
    """A real inbox and one writer in a process of its own; looks come at the times that a daemon would choose."""

    def __init__(self, folder, writers_are_seen):
        self.inbox = folder / "inbox"
        self.inbox.mkdir()
        (self.inbox / "image-to-video").mkdir()
        self.claims = folder / "claims"
        self.claims.mkdir()
        # A writer may be another user.
        for place in (folder, self.inbox, self.inbox / "image-to-video"):
            place.chmod(0o777)
        self.quiet_s = WATCH.quiet_seconds_local if writers_are_seen else WATCH.quiet_seconds
        self.asked = has_writer if writers_are_seen else (lambda *_: None)
        self.child = subprocess.Popen(
            [sys.executable, "-m", "tests.wholeness.real_disk", str(self.inbox)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def close(self):
        self.child.stdin.close()
        self.child.wait(20)
        self.child.stdout.close()

    def run(self, writer, suffix, seed):
        """Return what was claimed: at that moment, and when everything is over."""
        stillness = Stillness(self.inbox, WATCH, has_writer=self.asked)
        self.listing, self.whole = Listing(self.inbox, TASKS), set()
        path = f"image-to-video/cat-{seed}.{suffix}"
        self.tell(f"{writer}\t{path}\t{suffix}\t{seed}\t{self.quiet_s}")
        claimed, now_s = [], 0.0
        while (line := self.child.stdout.readline().strip()) != "done":
            assert line, "the writer has fallen"
            now_s = self.look_for(float(line), stillness, now_s, claimed)
            self.tell("")
        self.look_for(100, stillness, now_s, claimed)
        return [(then, place.read_bytes()) for then, place in claimed]

    def tell(self, line):
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()

    def look_for(self, seconds, stillness, now_s, claimed):
        end_s, next_s = now_s + seconds, now_s
        while next_s <= end_s:
            now_s = next_s
            changes = self.listing.look()
            stillness.note(now_s, changes.changed, changes.gone)
            self.whole = {path for path in self.whole if stillness.is_whole(path)} | stillness.judge(now_s)
            for path in self.whole:
                if path.endswith(".yaml") or structural_end(self.inbox / path):
                    self.claim(path, self.listing.facts(path), claimed)
            due_s = stillness.next_due_s(now_s)
            next_s = now_s + max(0.001, 10 if due_s is None else min(due_s, 10))
        return end_s

    def claim(self, path, facts, claimed):
        if facts_of(self.inbox / path) == facts:
            place = self.claims / f"{len(list(self.claims.iterdir()))}"
            (self.inbox / path).rename(place)
            claimed.append((place.read_bytes(), place))


@pytest.fixture(params=["writers seen", "writers unseen"])
def inbox(request):
    # The folders above tmp_path are closed to other users.
    with tempfile.TemporaryDirectory() as folder:
        if kind_of(Path(folder)) != "local":
            pytest.skip("the temporary folder is on no local file system")
        inbox = Inbox(Path(folder), request.param == "writers seen")
        yield inbox
        inbox.close()


@pytest.mark.parametrize("writer", WRITERS)
def test_a_real_writers_file_is_claimed_once_it_is_finished_and_not_before(inbox, writer):
    if writer == "samba" and os.geteuid() == 0 and inbox.asked is has_writer and not _sees_others():
        pytest.skip("without CAP_LEASE the writers of other users aren't seen")
    for seed, suffix in enumerate(("jpg", "png", "gif", "mov", "heic", "mkv", "yaml")):
        if suffix in PLAIN and (writer in BREAKING_OFF or inbox.asked is not has_writer):
            continue
        found = inbox.run(writer, suffix, seed)
        assert found, f"{suffix} was never claimed"
        assert all(then == now for then, now in found), f"{suffix} changed after its claim"
        assert found[-1][0] == sample(suffix), f"{suffix} was claimed too soon"


def _sees_others():
    text = Path("/proc/self/status").read_text()
    effective = next(int(line.split()[1], 16) for line in text.splitlines() if line.startswith("CapEff"))
    return bool(effective & 1 << 28)

"""`kill -9` at seeded points of taking, restoring, deleting: what was there or what was asked for, whole.

A run that lives counts what it asks of the system; other runs are killed just before one of those, chosen by
a seed, first and last always among them.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.snapshot_store import SnapshotStore
from tests.journal.making import entries, fill
from tests.snapshots.making import ALWAYS, NOW_US, SECOND_US, environment, loose_chunks, sample, seen

pytestmark = pytest.mark.unmeasured

SCRIPT = Path(__file__).with_name("store_process.py")
POINTS = 10
LAST_US = NOW_US + 2_000 * SECOND_US


class Scene:
    """A store with two snapshots, and a workspace and a journal that have gone on since."""

    def __init__(self, place: Path) -> None:
        place.mkdir()
        self.place, self.work, self.journal = place, sample(place / "work"), place / "journal.db"
        fill(self.journal, 60)
        self.store = SnapshotStore(place / "store")
        self.first = seen(self.work)
        self.take(0)
        (self.work / "second").write_text("only in the second")
        self.take(1)
        (self.work / "src" / "main.py").write_text("print('bye')\n")
        (self.work / "third").write_bytes(random.Random(3).randbytes(5000))
        with SqliteJournal(self.journal) as opened:
            opened.append(entries(40, 60))
        self.now = seen(self.work)

    def take(self, number):
        parts = {"workspace": self.work}
        return self.store.create(parts, journal=self.journal, now_us=NOW_US + number * SECOND_US)

    def run(self, what, nth):
        """Do it in another process; returns how it ended and what it said."""
        return subprocess.run(
            [sys.executable, SCRIPT, what, str(nth), self.place / "store", self.work, self.journal],
            # Measuring coverage would ask the system for things of its own, and not the same each time.
            env={name: value for name, value in environment().items() if not name.startswith("COV")},
            capture_output=True,
            check=False,
        )

    def records(self):
        """Check the journal and return how many records it has."""
        with SqliteReader(self.journal) as reader:
            return reader.verify().seq

    def is_sound(self):
        """Everything that is listed can be had to the last byte, and the next snapshot can be taken."""
        assert self.store.verify().damage == ()
        after = self.store.create({"workspace": self.work}, journal=self.journal, now_us=LAST_US)
        assert self.store.verify(after.snapshot_id).damage == ()
        assert loose_chunks(self.store) == set()
        assert not (self.place / "store" / "unfinished").exists()
        assert list((self.place / "store" / "staging").iterdir()) == []
        assert list((self.place / "store" / "chunks" / "incoming").iterdir()) == []


def points(what, tmp_path):
    """Count what one undisturbed run asks, and choose where the others are killed."""
    done = Scene(tmp_path / "undisturbed").run(what, 0)
    assert done.returncode == 0, done.stderr.decode()
    count = int(done.stdout)
    # Not the very last: how many calls there are hangs a little on the clock, and each run must be killed.
    last = count * 9 // 10
    inner = random.Random(f"{what} 2026").sample(range(2, last), POINTS - 2)
    return [1, *sorted(inner), last]


@pytest.mark.slow
def test_taking_one(tmp_path):
    for nth in points("create", tmp_path):
        scene = Scene(tmp_path / str(nth))
        assert scene.run("create", nth).returncode == -9
        assert len(scene.store.list()) in {2, 3}, f"killed at {nth}"
        assert scene.now == seen(scene.work)
        scene.is_sound()


@pytest.mark.slow
def test_restoring_in_place(tmp_path):
    for nth in points("replace", tmp_path):
        scene = Scene(tmp_path / str(nth))
        assert scene.run("replace", nth).returncode == -9
        assert seen(scene.work) in (scene.first, scene.now), f"killed at {nth}"
        assert scene.records() in {60, 100}, f"killed at {nth}"
        oldest = scene.store.list()[0].snapshot_id
        targets = {"workspace": scene.work, "journal": scene.journal}
        scene.store.replace(oldest, targets, now_us=LAST_US - SECOND_US)
        assert (seen(scene.work), scene.records()) == (scene.first, 60)
        kept = {path.name for path in scene.place.iterdir() if "before" not in path.name}
        assert kept == {"work", "store", "journal.db", "journal.db.lock"}, f"killed at {nth}"
        scene.is_sound()


@pytest.mark.slow
def test_deleting_the_oldest(tmp_path):
    for nth in points("trim", tmp_path):
        scene = Scene(tmp_path / str(nth))
        newest = scene.store.list()[-1].snapshot_id
        assert scene.run("trim", nth).returncode == -9
        assert scene.store.list()[-1].snapshot_id == newest
        scene.store.trim(48, ALWAYS)
        scene.is_sound()


def test_a_rehearsal_of_everything(tmp_path):
    """Take, go on, take again, restore elsewhere, restore in place, verify: the drill, small."""
    scene = Scene(tmp_path / "drill")
    targets = {"workspace": tmp_path / "out", "journal": tmp_path / "out.db"}
    scene.store.restore(scene.store.list()[0].snapshot_id, targets)
    assert seen(tmp_path / "out") == scene.first
    with SqliteReader(tmp_path / "out.db") as reader:
        assert reader.verify().seq == 60
    done = scene.store.replace(scene.store.list()[0].snapshot_id, {"workspace": scene.work}, now_us=LAST_US)
    assert seen(scene.work) == scene.first
    scene.store.replace(done.safety_id, {"workspace": scene.work}, now_us=LAST_US + SECOND_US)
    assert seen(scene.work) == scene.now
    assert scene.store.verify().damage == ()

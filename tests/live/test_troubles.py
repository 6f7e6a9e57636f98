"""Failing safe: a full disk, a clock that jumps. Effects wait, a person is told, and it goes on by itself."""

import asyncio
import subprocess
import sys

import apsw
import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core import decide as page
from engine.core.vocabulary.facts import SnapshotSaved, TroubleFound, TroubleGone, decode
from engine.core.vocabulary.units import DAY_US, SECOND_US
from engine.errors import InputError, StorageError
from engine.runtime import wire
from engine.runtime.timers import Timers
from tests.live.engines import engine

pytestmark = pytest.mark.asyncio


def facts(home, kind):
    with SqliteReader(home / "journal.db") as reader:
        return [fact for record in reader.read() if isinstance(fact := decode(record.body), kind)]


class FullDisk:
    """Journals whose disk can be filled: appends fail as SQLite fails."""

    def __init__(self, path, monkeypatch):
        self.path, self.full = path, False
        real = SqliteJournal._write

        def write(journal, group):
            if self.full:
                raise apsw.FullError("database or disk is full")
            real(journal, group)

        monkeypatch.setattr(SqliteJournal, "_write", write)


async def test_a_full_disk_refuses_proposals_and_stops_effects_until_there_is_room(tmp_path, monkeypatch):
    disk = FullDisk(tmp_path, monkeypatch)
    async with engine(tmp_path) as it:
        await it.propose(1)
        disk.full = True
        with pytest.raises(StorageError, match="the disk is full"):
            await it.propose(2)
        with pytest.raises(StorageError):
            await it.propose(3)
        assert await it.lease() == ()
        await it.looking.look()
        assert "the disk is full" in (await it.ask(wire.GetStatus())).troubles["journal"]
        disk.full = False
        await it.looking.look()
        assert (await it.propose(2)).status == "queued"
        assert len(await it.lease(most=5)) == 2
        assert [type(fact) for fact in facts(tmp_path, TroubleFound | TroubleGone)] == [
            TroubleFound,
            TroubleGone,
        ]
        with SqliteReader(tmp_path / "journal.db") as reader:
            reader.verify()
    assert len(it.told.of("trouble")) == 2


async def test_what_was_refused_for_a_full_disk_left_no_trace_in_state(tmp_path, monkeypatch):
    disk = FullDisk(tmp_path, monkeypatch)
    async with engine(tmp_path) as it:
        disk.full = True
        with pytest.raises(StorageError):
            await it.propose(1, confidence=0.1)
        disk.full = False
        await it.looking.look()
        assert it.live.intake.state.holds.by_id == {}


async def test_little_room_on_the_disk_is_found_before_it_is_full(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        it.free_bytes = 10 << 20
        await it.looking.look()
        assert await it.lease() == ()
        assert (await it.propose(2)).verdict.word == "allow", "deciding goes on"
        it.free_bytes = 80 << 20
        await it.looking.look()
        assert await it.lease() == (), "it does not come and go with every file"
        it.free_bytes = 1 << 30
        await it.looking.look()
        assert len(await it.lease(most=5)) == 2


@pytest.mark.parametrize("jump_us", [DAY_US, -DAY_US], ids=["forwards", "backwards"])
async def test_a_clock_that_jumps_holds_effects_until_it_is_right_again(tmp_path, jump_us):
    async with engine(tmp_path) as it:
        await it.propose()
        before = it.clock.now_us()
        it.clock.wall += jump_us
        await it.looking.look()
        assert it.clock.now_us() == before, "limits and holds go on counting real seconds"
        assert await it.lease() == ()
        assert "1 d" in it.told.of("trouble")[0]
        it.clock.wall -= jump_us
        await it.looking.look()
        assert len(await it.lease()) == 1


async def test_a_captain_may_say_that_the_new_time_is_right(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose()
        it.clock.wall += 20 * SECOND_US
        await it.looking.look()
        await it.ask(wire.ClearTrouble(trouble="clock", by="ann", reason="it was set right"))
        await it.looking.look()
        assert len(await it.lease()) == 1
        (gone,) = facts(tmp_path, TroubleGone)
        with pytest.raises(InputError, match="no trouble 'clock' is open"):
            await it.ask(wire.ClearTrouble(trouble="clock", by="ann", reason="again"))
    assert (gone.by, gone.detail) == ("ann", "it was set right")


async def test_small_steps_of_a_time_server_are_taken_over(tmp_path):
    async with engine(tmp_path) as it:
        it.clock.wall += 2 * SECOND_US
        await it.looking.look()
        assert it.clock.drift_us() == 0
        assert facts(tmp_path, TroubleFound) == []


async def test_a_gate_that_raises_holds_for_a_person(tmp_path, monkeypatch):
    async with engine(tmp_path) as it:

        def broken(*_given, **_named):
            raise ZeroDivisionError

        monkeypatch.setattr(page.limits, "judge", broken)
        decided = await it.propose()
        assert (decided.status, decided.verdict.word) == ("held", "hold")
        assert "the gate itself failed" in it.told.of("waiting")[0]


_HOLD = """
import sqlite3, sys
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
async def test_another_program_that_holds_the_journals_file_is_a_trouble_like_any_other(tmp_path):
    async with engine(tmp_path) as it:
        await it.propose(1)
        holder = subprocess.Popen(
            [sys.executable, "-c", _HOLD, it.journal_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        with holder:
            holder.stdout.readline()
            with pytest.raises(StorageError, match="another program holds the journal's file"):
                await it.propose(2)
            holder.stdin.close()
            holder.wait()
        await it.looking.look()
        assert (await it.propose(2)).verdict.word == "allow"


async def test_the_minute_is_journaled_once_however_many_clocks_there_are(tmp_path):
    async with engine(tmp_path) as it:

        async def tidy():
            pass

        timers = [Timers(it.live, it.told, snapshot_every_s=0, tidy=tidy) for _ in range(2)]
        before = it.live.intake.journal.head().seq
        await asyncio.gather(*(each.minute() for each in timers))
        assert it.live.intake.journal.head().seq == before + 1


async def test_a_snapshot_is_journaled_and_a_failed_one_is_announced(tmp_path):
    async def tidy():
        pass

    def full():
        raise StorageError("the disk is full")

    async with engine(tmp_path) as it:
        await Timers(it.live, it.told, snapshot_every_s=0, tidy=tidy).snapshot()
        (saved,) = facts(tmp_path, SnapshotSaved)
        assert (saved.snapshot_id, saved.files) == ("s-1", 2)
    (tmp_path / "two").mkdir()
    async with engine(tmp_path / "two", save_snapshot=full) as it:
        await Timers(it.live, it.told, snapshot_every_s=0, tidy=tidy).snapshot()
        assert it.told.of("failsafe") == ["the snapshot failed: the disk is full"]

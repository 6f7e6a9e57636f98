"""Damage to the file itself, by a failing disk or a clumsy hand: found, or of no consequence."""

import random
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import GENESIS, Head, Record
from engine.errors import ChainBroken, WatchkeeperError
from engine.ports import Entry, Snapshot
from tests.journal.making import fill, plain


def contents(path: Path) -> tuple[Head, list[Record], list[Record | None]]:
    """Verify and read everything a reader can ask for."""
    with SqliteReader(path) as reader:
        head = reader.verify()
        records = list(reader.read())
        return head, records, [reader.find(record.key) for record in records]


def test_flipped_bytes_anywhere_in_the_file_are_found_or_change_nothing(tmp_path: Path) -> None:
    """The whole header and the head of every page byte by byte, and a thousand places by chance."""
    path = tmp_path / "journal.db"
    records = fill(path, 60)
    with SqliteJournal(path) as journal:
        for seq in (20, 40, 60):
            journal.save_snapshot(Snapshot(seq, records[seq - 1].hash, b"state at %d" % seq))
    before = contents(path)
    image = path.read_bytes()
    chance = random.Random(5)
    offsets = [*range(100), *(page + place for page in range(0, len(image), 4096) for place in range(24))]
    offsets += [chance.randrange(len(image)) for _ in range(1_000)]
    victim = tmp_path / "victim.db"
    found = 0
    for offset in offsets:
        victim.write_bytes(
            image[:offset] + bytes([image[offset] ^ chance.randrange(1, 256)]) + image[offset + 1 :]
        )
        try:
            assert contents(victim) == before, offset
        except WatchkeeperError:
            found += 1
        try:
            with SqliteReader(victim) as reader:
                snapshot = reader.latest_snapshot()
                assert snapshot is None or snapshot.state == b"state at %d" % snapshot.seq, offset
        except WatchkeeperError:
            pass
        for leftover in (tmp_path / "victim.db-wal", tmp_path / "victim.db-shm"):
            leftover.unlink(missing_ok=True)
    assert found > 100


def test_a_flipped_byte_never_shows_as_anything_but_a_refusal_when_opened_for_writing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    records = fill(path, 60)
    image = path.read_bytes()
    chance = random.Random(6)
    victim = tmp_path / "victim" / "journal.db"
    for offset in [*range(100), *(chance.randrange(len(image)) for _ in range(40))][::2]:
        victim.parent.mkdir()
        victim.write_bytes(
            image[:offset] + bytes([image[offset] ^ chance.randrange(1, 256)]) + image[offset + 1 :]
        )
        try:
            with SqliteJournal(victim) as journal:
                journal.append([Entry("next", b"{}"), Entry(records[3].key, records[3].body)])
                journal.verify()
        except WatchkeeperError:
            pass
        shutil.rmtree(victim.parent)


def test_a_damaged_index_of_keys_is_found(tmp_path: Path) -> None:
    """Otherwise a known key would pass as new, and what it stands for would be done twice."""
    path = tmp_path / "journal.db"
    records = fill(path, 60)
    image = path.read_bytes()
    key = records[30].key.encode()
    places = [at for at in range(len(image)) if image.startswith(key, at)]
    assert len(places) == 2
    with closing(apsw.Connection(str(path))) as connection:
        root = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name LIKE 'sqlite_autoindex%'"
        ).get
    at = next(place for place in places if place // 4096 == root - 1)
    path.write_bytes(image[:at] + b"z" + image[at + 1 :])
    with SqliteReader(path) as reader:
        assert reader.find(records[30].key) is None
        with pytest.raises(ChainBroken, match="index of keys"):
            reader.verify()


def swap_neighbours(page: bytearray) -> None:
    """Exchange two entries of a b-tree leaf without touching what they say."""
    assert page[0] == 10  # a leaf of an index
    page[8:10], page[10:12] = page[10:12], page[8:10]


def bend_signpost(page: bytearray) -> None:
    """Change the number at a fork of the table's tree: a scan passes it, a look-up goes astray."""
    assert page[0] == 5  # a fork of a table
    cell = int.from_bytes(page[12:14])
    number = next(at for at in range(cell + 4, cell + 13) if page[at] < 128)
    page[number] -= 1


@pytest.mark.parametrize(
    ("count", "root", "bend", "said"),
    [
        (30, "name LIKE 'sqlite_autoindex%'", swap_neighbours, "index of keys is out of order"),
        (500, "name = 'journal'", bend_signpost, "structure is damaged"),
    ],
    ids=["index", "table"],
)
def test_damage_that_a_scan_of_the_records_would_not_meet_is_found(
    tmp_path: Path, count: int, root: str, bend: Callable[[bytearray], None], said: str
) -> None:
    path = tmp_path / "journal.db"
    fill(path, count)
    with plain(path) as connection:
        (number,) = connection.execute(f"SELECT rootpage FROM sqlite_schema WHERE {root}").fetchone()
    image = bytearray(path.read_bytes())
    page = image[(number - 1) * 4096 : number * 4096]
    bend(page)
    image[(number - 1) * 4096 : number * 4096] = page
    path.write_bytes(image)
    with SqliteReader(path) as reader, pytest.raises(ChainBroken, match=said):
        reader.verify()


def test_a_snapshot_of_another_journal_is_not_taken_for_ours(tmp_path: Path) -> None:
    mine, theirs = tmp_path / "mine.db", tmp_path / "theirs.db"
    records = fill(mine, 20)
    with SqliteJournal(theirs) as journal:
        (other,) = journal.append([Entry("other", b"{}")])
        journal.save_snapshot(Snapshot(1, other.hash, b"theirs"))
    with SqliteJournal(mine) as journal:
        journal.save_snapshot(Snapshot(0, GENESIS, b"mine"))
    with plain(mine) as connection:
        connection.execute("ATTACH ? AS theirs", (str(theirs),))
        connection.execute("INSERT INTO main.snapshot SELECT * FROM theirs.snapshot")
    with SqliteReader(mine) as reader:
        assert reader.latest_snapshot() == Snapshot(0, GENESIS, b"mine")
        assert reader.verify() == Head(20, records[-1].hash)


@pytest.mark.parametrize("column", ["state", "digest", "chain_hash"])
def test_a_damaged_snapshot_is_skipped_in_favour_of_an_older_one(tmp_path: Path, column: str) -> None:
    path = tmp_path / "journal.db"
    records = fill(path, 60)
    snapshots = [Snapshot(seq, records[seq - 1].hash, b"state at %d" % seq) for seq in (20, 40, 60)]
    with SqliteJournal(path) as journal:
        for snapshot in snapshots:
            journal.save_snapshot(snapshot)
    for expected in (snapshots[1], snapshots[0], None):
        newest = 60 if expected is None else expected.seq + 20
        with plain(path) as connection:
            connection.execute(
                f"UPDATE snapshot SET {column} = CAST('x' || substr({column}, 2) AS BLOB) WHERE seq = ?",
                (newest,),
            )
            if expected is None:
                connection.execute(f"UPDATE snapshot SET {column} = x''")
        with SqliteReader(path) as reader:
            assert reader.latest_snapshot() == expected
            assert reader.verify().seq == 60


def test_only_the_newest_three_snapshots_stay(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    records = fill(path, 60)
    with SqliteJournal(path) as journal:
        for seq in range(10, 61, 10):
            journal.save_snapshot(Snapshot(seq, records[seq - 1].hash, b""))
    with plain(path) as connection:
        kept = [seq for (seq,) in connection.execute("SELECT seq FROM snapshot ORDER BY seq")]
    assert kept == [40, 50, 60]

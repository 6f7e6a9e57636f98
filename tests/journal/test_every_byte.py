"""Every byte of every stored field, every deletion, every exchange of neighbours: each is found and named.

A flip is checked on a window of the chain rather than on all of it. That is enough, because `verify_rows`
looks at one row at a time and carries over only the number and the hash of the row before: what a change of
record n can upset is the check of record n and, through its hash, of record n + 1. The window holds both.
That the whole of `verify` on a real file says the same is shown on a sample of each kind of change.
"""

import random
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from engine.adapters.journal_chain import Row, verify_rows
from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.chain import Head, link
from engine.errors import ChainBroken
from tests.journal.making import fill, unguarded

COUNT = 1_000
FIELDS = ("seq", "key", "body", "prev", "hash")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 1,000 records, closed."""
    path = tmp_path_factory.mktemp("bytes") / "journal.db"
    fill(path, COUNT)
    return path


@pytest.fixture(scope="module")
def rows(file: Path) -> list[Row]:
    """The records as the file gives them back."""
    with SqliteReader(file) as reader:
        return [(r.seq, r.key, r.body, r.prev, r.hash) for r in reader.read()]


def as_bytes(row: Row, field: int) -> bytes:
    """Give a field as the bytes that are stored; the number as its eight."""
    value = row[field]
    if isinstance(value, int):
        return value.to_bytes(8)
    return value.encode() if isinstance(value, str) else value


def with_field(row: Row, field: int, raw: bytes) -> Row:
    """Put bytes into a field. What is no text any more stands as a lone surrogate."""
    value = {"seq": int.from_bytes(raw, signed=True), "key": raw.decode(errors="surrogateescape")}.get(
        FIELDS[field], raw
    )
    return (*row[:field], value, *row[field + 1 :])  # type: ignore[return-value]  # one field of its own type


def flipped(raw: bytes, position: int, mask: int) -> bytes:
    """Change one byte."""
    return raw[:position] + bytes([raw[position] ^ mask]) + raw[position + 1 :]


def flips(row: Row, masks: Iterable[int] | None = None) -> Iterator[tuple[int, int, Row]]:
    """Every single-byte change of a row: with one mask for each place, or with all those given."""
    for field in range(len(FIELDS)):
        raw = as_bytes(row, field)
        for position in range(len(raw)):
            for mask in masks or (1 + (row[0] * 131 + position * 17 + field) % 255,):
                yield field, position, with_field(row, field, flipped(raw, position, mask))


def complaint(rows: Iterable[Row], after: Head) -> str:
    """Say what verification says of these rows; empty when it finds nothing."""
    try:
        verify_rows(rows, after=after)
    except ChainBroken as broken:
        return broken.message
    return ""


def before(rows: list[Row], index: int) -> Head:
    """Where the chain stands before the row of that index."""
    return Head(rows[index - 1][0], rows[index - 1][4]) if index else Head()


def test_the_untouched_journal_verifies(file: Path, rows: list[Row]) -> None:
    with SqliteReader(file) as reader:
        assert reader.verify() == Head(COUNT, rows[-1][4]) == verify_rows(rows)


def test_every_flipped_byte_of_every_field_of_every_record_is_found_and_named(rows: list[Row]) -> None:
    tried = 0
    for index, row in enumerate(rows):
        start, following = before(rows, index), rows[index + 1 : index + 2]
        for field, position, altered in flips(row):
            said = complaint((altered, *following), start)
            assert f"record {row[0]} " in said, (row[0], FIELDS[field], position, said)
            tried += 1
    assert tried == sum(len(as_bytes(row, field)) for row in rows for field in range(5)) > 150_000


def test_all_255_changes_of_every_byte_of_some_records_are_found(rows: list[Row]) -> None:
    for index in (0, 6, 10, COUNT - 1):
        start, following = before(rows, index), rows[index + 1 : index + 2]
        for field, position, altered in flips(rows[index], range(1, 256)):
            assert complaint((altered, *following), start), (index, FIELDS[field], position)


def test_every_record_changed_together_with_its_own_hash_is_found_by_the_next(rows: list[Row]) -> None:
    for index in range(COUNT - 1):
        seq, key, body, prev, _ = rows[index]
        forged = (seq, key, body[:-1] + b" }", prev, link(prev, seq, key, body[:-1] + b" }"))
        said = complaint((forged, rows[index + 1]), before(rows, index))
        assert f"record {seq + 1} does not follow record {seq}" in said


def test_every_deleted_record_is_found_and_named(rows: list[Row]) -> None:
    for index in range(COUNT - 1):
        said = complaint(rows[index + 1 : index + 2], before(rows, index))
        assert f"record {index + 1} is missing" in said


def test_every_exchange_of_neighbours_is_found_and_named(rows: list[Row]) -> None:
    """Both ways: the numbers travel with the records, or stay where they were."""
    for index in range(COUNT - 1):
        one, two = rows[index], rows[index + 1]
        for pair in ((two, one), ((one[0], *two[1:]), (two[0], *one[1:]))):
            assert f"record {index + 1} " in complaint(pair, before(rows, index))


def test_many_other_orders_are_found(rows: list[Row]) -> None:
    chance = random.Random(20_240_614)
    for _ in range(300):
        i, j = sorted(chance.sample(range(COUNT), 2))
        shuffled = rows[:]
        match chance.randrange(3):
            case 0:
                shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
            case 1:
                shuffled.insert(i, shuffled.pop(j))
            case _:
                shuffled[i : j + 1] = reversed(shuffled[i : j + 1])
        for order in (shuffled, [(n, *row[1:]) for n, row in enumerate(shuffled, 1)]):
            assert f"record {i + 1} " in complaint(order[i:], before(rows, i))


def test_a_record_inserted_anywhere_is_found(rows: list[Row]) -> None:
    for index in range(0, COUNT, 37):
        seq, prev = index + 1, before(rows, index).hash
        foreign = (seq, "foreign", b"{}", prev, link(prev, seq, "foreign", b"{}"))
        moved = [(row[0] + 1, *row[1:]) for row in rows[index:]]
        assert f"record {seq + 1} " in complaint([foreign, *moved], before(rows, index))


def test_every_truncation_is_found_with_an_anchor_and_only_with_one(rows: list[Row]) -> None:
    anchor = Head(COUNT, rows[-1][4])
    for length in range(COUNT):
        # The last row of the shorter journal and what stands before it are all that verification reads of it.
        left = rows[max(length - 1, 0) : length]
        start = before(rows, max(length - 1, 0))
        assert verify_rows(left, after=start).seq == length
        with pytest.raises(ChainBroken, match=f"cut off after record {length}: "):
            verify_rows(left, after=start, anchor=anchor)


def test_a_history_rewritten_with_fresh_hashes_is_found_with_an_anchor_and_only_with_one(
    rows: list[Row],
) -> None:
    anchor, last, rewritten = Head(COUNT - 10, rows[COUNT - 11][4]), Head(), []
    for seq, key, body, _, _ in rows:
        own = link(last.hash, seq, key, b"{}" if seq == 500 else body)
        rewritten.append((seq, key, b"{}" if seq == 500 else body, last.hash, own))
        last = Head(seq, own)
    assert verify_rows(rewritten) == last
    with pytest.raises(ChainBroken, match=f"record {anchor.seq} is not the one in the anchor"):
        verify_rows(rewritten, anchor=anchor)


# ---------------------------------------------------------------- the same through the file, on a sample


@pytest.fixture
def copy(file: Path, tmp_path: Path) -> Path:
    """A copy of the file that a test may ruin."""
    return Path(shutil.copy(file, tmp_path))


def verdict(file: Path, anchor: Head | None = None) -> str:
    """Say what the whole of `verify` says of the file."""
    with SqliteReader(file) as reader:
        try:
            reader.verify(anchor=anchor)
        except ChainBroken as broken:
            return broken.message
    return ""


@pytest.mark.parametrize("field", ["key", "body", "prev", "hash"])
def test_the_whole_verification_finds_the_same_flips_in_the_file(
    copy: Path, rows: list[Row], field: str
) -> None:
    chance = random.Random(field)
    text = "CAST(? AS TEXT)" if field in {"key", "body"} else "?"
    change = f"UPDATE journal SET {field} = {text} WHERE seq = ?"
    for _ in range(6):
        row = chance.choice(rows)
        raw = as_bytes(row, FIELDS.index(field))
        altered = flipped(raw, chance.randrange(len(raw)), chance.randrange(1, 256))
        with unguarded(copy) as connection:
            connection.execute(change, (altered, row[0]))
        assert f"record {row[0]} " in verdict(copy)
        with unguarded(copy) as connection:
            connection.execute(change, (raw, row[0]))
    assert verdict(copy) == ""


@pytest.mark.parametrize("bit", [10, 20, 40, 62])
def test_the_whole_verification_finds_a_renumbered_record_in_the_file(
    copy: Path, rows: list[Row], bit: int
) -> None:
    with unguarded(copy) as connection:
        connection.execute("UPDATE journal SET seq = seq | ? WHERE seq = 500", (1 << bit,))
    assert "record 500 is missing" in verdict(copy)


def test_the_whole_verification_finds_deletions_exchanges_and_truncation(copy: Path, rows: list[Row]) -> None:
    anchor = Head(COUNT, rows[-1][4])
    insert = "INSERT INTO journal(seq, key, body, prev, hash) VALUES (?, ?, CAST(? AS TEXT), ?, ?)"
    for seq in (1, 2, 500, COUNT - 1):
        with unguarded(copy) as connection:
            connection.execute("DELETE FROM journal WHERE seq = ?", (seq,))
        assert f"record {seq} is missing" in verdict(copy)
        one, two = rows[seq - 1], rows[seq]
        with unguarded(copy) as connection:
            connection.execute("DELETE FROM journal WHERE seq = ?", (seq + 1,))
            connection.execute(insert, (seq, *two[1:]))
            connection.execute(insert, (seq + 1, *one[1:]))
        assert f"record {seq} " in verdict(copy)
        with unguarded(copy) as connection:
            connection.execute("DELETE FROM journal WHERE seq IN (?, ?)", (seq, seq + 1))
            connection.execute(insert, one)
            connection.execute(insert, two)
        assert verdict(copy, anchor) == ""
    with unguarded(copy) as connection:
        connection.execute("DELETE FROM journal WHERE seq > 990")
    assert verdict(copy) == ""
    assert "cut off after record 990" in verdict(copy, anchor)
    with unguarded(copy) as connection:
        for row in rows[990:]:
            connection.execute(insert, row)
    assert verdict(copy, anchor) == ""

"""Every promise of the Journal port, held by every journal that ships."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from engine.adapters.journal_chain import linked
from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.chain import GENESIS, Head, Record, link
from engine.errors import ChainBroken, InputError, JournalError
from engine.ports import Durability, Entry, Journal, Snapshot
from tests.journal.making import entries, entry

Make = Callable[[], Journal]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """How to make an empty journal of each kind."""
    return MemoryJournal if request.param == "memory" else lambda: SqliteJournal(tmp_path / "journal.db")


@pytest.fixture
def journal(make: Make) -> Iterator[Journal]:
    made = make()
    yield made
    made.close()


A, B, C = Entry("a", b'{"n":1}'), Entry("b", b'{"n":2}'), Entry("c", b'{"n":3}')


def test_an_empty_journal_ends_before_its_first_record(journal: Journal) -> None:
    assert journal.head() == Head(0, GENESIS) == journal.verify()
    assert list(journal.read()) == []
    assert journal.find("a") is None
    assert journal.latest_snapshot() is None


def test_records_are_numbered_linked_and_returned_in_order(journal: Journal) -> None:
    first, second = journal.append([A, B])
    assert first == Record(1, "a", A.body, GENESIS, link(GENESIS, 1, "a", A.body))
    assert second == Record(2, "b", B.body, first.hash, link(first.hash, 2, "b", B.body))
    assert journal.head() == Head(2, second.hash)
    assert list(journal.read()) == [first, second]


@pytest.mark.parametrize("durability", Durability)
def test_both_durabilities_append(journal: Journal, durability: Durability) -> None:
    records = journal.append(entries(30), durability=durability)
    assert list(journal.read()) == records
    assert journal.verify() == Head(30, records[-1].hash)


def test_appending_nothing_changes_nothing(journal: Journal) -> None:
    assert journal.append([]) == []
    assert journal.head() == Head()


def test_a_known_key_returns_its_first_record(journal: Journal) -> None:
    (first,) = journal.append([A])
    assert journal.append([A]) == [first]
    assert journal.append([B, A, C])[1] == first
    assert journal.head().seq == 3


def test_a_key_twice_in_one_append_is_one_record(journal: Journal) -> None:
    first, again = journal.append([A, A])
    assert first == again
    assert journal.head().seq == 1


@pytest.mark.parametrize("before", [[], [A]])
def test_a_key_reused_for_another_body_appends_nothing_at_all(journal: Journal, before: list[Entry]) -> None:
    journal.append(before)
    head = journal.head()
    with pytest.raises(JournalError, match="'a' already stands for another fact"):
        journal.append([B, A, Entry("a", b'{"n":9}'), C])
    assert journal.head() == head == journal.verify()
    assert journal.find("b") is None
    assert journal.append([B])[0].seq == head.seq + 1


NO_FACTS = {
    "empty key": Entry("", b"{}"),
    "long key": Entry("k" * 513, b"{}"),
    "lone surrogate": Entry("\ud800", b"{}"),
    "NUL in key": Entry("a\0b", b"{}"),
    "empty body": Entry("k", b""),
    "list": Entry("k", b"[]"),
    "text": Entry("k", b'"text"'),
    "space after": Entry("k", b"{} "),
    "two lines": Entry("k", b'{"a":\n1}'),
    "comma": Entry("k", b'{"a":1,}'),
    "not UTF-8": Entry("k", b'{"a":"\xff"}'),
    "NUL in body": Entry("k", b'{"a":"\0"}'),
    "much too deep": Entry("k", b'{"a":' * 9_000 + b"1" + b"}" * 9_000),
    "too deep": Entry("k", b'{"a":' + b"[" * 200 + b"]" * 200 + b"}"),
}


@pytest.mark.parametrize("bad", NO_FACTS.values(), ids=NO_FACTS.keys())
def test_what_is_no_fact_is_refused_and_nothing_with_it_is_kept(journal: Journal, bad: Entry) -> None:
    with pytest.raises(InputError, match="entry"):
        journal.append([A, bad])
    assert journal.head() == Head()


def test_a_fact_may_be_nested_as_deep_as_every_python_reads(journal: Journal) -> None:
    deep = b'{"a":' + b"[" * 199 + b"]" * 199 + b',"b":"' + b'[{\\"' * 500 + b'"}'
    (record,) = journal.append([Entry("deep", deep)])
    assert (record.body, journal.find("deep")) == (deep, record)


def test_a_key_may_be_any_text_of_512_bytes(journal: Journal) -> None:
    keys = ["k" * 512, "é" * 256, "%'\";-- \t\x7f", "🙂", "a", "A"]
    journal.append([Entry(key, b"{}") for key in keys])
    assert [journal.find(key).seq for key in keys] == [1, 2, 3, 4, 5, 6]  # type: ignore[union-attr]  # all are there
    assert journal.verify().seq == 6


@pytest.mark.parametrize(
    ("after", "until", "expected"),
    [
        (0, None, range(1, 6)),
        (2, None, range(3, 6)),
        (2, 4, range(3, 5)),
        (4, 2, range(0)),
        (5, None, range(0)),
        (9, None, range(0)),
        (0, 0, range(0)),
        (0, 99, range(1, 6)),
        (-3, -1, range(0)),
        (-3, 1, range(1, 2)),
    ],
)
def test_reading_takes_a_half_open_range(
    journal: Journal, after: int, until: int | None, expected: range
) -> None:
    journal.append(entries(5))
    assert [record.seq for record in journal.read(after=after, until=until)] == list(expected)


def test_reading_ends_at_the_head_of_the_call(journal: Journal) -> None:
    journal.append(entries(3))
    reading = journal.read()
    journal.append(entries(3, start=3))
    assert len(list(reading)) == 3


def test_reading_gives_many_records_in_order(journal: Journal) -> None:
    records = journal.append(entries(2_500), durability=Durability.RELAXED)
    assert list(journal.read(after=10)) == records[10:]


def test_find_returns_the_record_of_a_key(journal: Journal) -> None:
    records = journal.append(entries(20))
    assert [journal.find(record.key) for record in records] == records
    assert journal.find("nowhere") is None
    assert journal.find("\ud800") is None


def test_verify_accepts_every_anchor_of_its_own_history(journal: Journal) -> None:
    journal.append(entries(20))
    for record in journal.read():
        assert journal.verify(anchor=Head(record.seq, record.hash)) == journal.head()
    assert journal.verify(anchor=Head()) == journal.head()


def test_verify_finds_a_journal_shorter_than_its_anchor(journal: Journal) -> None:
    journal.append(entries(5))
    with pytest.raises(ChainBroken, match="cut off after record 5: the anchor was written at record 6"):
        journal.verify(anchor=Head(6, bytes(32)))


@pytest.mark.parametrize("seq", [0, 1, 3, 5])
def test_verify_finds_another_history_than_its_anchor(journal: Journal, seq: int) -> None:
    journal.append(entries(5))
    with pytest.raises(ChainBroken, match=f"record {seq} is not the one in the anchor"):
        journal.verify(anchor=Head(seq, b"x" * 32))


def test_the_newest_snapshot_is_returned_as_it_was(journal: Journal) -> None:
    records = journal.append(entries(9))
    older = Snapshot(4, records[3].hash, b"older" * 1_000)
    newer = Snapshot(9, records[8].hash, bytes(range(256)))
    journal.save_snapshot(newer)
    journal.save_snapshot(older)
    assert journal.latest_snapshot() == newer


def test_a_snapshot_of_the_beginning_and_of_empty_state_is_kept(journal: Journal) -> None:
    journal.save_snapshot(Snapshot(0, GENESIS, b""))
    assert journal.latest_snapshot() == Snapshot(0, GENESIS, b"")


def test_a_snapshot_taken_again_replaces_the_first(journal: Journal) -> None:
    (record,) = journal.append([A])
    journal.save_snapshot(Snapshot(1, record.hash, b"one"))
    journal.save_snapshot(Snapshot(1, record.hash, b"two"))
    assert journal.latest_snapshot() == Snapshot(1, record.hash, b"two")


@pytest.mark.parametrize(
    "snapshot", [Snapshot(1, b"x" * 32, b""), Snapshot(2, GENESIS, b""), Snapshot(-1, b"", b"")]
)
def test_a_snapshot_of_another_history_is_refused(journal: Journal, snapshot: Snapshot) -> None:
    journal.append([A])
    with pytest.raises(JournalError, match="does not fit"):
        journal.save_snapshot(snapshot)
    assert journal.latest_snapshot() is None


def test_housekeeping_changes_nothing_one_can_see(journal: Journal) -> None:
    records = journal.append(entries(2_000), durability=Durability.RELAXED)
    journal.maintain()
    journal.maintain()
    assert list(journal.read()) == records


def test_a_closed_journal_refuses_everything_and_closes_again(journal: Journal) -> None:
    journal.append([A])
    journal.close()
    journal.close()
    for use in (
        lambda: journal.append([B]),
        journal.head,
        lambda: list(journal.read()),
        lambda: journal.find("a"),
        lambda: journal.save_snapshot(Snapshot(0, GENESIS, b"")),
        journal.latest_snapshot,
        journal.verify,
    ):
        with pytest.raises(JournalError, match="closed"):
            use()


def test_many_threads_append_at_once_and_nobody_pays_for_anothers_mistake(journal: Journal) -> None:
    """Eight threads: keys of their own, keys they share, keys reused for other bodies, no bodies."""
    threads, rounds = 8, 40
    answers: dict[tuple[int, int], list[Record]] = {}
    refusals: list[JournalError | InputError] = []
    surprises: list[BaseException] = []
    begin = threading.Barrier(threads)
    journal.append([Entry("taken", b'{"by":"main"}')])

    def work(number: int) -> None:
        begin.wait()
        for turn in range(rounds):
            own = [Entry(f"{number}/{turn}/{part}", b'{"n":%d}' % part) for part in range(1 + turn % 3)]
            durability = Durability.SYNCED if turn % 2 else Durability.RELAXED
            answers[number, turn] = journal.append(
                [*own, Entry(f"shared/{turn}", b"{}")], durability=durability
            )
            for bad in (Entry("taken", b'{"by":"thief"}'), Entry("none", b"none")):
                try:
                    journal.append([Entry(f"lost/{number}/{turn}", b"{}"), bad], durability=durability)
                except (JournalError, InputError) as error:
                    refusals.append(error)

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001 - shown by the assertion below, whatever it was
            surprises.append(error)

    running = [threading.Thread(target=guarded, args=(number,)) for number in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()

    assert surprises == []
    assert len(refusals) == 2 * threads * rounds
    stored = {record.key: record for record in journal.read()}
    assert all(stored[record.key] == record for answer in answers.values() for record in answer)
    own = sum(1 + turn % 3 for turn in range(rounds)) * threads
    assert len(stored) == 1 + rounds + own == journal.verify().seq
    assert not any(key.startswith("lost/") for key in stored)


def test_each_thread_finds_its_own_append_when_it_returns(journal: Journal) -> None:
    missing: list[str] = []

    def work(number: int) -> None:
        for turn in range(30):
            mine = entry(1_000 * number + turn)
            journal.append([mine], durability=Durability.RELAXED)
            if journal.find(mine.key) is None:
                missing.append(mine.key)

    running = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert missing == []
    assert journal.head().seq == 120


def test_a_tail_is_passed_on_checked_record_by_record(journal: Journal) -> None:
    records = journal.append(entries(20))
    place = Head(10, records[9].hash)
    assert list(linked(journal.read(after=10), after=place)) == records[10:]
    with pytest.raises(ChainBroken, match="record 11 is missing"):
        list(linked(journal.read(after=11), after=place))
    checking = linked([records[10], msgspec.structs.replace(records[11], body=b"{}")], after=place)
    assert next(checking) == records[10]
    with pytest.raises(ChainBroken, match="record 12 was altered"):
        next(checking)

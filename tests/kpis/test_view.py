"""KPIs of a journal: read on from where a look ended, across restarts and other journals, piece by piece."""

import msgspec
import pytest

from engine.adapters import kept_fold
from engine.adapters.journal_memory import MemoryJournal
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.kpi_view import KpiView
from engine.core.kpis.standing import standings
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import JournalError
from engine.ports import Entry
from tests.builders import NOON_US
from tests.courses import Course
from tests.kpis.recount import EVERY
from tests.kpis.test_projection import folded


@pytest.fixture(scope="module")
def course():
    """A real loop's journal, up to the first canary."""
    made = Course()
    made.to("canary_1")
    return made


def until(journal, last):
    """The same journal as it was at a record."""
    earlier = MemoryJournal()
    earlier.append([Entry(record.key, record.body) for record in journal.read(until=last)])
    return earlier


def expected(course):
    return tuple(standings(folded(course.facts(f.Fact))))


@pytest.mark.parametrize("most", [1, 7, 1000, None])
def test_it_comes_to_the_same_in_pieces_of_any_size(course, most):
    view = KpiView(EVERY, lambda: course.journal)
    seen = view.look(most)
    while seen.behind:
        assert most is not None
        before, seen = seen.seq, view.look(most)
        assert seen.seq == min(before + most, course.journal.head().seq)
    assert seen.kpis == expected(course)


def test_a_start_goes_on_from_what_was_kept(course, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_fold, "_KEEP_AFTER", 10)
    kept, head = tmp_path / "kpis.bin", course.journal.head().seq
    half = until(course.journal, head // 2)
    KpiView(EVERY, lambda: half, kept).look()
    read = []

    class Watched(MemoryJournal):
        def read(self, *, after=0, until=None):
            for record in course.journal.read(after=after, until=until):
                read.append(record.seq)
                yield record

        def head(self):
            return course.journal.head()

    again = KpiView(EVERY, Watched, kept)
    assert again.look().kpis == expected(course)
    assert min(read) == head // 2


def test_another_journal_in_its_place_is_counted_from_its_beginning(course, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_fold, "_KEEP_AFTER", 1)
    other = Course()
    other.replay()
    for number in range(5):
        other.episode(f"e-{number}")
    journals = [course.journal, other.journal, until(course.journal, 40), course.journal]
    now = []
    view = KpiView(EVERY, lambda: now[0], tmp_path / "kpis.bin")
    for journal in journals:
        now[:] = [journal]
        fresh = KpiView(EVERY, lambda journal=journal: journal).look()
        assert view.look() == fresh
        assert KpiView(EVERY, lambda: now[0], tmp_path / "kpis.bin").look() == fresh


def test_other_kpis_are_counted_anew(course, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_fold, "_KEEP_AFTER", 1)
    KpiView(EVERY, lambda: course.journal, tmp_path / "kpis.bin").look()
    found = KpiView(EVERY[:2], lambda: course.journal, tmp_path / "kpis.bin").look()
    assert found.kpis == expected(course)[:2]


STRANGE = msgspec.msgpack.encode({"seq": 1, "hash": b"", "body": b"x"})


@pytest.mark.parametrize("body", [b"", b"\x93", STRANGE])
def test_a_damaged_file_costs_time_and_nothing_else(course, tmp_path, body):
    (tmp_path / "kpis.bin").write_bytes(body)
    assert KpiView(EVERY, lambda: course.journal, tmp_path / "kpis.bin").look().kpis == expected(course)


def test_where_nothing_can_be_kept_everything_goes_on(course, tmp_path, monkeypatch):
    monkeypatch.setattr(kept_fold, "_KEEP_AFTER", 1)
    kept = tmp_path / "no" / "kpis.bin"
    assert KpiView(EVERY, lambda: course.journal, kept).look().kpis == expected(course)


def test_what_most_facts_hold_is_not_even_read():
    journal = MemoryJournal()
    journal.append([Entry("a", b'{"fact":"metric_observed","at_us":5,"series":"x","value":"garbled"}')])
    seen = KpiView(EVERY, lambda: journal).look()
    assert {found.until_us for found in seen.kpis} == {5}


def test_a_record_of_a_later_version_is_named():
    journal = MemoryJournal()
    journal.append([Entry("a", b'{"fact":"verdict_reached","at_us":5}')])
    with pytest.raises(JournalError, match=r"record 1 cannot be read.*read it with the version"):
        KpiView(EVERY, lambda: journal).look()


def test_a_journal_on_disk_is_counted_while_it_grows(tmp_path):
    with SqliteJournal(tmp_path / "journal.db") as journal:
        view = KpiView(EVERY, lambda: journal)
        assert view.look().seq == 0
        for number in range(1, 4):
            fact = f.TimePassed(at_us=NOON_US + number * MINUTE_US, schedule="minute")
            journal.append([Entry(f"t-{number}", f.encode(fact))])
            seen = view.look()
            assert (seen.seq, seen.behind) == (number, 0)
            assert seen.kpis[0].until_us == fact.at_us

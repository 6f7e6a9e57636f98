"""What is counted lately is the same however often somebody looks, and follows the journal that is there."""

import contextlib
import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.journal_sqlite import SqliteJournal
from engine.commands import lately
from engine.commands.deeds import COUNTED, Deeds
from engine.commands.lately import Lately
from engine.commands.nights import KEPT, Nights
from engine.core.vocabulary import escalation_facts as e
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.escalations import Ladder
from engine.core.vocabulary.units import DAY_US, HOUR_US
from engine.ports import Entry
from tests.builders import NOON_US, verdict

pytestmark = pytest.mark.filterwarnings("error")
KINDS = (f.TimePassed, f.VerdictReached)


def tick(at_us):
    return f.TimePassed(at_us=at_us, schedule="x")


def reached(word, at_us, **values):
    return f.VerdictReached(at_us=at_us, verdict=verdict(word, at_us, **values))


class Book:
    """A journal that tests write into, and its reader."""

    def __init__(self, path):
        self.path, self._nth = path, itertools.count()
        self.reader = Current(path, DecisionsView)

    def write(self, *facts):
        with contextlib.closing(SqliteJournal(self.path)) as journal:
            for fact in facts:
                key = f"verdict:{fact.verdict.decision_id}" if isinstance(fact, f.VerdictReached) else ""
                journal.append([Entry(key or f"{f.tag_of(fact)}:{next(self._nth)}", f.encode(fact))])

    def forget(self):
        self.reader.close()
        for each in self.path.parent.glob(f"{self.path.name}*"):
            each.unlink()
        self.reader = Current(self.path, DecisionsView)


@pytest.fixture
def book(tmp_path):
    made = Book(tmp_path / "journal.db")
    yield made
    made.reader.close()


def collecting(days=7):
    """A `Lately` that keeps what it was given."""
    taken = []

    def begin():
        taken.clear()
        return lambda seq, fact, _journal: taken.append((seq, fact.at_us))

    return Lately(KINDS, begin=begin, days=days), taken


def looked_through(counting, book, now_us):
    for _ in range(100):
        if not counting.look(book.reader(), now_us):
            return
    raise AssertionError("it never came to an end")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=st.lists(st.one_of(st.integers(1, 9), st.just("look")), max_size=12),
    piece=st.integers(1, 5),
    other=st.booleans(),
)
def test_each_fact_is_counted_once_whenever_somebody_looks(tmp_path_factory, steps, piece, other):
    book = Book(tmp_path_factory.mktemp("book") / "journal.db")
    counting, taken = collecting()
    at = NOON_US
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lately, "PIECE", piece)
        book.write(tick(at))
        for step in steps:
            if step == "look":
                counting.look(book.reader(), at)
                continue
            for _ in range(step):
                at += 1_000_000
                book.write(reached("allow", at) if other and at % 2_000_000 else tick(at))
        looked_through(counting, book, at)
    expected = [(record.seq, f.decode(record.body).at_us) for record in book.reader().read()]
    assert sorted(taken) == expected
    assert counting.read(lambda: None)[1] is None
    book.reader.close()


def test_what_is_older_is_left_and_how_far_it_came_is_said(book, monkeypatch):
    monkeypatch.setattr(lately, "PIECE", 2)
    book.write(*(tick(NOON_US + day * DAY_US) for day in range(20)))
    now_us = NOON_US + 19 * DAY_US
    counting, taken = collecting(days=7)
    assert counting.look(book.reader(), now_us)
    assert counting.read(lambda: len(taken)) == (2, NOON_US + 18 * DAY_US)
    looked_through(counting, book, now_us)
    assert sorted(at_us for _, at_us in taken) == [NOON_US + day * DAY_US for day in range(12, 20)]


def test_another_journal_in_its_place_is_counted_from_its_own_start(book):
    book.write(*(tick(NOON_US + nth) for nth in range(5)))
    counting, taken = collecting()
    looked_through(counting, book, NOON_US)
    book.forget()
    book.write(*(tick(NOON_US + 100 + nth) for nth in range(7)))
    looked_through(counting, book, NOON_US)
    assert sorted(at_us for _, at_us in taken) == [NOON_US + 100 + nth for nth in range(7)]


def test_kinds_that_nobody_asked_for_are_not_even_read(book):
    book.write(tick(NOON_US), f.MetricObserved(at_us=NOON_US, series="s", value=1.0))
    counting, taken = collecting()
    looked_through(counting, book, NOON_US)
    assert len(taken) == 1


def test_deeds_of_hours_that_are_past_are_forgotten_and_the_others_add_up(book):
    book.write(
        *(
            reached(word, NOON_US + nth * HOUR_US)
            for nth, word in enumerate(("allow", "hold", "deny", "allow"))
        )
    )
    deeds = Deeds()
    looked_through(Lately(COUNTED, begin=deeds.begin), book, NOON_US)
    (deed,) = deeds.summed("agent", 0).values()
    assert (deed.count, deed.allowed, deed.held, deed.denied) == (4, 2, 1, 1)
    (deed,) = deeds.summed("agent", NOON_US + 2 * HOUR_US).values()
    assert (deed.count, deed.allowed, deed.held, deed.denied) == (2, 1, 0, 1)
    assert deeds.summed("agent", 0) == deeds.summed("agent", NOON_US + 2 * HOUR_US)


def test_names_without_end_do_not_fill_the_memory(book, monkeypatch):
    monkeypatch.setattr("engine.commands.deeds._MOST_NAMES", 3)
    book.write(*(reached("allow", NOON_US + nth, agent=f"a-{nth}") for nth in range(6)))
    deeds = Deeds()
    looked_through(Lately(COUNTED, begin=deeds.begin), book, NOON_US)
    assert (len(deeds.summed("agent", 0)), deeds.left_out) == (3, 3)


def raised(nth, at_us):
    return e.EscalationRaised(
        at_us=at_us,
        escalation_id=f"e_{nth}",
        code=f"{nth:04}",
        key=f"k-{nth}",
        group="",
        kind="anomaly",
        severity="warning",
        summary=f"the {nth}th",
        by="engine",
        ladder=Ladder(name="default", rungs=(), ask_again_us=1, answer_us=1),
        ladders_hash="00",
    )


def took(who, at_us):
    return e.EscalationAcknowledged(at_us=at_us, escalation_id="e_1", by=who, role="responder", via="call")


def test_nights_keep_the_newest_and_say_who_had_them_first(book):
    book.write(
        raised(1, NOON_US), raised(2, NOON_US + 10), took("ada", NOON_US + 30), took("bob", NOON_US + 90)
    )
    nights = Nights()
    looked_through(Lately(KEPT, begin=nights.begin, days=30), book, NOON_US)
    (second, one) = nights.past(0, most=10)
    assert (one.escalation_id, one.first, one.waited_us, one.ended) == ("e_1", "ada", 30, None)
    assert (second.escalation_id, second.first, second.waited_us) == ("e_2", "", None)
    assert [each.escalation_id for each in nights.past(0, most=1)] == ["e_2"]
    assert [each.escalation_id for each in nights.past(NOON_US + 5, most=10)] == ["e_2"]

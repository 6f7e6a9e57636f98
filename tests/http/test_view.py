"""Looking through a journal: bounded, in order, and across a change of its file."""

import pytest

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.journal_sqlite import SqliteJournal
from engine.commands.lookup import newest
from engine.core.vocabulary.facts import (
    MetricObserved,
    OutcomeReported,
    SnapshotSaved,
    VerdictReached,
    encode,
)
from engine.errors import InputError
from engine.ports import DecisionFilter, DecisionsReader, Entry
from tests.builders import NOON_US, verdict


@pytest.fixture
def view(tmp_path):
    """Every fourth record is a verdict; each record is a second later than the one before."""
    with SqliteJournal(tmp_path / "journal.db") as journal:
        journal.append([entry(number) for number in range(1, 41)])
    with DecisionsView(tmp_path / "journal.db") as made:
        yield made


def entry(number: int) -> Entry:
    at_us = NOON_US + number * 1_000_000
    if number % 4:
        # A text of somebody else's that reads like a verdict is none.
        fact = MetricObserved(at_us=at_us, series='{"fact":"verdict_reached"', value=1.0)
        return Entry(f"m-{number}", encode(fact))
    capability = ("heal@1", "heal@2", "healer@1", "heal")[number // 4 % 4]
    return Entry(
        f"verdict:d_{number}",
        encode(VerdictReached(at_us=at_us, verdict=verdict(at_us=at_us, capability=capability))),
    )


def seqs(page):
    return [record.seq for record in page.records]


def test_it_is_what_the_port_asks_for(view):
    found: DecisionsReader = view
    assert seqs(found.decisions(DecisionFilter())) == list(range(40, 0, -4))


@pytest.mark.parametrize(
    ("capability", "numbers"),
    [("heal@1", [32, 16]), ("heal", [36, 32, 28, 20, 16, 12, 4]), ("healer", [40, 24, 8])],
)
def test_a_capability_is_asked_for_with_its_version_or_by_its_name(view, capability, numbers):
    assert seqs(view.decisions(DecisionFilter(capability=capability))) == numbers


@pytest.mark.parametrize("since", [-1, 0, 1, 7, 8, 9, 39, 40, 41])
@pytest.mark.parametrize("until", [0, 1, 8, 9, 40, 41, 99])
def test_since_and_until_find_what_a_whole_walk_finds(view, since, until):
    wanted = DecisionFilter(since_us=NOON_US + since * 1_000_000, until_us=NOON_US + until * 1_000_000)
    assert seqs(view.decisions(wanted)) == [n for n in range(40, 0, -4) if since <= n < until]


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("furthest", [1, 5, 1000])
def test_pages_hold_everything_once(view, monkeypatch, most, furthest):
    monkeypatch.setattr("engine.adapters.decisions_view.FURTHEST", furthest)
    found, before, asked = [], None, 0
    while asked == 0 or before is not None:
        page = view.decisions(DecisionFilter(), before=before, most=most)
        found, before, asked = found + seqs(page), page.before, asked + 1
        assert asked <= 41
    assert found == list(range(40, 0, -4))


def test_a_cursor_from_beyond_the_end_begins_at_the_end(view):
    assert seqs(view.decisions(DecisionFilter(), before=10**9, most=1)) == [40]


def test_records_are_found_by_how_their_key_begins(tmp_path):
    with SqliteJournal(tmp_path / "j.db") as journal:
        keys = [
            "started:d_1:1",
            "started:d_1:22",
            "started:d_10:1",
            "started:d_1",
            "ended:d_1",
            "started:d_1;",
        ]
        fact = MetricObserved(at_us=NOON_US, series="s", value=1.0)
        journal.append([Entry(key, encode(fact)) for key in keys])
    with DecisionsView(tmp_path / "j.db") as view:
        assert [record.key for record in view.with_prefix("started:d_1:")] == keys[:2]
        with pytest.raises(InputError):
            view.with_prefix("")


def test_one_kind_of_fact_is_found(tmp_path):
    saved = SnapshotSaved(at_us=NOON_US, snapshot_id="s", journal_seq=1, files=1, size_bytes=1)
    outcome = OutcomeReported(
        at_us=NOON_US, proposal_id="p", agent="a", capability="c@1", action="x", ok=True, by="incumbent"
    )
    with SqliteJournal(tmp_path / "j.db") as journal:
        journal.append([Entry("a", encode(saved)), Entry("b", encode(outcome))])
    with DecisionsView(tmp_path / "j.db") as view:
        assert seqs(view.facts("snapshot_saved")) == [1]
        assert seqs(view.facts("snapshot")) == []


def test_several_kinds_are_found_in_one_walk(view):
    assert seqs(view.facts("metric_observed", "verdict_reached", most=5)) == [40, 39, 38, 37, 36]
    assert seqs(view.facts("verdict_reached", "snapshot_saved", most=3, after=33)) == [40, 36]


@pytest.mark.parametrize("page", [1, 2, 250])
def test_the_newest_that_fit_are_found_behind_any_number_that_do_not(view, monkeypatch, page):
    monkeypatch.setattr("engine.commands.lookup._PAGE", page)

    def heals(fact):
        return isinstance(fact, VerdictReached) and fact.verdict.capability == "heal@1"

    found = newest(view, (MetricObserved, VerdictReached), heals, most=2)
    assert [(seq, type(fact)) for seq, fact in found] == [(32, VerdictReached), (16, VerdictReached)]


def test_no_further_back_is_looked_than_said(view, monkeypatch):
    monkeypatch.setattr("engine.commands.lookup._BACK", 10)
    assert [seq for seq, _ in newest(view, (VerdictReached,), lambda fact: True, most=5)] == [40, 36, 32]


def test_an_empty_journal_has_an_empty_page(tmp_path):
    SqliteJournal(tmp_path / "j.db").close()
    with DecisionsView(tmp_path / "j.db") as view:
        page = view.decisions(DecisionFilter(since_us=1, until_us=2))
    assert (page.records, page.before) == ((), None)


def test_another_file_in_its_place_is_opened(tmp_path):
    path = tmp_path / "j.db"
    current = Current(path, DecisionsView)
    with pytest.raises(InputError, match="no such journal"):
        current()
    SqliteJournal(path).close()
    first = current()
    assert current() is first
    with SqliteJournal(tmp_path / "other.db") as journal:
        journal.append([entry(4)])
    (tmp_path / "other.db").replace(path)
    assert current().head().seq == 1
    current.close()
    current.close()

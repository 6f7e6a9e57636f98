"""`--from` hides what came before and lets it count; `--until` makes the world end."""

import sqlite3
from contextlib import closing

import pytest

from engine.core.vocabulary.facts import CapabilityPromoted, MetricObserved, ProposalReceived
from engine.core.vocabulary.units import MINUTE_US
from engine.errors import InputError
from simulator.replay.lanes import Span
from tests.builders import NOON_US, promoted, proposal
from tests.determinism.gate import live, replay, stored_verdicts
from tests.determinism.histories import facts, record


def minutes(count):
    """A proposal each minute, from an agent that stays within every limit."""
    yield promoted(at_us=NOON_US)
    for number in range(count):
        asked = proposal(proposal_id=f"p-{number}", episode=f"e-{number}")
        yield ProposalReceived(at_us=NOON_US + number * MINUTE_US, proposal=asked)


def seen(results):
    """The numbers of the proposals in a results file."""
    with closing(sqlite3.connect(results)) as connection:
        rows = connection.execute("select proposal_id from decisions where track = 0 order by seq")
        return [int(row[0].removeprefix("p-")) for row in rows]


@pytest.fixture
def ten(tmp_path):
    """Ten minutes of proposals, in groups of three."""
    return record(tmp_path / "ten.wkr", minutes(10), group_facts=3)


def test_until_leaves_out_what_happened_at_it_or_after(ten, tmp_path):
    results = tmp_path / "r.sqlite"
    end = replay(ten, results=results, span=Span(until_us=NOON_US + 4 * MINUTE_US))
    assert seen(results) == [0, 1, 2, 3]
    assert end.kinds == {"CapabilityPromoted": 1, "ProposalReceived": 4}
    assert end.finished


def test_from_reports_what_happened_at_it_or_after(ten, tmp_path):
    results = tmp_path / "r.sqlite"
    end = replay(ten, results=results, span=Span(from_us=NOON_US + 7 * MINUTE_US))
    assert seen(results) == [7, 8, 9]
    assert end.decisions_this_run == 3
    assert end.kinds["ProposalReceived"] == 10


def test_both_ends_make_a_window(ten, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(ten, results=results, span=Span(NOON_US + 2 * MINUTE_US, NOON_US + 3 * MINUTE_US + 1))
    assert seen(results) == [2, 3]


@pytest.mark.parametrize("span", [Span(until_us=0), Span(from_us=1 << 60)])
def test_a_window_beside_the_history_is_empty_and_no_failure(ten, span, tmp_path):
    results = tmp_path / "r.sqlite"
    assert replay(ten, results=results, span=span).finished
    assert seen(results) == []


def test_what_came_before_from_still_counts(recording, tmp_path):
    whole, half = tmp_path / "whole.sqlite", tmp_path / "half.sqlite"
    middle_us = facts()[len(facts()) // 2].at_us
    everything = replay(recording, results=whole)
    later = replay(recording, results=half, span=Span(from_us=middle_us))
    assert later.tracks[0].state_hash == everything.tracks[0].state_hash
    reported = stored_verdicts(half)
    assert reported == stored_verdicts(whole)[-len(reported) :]
    assert 0 < len(reported) < len(stored_verdicts(whole))


def test_until_comes_to_what_a_recording_that_ends_there_comes_to(recording, tmp_path):
    middle_us = facts()[len(facts()) // 2].at_us
    shorter = record(tmp_path / "shorter.wkr", [fact for fact in facts() if fact.at_us < middle_us])
    state, verdicts = live(shorter)
    end = replay(recording, results=tmp_path / "r.sqlite", span=Span(until_us=middle_us))
    assert end.tracks[0].state_hash == state
    assert stored_verdicts(tmp_path / "r.sqlite") == verdicts


def test_another_span_gives_another_journal_hash(ten):
    hashes = {
        replay(ten, span=span).tracks[0].journal_hash
        for span in (Span(), Span(from_us=NOON_US), Span(until_us=1 << 60), Span(NOON_US, 1 << 60))
    }
    assert len(hashes) == 4


def test_a_stopped_replay_goes_on_only_with_its_own_span(ten, tmp_path):
    results = tmp_path / "r.sqlite"
    replay(ten, results=results, stop_after=1)
    with pytest.raises(InputError, match="another recording, policy or span"):
        replay(ten, results=results, resume=True, span=Span(until_us=1 << 60))
    assert replay(ten, results=results, resume=True).finished


def test_a_recording_without_a_proposal_or_a_fact_is_replayed_too(tmp_path):
    for name, told in (("empty", []), ("quiet", [MetricObserved(at_us=1, series="a", value=1.0)])):
        end = replay(record(tmp_path / f"{name}.wkr", told), results=tmp_path / f"{name}.sqlite")
        assert (end.finished, sum(end.kinds.values())) == (True, len(told))
        assert stored_verdicts(tmp_path / f"{name}.sqlite") == []


def test_kinds_count_every_fact_once(recording):
    end = replay(recording, shards=1)
    assert sum(end.kinds.values()) == len(facts())
    assert end.kinds[CapabilityPromoted.__name__] == sum(isinstance(f, CapabilityPromoted) for f in facts())

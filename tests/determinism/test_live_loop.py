"""Replay and the live loop are one core: what replay stores is what the loop would have journalled."""

from contextlib import closing

import pytest

from engine.adapters.journal_reader import SqliteReader
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.state import state_hash
from engine.runtime.loop import restore
from engine.wiring import SHIPPED_POLICY, read_policy
from simulator.importers import import_source
from simulator.recording import Recording
from simulator.replay.journalled import replay_into
from simulator.replay.lanes import Span
from tests.determinism import gate, histories
from tests.determinism.gate import live


def test_the_live_loop_comes_to_the_same_state_and_verdicts(recording, plain, tmp_path):
    results = tmp_path / "results.sqlite"
    gate.replay(recording, results=results)
    state, verdicts = live(recording)
    assert verdicts == gate.stored_verdicts(results)
    assert state == plain["state"]


@pytest.fixture
def journalled(recording, tmp_path):
    """The journal of a replay into one, and the state that it came to."""
    path = tmp_path / "journal.db"
    with closing(SqliteJournal(path)) as journal:
        state = replay_into(journal, Recording(recording), read_policy(SHIPPED_POLICY))
    return path, state


def test_a_journal_holds_the_same_verdicts(recording, plain, journalled):
    path, state = journalled
    with SqliteReader(path) as reader:
        verdicts = [record.body for record in reader.read() if record.key.startswith("verdict:")]
        restored, _ = restore(reader)
    assert gate.digest(verdicts) == plain["verdicts"]
    assert state == plain["state"] == state_hash(restored)


def test_a_journal_imported_again_replays_to_itself(recording, plain, journalled, tmp_path):
    path, _ = journalled
    import_source("journal", path, tmp_path / "again.wkr")
    found = gate.prints(tmp_path / "again.wkr", ["1 shard"])["1 shard"]
    assert (found["state"], found["verdicts"]) == (plain["state"], plain["verdicts"])
    recorded = {label.proposal_id for label in Recording(tmp_path / "again.wkr").labels()}
    assert len(recorded) == Recording(recording).footer.kinds["proposal_received"]


def test_a_span_ends_alike_in_both(recording, tmp_path):
    middle_us = histories.facts()[len(histories.facts()) // 2].at_us
    span = Span(until_us=middle_us)
    end = gate.replay(recording, span=span)
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        state = replay_into(journal, Recording(recording), read_policy(SHIPPED_POLICY), span)
    assert state == end.tracks[0].state_hash

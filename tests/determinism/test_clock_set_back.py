"""A clock that is set back must not make the same facts give two answers.

What a checkpoint tidies away by the latest time would be missed once time goes back, and checkpoints come
when they come. So what is not in order of time is refused.
"""

from contextlib import closing

import msgspec
import pytest

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary.facts import MetricObserved
from engine.core.vocabulary.units import HOUR_US
from engine.errors import RecordingError
from engine.runtime.loop import Loop
from simulator.importers import import_source
from simulator.recording import Recording
from tests.builders import NOON_US, shipped
from tests.determinism import gate, histories


@pytest.fixture(scope="session")
def set_back(tmp_path_factory):
    """The same history, but for a while the clock is two hours behind."""
    facts = list(histories.facts())
    late = slice(len(facts) * 2 // 5, len(facts) // 2)
    facts[late] = [msgspec.structs.replace(fact, at_us=fact.at_us - 2 * HOUR_US) for fact in facts[late]]
    path = histories.record(tmp_path_factory.mktemp("back") / "back.wkr", facts)
    assert not Recording(path).footer.in_time_order
    return path


@pytest.mark.parametrize("shards", [1, 2])
def test_a_replay_refuses_it(set_back, shards, tmp_path):
    with pytest.raises(RecordingError, match=r"back\.wkr: its facts do not stand in order of time"):
        gate.replay(set_back, shards=shards)


def test_a_journal_whose_clock_was_set_back_can_be_replayed(tmp_path):
    with closing(SqliteJournal(tmp_path / "j.db")) as journal:
        loop = Loop(shipped(), journal)
        loop.adopt(NOON_US)
        for offset in (0, 100, 50, 60):
            fact = MetricObserved(at_us=NOON_US + offset, series="a", value=1.0)
            loop.feed([(f"metric:{offset}", fact)])
    import_source("journal", tmp_path / "j.db", tmp_path / "j.wkr")
    assert gate.complaints(gate.prints(tmp_path / "j.wkr", ["1 shard", "live"])) == []

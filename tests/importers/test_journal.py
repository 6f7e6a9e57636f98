"""Our own journal: facts as they are, verdicts as labels, policies in the header."""

import hashlib

import pytest

from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.facts import encode
from engine.errors import ChainBroken, InputError, RecordingError
from engine.ports import Entry
from simulator.importers import import_source
from simulator.recording import RecordedVerdict, Recording
from tests.builders import NOON_US, proposal, shipped, verdict


def journal_of(path, bodies):
    journal = SqliteJournal(path)
    journal.append([Entry(key=f"k{n}", body=body) for n, body in enumerate(bodies)])
    head = journal.head()
    journal.close()
    return head


def test_a_journal_becomes_a_recording(tmp_path):
    asked = f.ProposalReceived(at_us=NOON_US, proposal=proposal())
    answered = f.VerdictReached(at_us=NOON_US, verdict=verdict("hold", proposal_id="p-1"))
    closed = f.EpisodeClosed(at_us=NOON_US + 1, episode="e")
    adopted = shipped().adopted(NOON_US)
    head = journal_of(
        tmp_path / "j.db", [encode(fact) for fact in (adopted, asked, answered, closed, adopted)]
    )
    summary = import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr")
    recording = Recording(tmp_path / "a.wkr")
    assert [fact for _, fact in recording.facts()] == [asked, closed]
    digest = hashlib.sha256(encode(answered)).hexdigest()
    assert [*recording.labels()] == [RecordedVerdict(proposal_id="p-1", word="hold", sha256=digest)]
    origin = recording.header.origin
    assert (origin.rows, origin.sha256, origin.policy_hashes) == (5, head.hash.hex(), (adopted.policy_hash,))
    assert (summary.rows, summary.facts, summary.label_kinds) == (5, 2, {"verdict": 1})


def test_progress_is_told(tmp_path):
    journal_of(tmp_path / "j.db", [encode(f.EpisodeClosed(at_us=n, episode="e")) for n in range(20_001)])
    ticks = []
    import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr", progress=lambda *tick: ticks.append(tick))
    assert ticks == [(10_000 / 20_001, 10_000), (20_000 / 20_001, 20_000)]


def test_an_empty_journal_is_an_empty_recording(tmp_path):
    journal_of(tmp_path / "j.db", [])
    assert import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr").facts == 0


def test_a_fact_of_another_version_is_named(tmp_path):
    journal_of(tmp_path / "j.db", [encode(f.EpisodeClosed(at_us=1, episode="e")), b'{"fact":"future"}'])
    with pytest.raises(RecordingError, match=r"j.db record 2: cannot be read: .*future"):
        import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr")
    assert not (tmp_path / "a.wkr").exists()


def test_an_altered_journal_is_refused(tmp_path):
    journal_of(tmp_path / "j.db", [encode(f.EpisodeClosed(at_us=1, episode="e" * 50)) for _ in range(3)])
    data = bytearray((tmp_path / "j.db").read_bytes())
    place = data.find(b"eeeee")
    data[place] ^= 1
    (tmp_path / "j.db").write_bytes(data)
    with pytest.raises(ChainBroken):
        import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr")


def test_a_missing_journal_is_one_line(tmp_path):
    with pytest.raises(InputError, match="no such journal"):
        import_source("journal", tmp_path / "j.db", tmp_path / "a.wkr")

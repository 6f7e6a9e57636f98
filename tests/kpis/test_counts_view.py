"""The view of counts: read on across restarts, and honest about how far it is."""

from engine.adapters import kept_fold
from engine.adapters.counts_view import CountsView
from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.journal_sqlite import SqliteJournal
from engine.core.kpis import counting
from engine.core.vocabulary import facts as f
from engine.ports import Entry
from tests.builders import NOON_US, verdict


def journaled(path, first, count):
    """Write verdicts and ticks into a journal."""
    journal = SqliteJournal(path)
    for nth in range(first, first + count):
        decided = verdict("deny", NOON_US + nth, decision_id=f"d_{nth}", proposal_id=f"p-{nth}")
        facts = (
            f.VerdictReached(at_us=NOON_US + nth, verdict=decided),
            f.TimePassed(at_us=NOON_US + nth, schedule="x"),
        )
        journal.append([Entry(f"{f.tag_of(fact)}:{nth}", f.encode(fact)) for fact in facts])
    journal.close()


def denied(seen):
    return seen.counts.totals["decisions"]["heal", "deny", "false"]


def test_it_counts_on_from_what_was_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(kept_fold, "_KEEP_AFTER", 1)
    path, kept = tmp_path / "journal.db", tmp_path / "counts.bin"
    journaled(path, 0, 10)
    reader = Current(path, DecisionsView)
    seen = CountsView(reader, path, kept).look()
    assert (denied(seen), seen.records, seen.behind, seen.caught_up) == (10, 20, 0, True)
    journaled(path, 10, 5)
    folded = []
    fold = counting.fold
    monkeypatch.setattr(counting, "fold", lambda counts, fact: (folded.append(fact), fold(counts, fact)))
    assert denied(CountsView(reader, path, kept).look()) == 15
    assert len(folded) == 5
    reader.close()


def test_it_says_when_it_was_never_whole(tmp_path):
    path = tmp_path / "journal.db"
    journaled(path, 0, 10)
    reader = Current(path, DecisionsView)
    view = CountsView(reader, path)
    first = view.look(6)
    assert (first.behind, first.caught_up, first.records) == (14, False, 20)
    assert view.look(14).caught_up
    journaled(path, 10, 5)
    # What comes faster than it counts is behind, but no longer a past that would look like a rush.
    later = view.look(4)
    assert (later.behind, later.caught_up) == (6, True)
    reader.close()


def test_another_journal_in_its_place_is_counted_from_its_beginning(tmp_path):
    path, other = tmp_path / "journal.db", tmp_path / "other.db"
    journaled(path, 0, 10)
    journaled(other, 50, 3)
    reader = Current(path, DecisionsView)
    view = CountsView(reader, path)
    assert denied(view.look()) == 10
    for ending in ("", "-wal", "-shm"):
        (tmp_path / f"journal.db{ending}").unlink(missing_ok=True)
    other.rename(path)
    assert denied(view.look()) == 3
    reader.close()


def test_it_knows_the_size_of_the_file_and_its_log(tmp_path):
    path = tmp_path / "journal.db"
    journaled(path, 0, 3)
    reader = Current(path, DecisionsView)
    size = CountsView(reader, path).look().size_bytes
    reader.close()
    log = path.with_name("journal.db-wal")
    assert size == path.stat().st_size + (log.stat().st_size if log.exists() else 0)

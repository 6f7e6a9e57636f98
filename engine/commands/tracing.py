"""Tracing: every record of the journal about one decision, found by its keys, and its path from there."""

from typing import Final, Protocol

from engine.commands.contest_facts import contest_records
from engine.core.path import Path, covers, path_of
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.ids import EffectId, undo_id
from engine.core.vocabulary.verdicts import Verdict
from engine.ports import Page
from engine.runtime.outbox import change_id

_STOPS: Final = ("kill_switch_set", "kill_switch_cleared")
_MOST_STOPS: Final = 100


class Traced(Protocol):
    """What tracing asks of a journal."""

    def find(self, key: str) -> Record | None:
        """Return the record of this key."""

    def with_prefix(self, prefix: str) -> list[Record]:
        """Return the records whose key begins so."""

    def facts(self, *tags: str, before: int | None = None, most: int = 50, after: int = 0) -> Page:
        """Return the records of some kinds between two places, the newest first."""


def records_of(journal: Traced, verdict: Verdict) -> list[Record]:
    """Return every record about a decision, in the order of the journal."""
    decision, proposal = verdict.decision_id, verdict.proposal_id
    effects = [EffectId(decision)]
    for effect in effects:
        # Each taking back can be taken back in turn.
        nth = 1
        while journal.find(f"undo:{undo_id(effect, nth)}") is not None:
            effects.append(undo_id(effect, nth))
            nth += 1
    exact = [f"proposal:{proposal}", f"verdict:{decision}", f"outcome:{proposal}", f"held:{decision}"]
    exact += [f"{word}:{effect}" for effect in effects for word in ("undo", "looked")]
    begins = [f"{word}:{decision}:" for word in ("answer", "ack", "rated")]
    begins += [f"vetoed:{decision}", f"preview:p_{decision[2:]}_"]
    # What follows from the end of an effect stands under its key.
    begins += [f"{word}:{effect}" for effect in effects for word in ("started", "ended")]
    # What people would have put in its place, and why that was refused where it was.
    begins.append(f"proposal:{change_id(verdict)}")
    found = [record for key in exact if (record := journal.find(key)) is not None]
    for prefix in begins:
        found += journal.with_prefix(prefix)
    found += [record for record, _ in contest_records(journal, verdict)]
    return sorted(found, key=lambda record: record.seq)


def trace(journal: Traced, verdict: Verdict, *, goes_on: bool = False) -> Path:
    """Return the path of a decision, with the stops that came between its steps.

    `goes_on` says that it has not come to its end, so that stops after its last step count too. May look
    through 100,000 records: ask in a thread.
    """
    records = records_of(journal, verdict)
    if not records:
        return path_of(verdict, ())
    before = None if goes_on else records[-1].seq
    known = {record.seq for record in records}
    page = journal.facts(*_STOPS, before=before, most=_MOST_STOPS, after=records[0].seq)
    records += [record for record in page.records if record.seq not in known]
    steps = [(record.seq, f.decode(record.body)) for record in sorted(records, key=lambda record: record.seq)]
    return path_of(verdict, [(s, fact) for s, fact in steps if s in known or covers(fact, verdict)])

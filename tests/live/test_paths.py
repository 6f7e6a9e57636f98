"""Whatever happened to a decision, its path holds every record about it once, in the order of the journal."""

import os

from hypothesis import settings
from hypothesis.stateful import rule

from engine.commands.tracing import trace
from engine.core.path import flat
from engine.core.vocabulary import facts as f
from engine.ports import Page
from engine.runtime.loop import fact_of
from tests.live.hold_machine import HoldMachine

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


class Looked:
    """A journal in memory, looked through as one on disk is."""

    def __init__(self, journal):
        self.find = journal.find
        self._records = list(journal.read())

    def with_prefix(self, prefix):
        return [record for record in self._records if record.key.startswith(prefix)]

    def facts(self, *tags, before=None, most=50, after=0):
        begins = tuple(f'{{"fact":"{tag}"'.encode() for tag in tags)
        found = [
            record
            for record in reversed(self._records)
            if record.body.startswith(begins)
            and after < record.seq
            and (before is None or record.seq < before)
        ]
        return Page(records=tuple(found[:most]), before=None)


def of_another(fact, verdict):
    """Whether a fact names the decision, and is a step of what it replaced, or of what replaced it."""
    decided = fact.verdict if isinstance(fact, f.VerdictReached) else fact
    return getattr(decided, "decision_id", verdict.decision_id) != verdict.decision_id


class PathMachine(HoldMachine):
    """The same people, worker and clock; looked at is what the paths of decisions show."""

    @rule()
    def look(self):
        """Look at every decision there is."""
        records = [(record, fact_of(record)) for record in self.journal.read()]
        for _, fact in records:
            if isinstance(fact, f.VerdictReached):
                self.judge(fact.verdict, records)

    def judge(self, verdict, records):
        # Whatever names the decision or its proposal is about it, by whichever key it lies in the journal.
        names = [f'"{name}"'.encode() for name in (verdict.decision_id, verdict.proposal_id)]
        about = {
            record.seq
            for record, fact in records
            if any(name in record.body for name in names) and not of_another(fact, verdict)
        }
        stops = {
            record.seq
            for record, fact in records
            if isinstance(fact, f.KillSwitchSet | f.KillSwitchCleared)
            and record.seq > min(about)
            and fact.scope.covers(verdict.agent, verdict.capability, verdict.action)
        }
        shown = [step.seq for step in flat(trace(Looked(self.journal), verdict, goes_on=True).steps)]
        assert shown == sorted(about | stops)


TestPaths = PathMachine.TestCase
TestPaths.settings = settings(max_examples=200 if LONG else 15, stateful_step_count=60 if LONG else 30)

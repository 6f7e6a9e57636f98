"""What is left after a campaign: the journal and the world, compared with what agents were told."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from engine.adapters.journal_reader import SqliteReader
from engine.core.vocabulary.facts import (
    EffectEnded,
    EffectStarted,
    Fact,
    ProposalReceived,
    UndoRequested,
    VerdictReached,
    decode,
)
from tests.service.services import Service

_MAY_END_AS: Final = {
    "write": {"done"},
    "put": {"done"},
    "append": {"done", "unknown"},
    "fail": {"failed", "unknown"},
}
"""Kind of work → how it may have ended after any number of kills. Idempotent work is done in the end."""


@dataclass
class Acknowledged:
    """One proposal that a service answered for: from then on it must never be lost."""

    kind: str
    decision: str
    name: str
    """The file or the line it is about."""


@dataclass
class Counts:
    """What a campaign comes to."""

    kills: Counter[str] = field(default_factory=Counter)
    acknowledged: int = 0
    undos: int = 0
    lost: int = 0
    doubled: int = 0
    unknown: int = 0
    again: int = 0
    """Attempts beyond the first, all of them of effects that may be done twice."""
    statuses: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Everything that is not as it must be."""

    def __str__(self) -> str:
        kills = ", ".join(f"{name} {count}" for name, count in sorted(self.kills.items()))
        ends = ", ".join(f"{count} {name}" for name, count in sorted(self.statuses.items()))
        return (
            f"{self.kills.total()} kills ({kills}); {self.acknowledged} acknowledged proposals and "
            f"{self.undos} undos: lost {self.lost}, doubled {self.doubled}, unknown {self.unknown}, "
            f"tried again {self.again}; ended {ends}"
        )


class Aftermath:
    """One look at a service that has stopped."""

    def __init__(self, service: Service) -> None:
        """Read the whole journal, and verify its chain. Raises `ChainBroken`."""
        self._service = service
        with SqliteReader(service.layout.journal) as journal:
            journal.verify()
            facts: list[Fact] = [decode(record.body) for record in journal.read()]
        self._received = Counter(f.proposal.proposal_id for f in facts if isinstance(f, ProposalReceived))
        self._verdicts = Counter(f.verdict.decision_id for f in facts if isinstance(f, VerdictReached))
        self._ends = {f.effect_id: f for f in facts if isinstance(f, EffectEnded)}
        self._ended = Counter(f.effect_id for f in facts if isinstance(f, EffectEnded))
        self._begun = Counter(f.effect_id for f in facts if isinstance(f, EffectStarted))
        self._undos: dict[str, list[str]] = {}
        for fact in facts:
            if isinstance(fact, UndoRequested):
                self._undos.setdefault(fact.of, []).append(fact.effect_id)
        appended = service.workspace / "appended"
        self._lines = Counter(appended.read_text().splitlines() if appended.exists() else ())

    def count(self, acknowledged: list[Acknowledged], undos: list[str], counts: Counts) -> None:
        """Compare with what was acknowledged, and add up what was found."""
        counts.acknowledged, counts.undos = len(acknowledged), sum(map(len, self._undos.values()))
        lost = [one for one in acknowledged if self._verdicts[one.decision] != 1]
        lost_undos = [undo for undo in undos if undo not in self._ends]
        counts.lost = len(lost) + len(lost_undos)
        counts.wrong += [f"lost: {one}" for one in [*lost, *lost_undos]]
        for told in (self._received, self._verdicts, self._ended):
            counts.wrong += [
                f"{name} is in the journal {count} times" for name, count in told.items() if count > 1
            ]
        for one in acknowledged:
            if one.decision not in self._ends:
                counts.wrong.append(f"never ended: {one}")
                continue
            status = self._ends[one.decision].status
            counts.statuses[status] += 1
            if status not in _MAY_END_AS[one.kind]:
                counts.wrong.append(f"ended as {status}: {one}, {self._ends[one.decision].result.error}")
            counts.wrong += [f"{problem}: {one}, {status}" for problem in self._world(one, status)]
            if one.kind in {"append", "fail"}:
                # None at all is possible: killed after it was marked as begun, and before that was journaled.
                counts.doubled += max(0, self._begun[one.decision] - 1)
        counts.doubled += sum(count - 1 for count in self._lines.values())
        counts.again = sum(attempts - 1 for attempts in self._begun.values())
        unknown = [end for end in self._ends.values() if end.status == "unknown"]
        counts.unknown = len(unknown)
        asked = self._service.told("waiting")
        for end in unknown:
            if not any(text.startswith(end.decision_id) for text in asked):
                counts.wrong.append(f"nobody was asked about {end.effect_id}")

    def _world(self, one: Acknowledged, status: str) -> list[str]:
        """Say where the world is not as the journal says."""
        workspace = self._service.workspace
        match one.kind:
            case "write":
                undone = [self._ends[undo].status for undo in self._undos.get(one.decision, ())]
                path = workspace / "written" / one.name
                if "done" in undone:
                    return ["taken back, and there all the same"] * path.exists()
                if "unknown" not in undone and not _holds(path, one.name):
                    return ["not written"]
            case "put" if not _holds(workspace / f"put-{one.name}", one.name):
                return ["not put"]
            case "append":
                lines = self._lines[one.name]
                if lines > 1 or (status == "done" and lines != 1):
                    return [f"there {lines} times"]
        return []


def _holds(path: Path, name: str) -> bool:
    return path.exists() and path.read_text() == f"{name}\n"

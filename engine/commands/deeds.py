"""Deeds: what each agent and each rule did lately, counted from the facts of the journal in any order.

Each hour has its own sums, so that what gets too old is forgotten by the hour.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec import UNSET, Struct, field, structs

from engine.commands.lately import Take
from engine.core.decide import in_order
from engine.core.statistics.calibration import Curve, measure
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import AgentId, CapabilityId, DecisionId, RuleId, decision_id
from engine.core.vocabulary.units import HOUR_US
from engine.core.vocabulary.verdicts import Verdict
from engine.ports import DecisionsReader

COUNTED: Final = (
    f.VerdictReached, f.OutcomeReported, f.HoldEnded, f.DecisionOverridden, f.DecisionRated, f.UndoRequested,
)  # fmt: skip
"""The kinds of facts that count."""
_MOST_NAMES: Final = 2_000
"""Agents write names: of those that come up within an hour so many are told apart, and no more."""
_MOST_JUDGED: Final = 2_000
"""How many decisions of each agent, and of each capability, confidences are held against: the newest."""
_RULES: Final = "rules"


class Deed(Struct):
    """What one agent did under one capability, or what one rule led to."""

    count: int = 0
    """Decisions; of a rule, how often it fired."""
    allowed: int = 0
    held: int = 0
    denied: int = 0
    watched: int = 0
    """Of these in shadow; of a rule, how often it would have fired while it was only watched."""
    worked: int = 0
    failed: int = 0
    """What came of it, as far as it is known."""
    approved: int = 0
    """What people let go on that was held."""
    refused: int = 0
    unanswered: int = 0
    allowed_anyway: int = 0
    """Where a captain overruled what was asked first, and let it go on."""
    vetoed: int = 0
    undone: int = 0
    useful: int = 0
    wrong: int = 0
    late: int = 0
    """Ratings of people."""
    cost_usd: Decimal = Decimal(0)
    """Of what was allowed, by its estimate, until the outcome says better."""
    last_us: int = 0

    def add(self, other: "Deed") -> None:
        """Take in what another one counted."""
        for each in _SUMMED:
            setattr(self, each, getattr(self, each) + getattr(other, each))
        self.last_us = max(self.last_us, other.last_us)


_SUMMED: Final = tuple(name for name in Deed.__struct_fields__ if name != "last_us")


class _Judged(Struct, frozen=True):
    """One decision of which it is known whether it was right."""

    seq: int
    confidence: float
    right: bool
    rated: bool
    """Whether a person said so: then no outcome overrules it."""


class Key(Struct, frozen=True, order=True):
    """Whose deeds: an agent's under a capability, or a rule's of a gate."""

    kind: str
    """`agent` or `rule`."""
    owner: str
    """The agent, or the gate."""
    name: str
    """The capability, or the rule."""


class Deeds:
    """What was counted. Not safe from threads: `Lately` sees to that while it counts."""

    def __init__(self) -> None:
        """Nothing was counted."""
        self._hours: dict[int, dict[Key, Deed]] = {}
        self._judged: dict[tuple[str, str], dict[DecisionId, _Judged]] = {}
        self.left_out = 0
        """What was not told apart, because too many names came up."""

    def begin(self) -> Take:
        """Forget all, and count from here."""
        self._hours.clear()
        self._judged.clear()
        self.left_out = 0
        return self.take

    # ------------------------------------------------------------ counting

    def take(self, seq: int, fact: f.Fact, journal: DecisionsReader) -> None:
        """Count one fact. What it is about is looked up in the journal where it does not say it."""
        match fact:
            case f.VerdictReached():
                self._verdict(fact.verdict)
            case f.OutcomeReported(by="executor"):
                self._outcome(seq, fact, journal)
            case f.HoldEnded(effect_id=None):
                self._hold(fact, journal)
            case f.DecisionOverridden():
                self._overridden(fact, journal)
            case f.DecisionRated():
                self._rated(seq, fact)
            case f.UndoRequested():
                self._of_agent(fact.at_us, fact.agent, fact.capability).undone += 1

    def _verdict(self, verdict: Verdict) -> None:
        own = self._of_agent(verdict.at_us, verdict.agent, verdict.capability)
        own.count += 1
        own.watched += verdict.shadowed
        own.last_us = max(own.last_us, verdict.at_us)
        _word(own, verdict)
        if verdict.word == "allow" and not verdict.shadowed:
            own.cost_usd += verdict.impact.cost_usd
        for gate, rule in objecting(verdict):
            deed = self._of_rule(verdict.at_us, gate, rule)
            deed.count += 1
            deed.last_us = max(deed.last_us, verdict.at_us)
            _word(deed, verdict)
        for watched in verdict.assessment.shadow_rules:
            self._of_rule(verdict.at_us, _RULES, watched).watched += 1

    def _outcome(self, seq: int, fact: f.OutcomeReported, journal: DecisionsReader) -> None:
        own = self._of_agent(fact.at_us, fact.agent, fact.capability)
        own.worked += fact.ok
        own.failed += not fact.ok
        decision = decision_id(fact.proposal_id)
        verdict = _verdict_of(journal, decision)
        if verdict is None:
            return
        if fact.cost_usd is not UNSET:
            own.cost_usd += fact.cost_usd - verdict.impact.cost_usd
        if not verdict.shadowed and verdict.assessment.confidence is not None:
            judged = _Judged(seq, verdict.assessment.confidence, fact.ok, rated=False)
            self._judge(verdict.agent, verdict.capability, decision, judged)

    def _hold(self, fact: f.HoldEnded, journal: DecisionsReader) -> None:
        deeds = [self._of_agent(fact.at_us, fact.agent, fact.capability)]
        verdict = _verdict_of(journal, fact.decision_id)
        if verdict is not None:
            deeds += [self._of_rule(fact.at_us, gate, rule) for gate, rule in objecting(verdict)]
        for deed in deeds:
            match fact.how:
                case "approved" | "taken" | "replaced":
                    deed.approved += 1
                case "denied":
                    deed.refused += 1
                case "timeout":
                    deed.unanswered += 1

    def _overridden(self, fact: f.DecisionOverridden, journal: DecisionsReader) -> None:
        verdict = _verdict_of(journal, fact.decision_id)
        if verdict is None:
            return
        deeds = [self._of_agent(fact.at_us, verdict.agent, verdict.capability)]
        deeds += [self._of_rule(fact.at_us, gate, rule) for gate, rule in objecting(verdict)]
        for deed in deeds:
            deed.vetoed += fact.word == "veto"
            deed.allowed_anyway += fact.word == "allow"

    def _rated(self, seq: int, fact: f.DecisionRated) -> None:
        deeds = [self._of_agent(fact.at_us, fact.agent, fact.capability)]
        if fact.rule:
            deeds.append(self._of_rule(fact.at_us, _RULES, RuleId(fact.rule)))
        for deed in deeds:
            setattr(deed, fact.rating, getattr(deed, fact.rating) + 1)
        if fact.confidence is not None and fact.rating != "late":
            judged = _Judged(seq, fact.confidence, fact.rating == "useful", rated=True)
            self._judge(fact.agent, fact.capability, fact.decision_id, judged)

    def _judge(self, agent: AgentId, capability: CapabilityId, decision: DecisionId, judged: _Judged) -> None:
        for key in (("agent", str(agent)), ("capability", str(capability))):
            known = self._judged.get(key)
            if known is None:
                if len(self._judged) >= _MOST_NAMES:
                    continue
                known = self._judged[key] = {}
            before = known.get(decision)
            if before is None or (judged.rated, judged.seq) > (before.rated, before.seq):
                known[decision] = judged
            if len(known) > 2 * _MOST_JUDGED:
                oldest = sorted(known, key=lambda each: known[each].seq)[:-_MOST_JUDGED]
                for each in oldest:
                    del known[each]

    def _of_agent(self, at_us: int, agent: AgentId, capability: CapabilityId) -> Deed:
        return self._at(at_us, Key("agent", agent, capability))

    def _of_rule(self, at_us: int, gate: str, rule: str) -> Deed:
        return self._at(at_us, Key("rule", gate, rule))

    def _at(self, at_us: int, key: Key) -> Deed:
        hour = self._hours.setdefault(at_us // HOUR_US, {})
        found = hour.get(key)
        if found is None:
            found = Deed()
            if len(hour) >= _MOST_NAMES:
                self.left_out += 1
            else:
                hour[key] = found
        return found

    # ------------------------------------------------------------ looking

    def summed(self, kind: str, since_us: int) -> dict[Key, Deed]:
        """Sum up all hours that began at this time or later; forgets those before."""
        for hour in [each for each in self._hours if (each + 1) * HOUR_US <= since_us]:
            del self._hours[hour]
        found: dict[Key, Deed] = {}
        for _, deeds in sorted(self._hours.items()):
            for key, deed in deeds.items():
                if key.kind == kind:
                    if key in found:
                        found[key].add(deed)
                    else:
                        found[key] = structs.replace(deed)
        return found

    def trust(self, kind: str, name: str) -> Curve:
        """Hold the confidences of an agent, or under a capability, against what was right."""
        known = self._judged.get((kind, name), {})
        return measure((each.confidence, each.right) for each in known.values())


class Total(Struct, kw_only=True):
    """One agent, over all of its capabilities."""

    agent: str
    deed: Deed = field(default_factory=Deed)
    capabilities: dict[str, Deed] = {}


def by_agent(deeds: dict[Key, Deed]) -> dict[str, Total]:
    """Put together what each agent did under each capability."""
    found: dict[str, Total] = {}
    for key, deed in deeds.items():
        total = found.setdefault(key.owner, Total(agent=key.owner))
        total.capabilities[key.name] = deed
        total.deed.add(deed)
    return found


def objecting(verdict: Verdict) -> Iterable[tuple[str, str]]:
    """Name gate and rule of every gate that did not simply allow."""
    return dict.fromkeys(
        (answer.gate, answer.rule or answer.gate) for answer in in_order(verdict) if answer.ruling != "allow"
    )


def _word(deed: Deed, verdict: Verdict) -> None:
    match verdict.word:
        case "allow":
            deed.allowed += 1
        case "hold":
            deed.held += 1
        case "deny":
            deed.denied += 1


def _verdict_of(journal: DecisionsReader, decision: DecisionId) -> Verdict | None:
    record = journal.find(f"verdict:{decision}")
    fact = f.decode(record.body) if record is not None else None
    return fact.verdict if isinstance(fact, f.VerdictReached) else None

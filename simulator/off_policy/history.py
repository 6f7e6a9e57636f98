"""From the facts of a rollout to rows: what each version decided, how likely it was to be let, what came of
it.

Each side is valued over its own decisions, also those that were only shadowed: the other side's arm is where
they were not tried. A decision that both sides take alike is tried whoever has the episode, so it counts
once and fully; that is what makes a canary of 1 % tell more than its hundredth part. An outcome counts until
the plan's horizon, and none by then is a failure, as it is for the rollout itself.
"""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from engine.core.plain_text import count_text
from engine.core.statistics.confounding import OfEntity, confounding
from engine.core.statistics.off_policy import Logged
from engine.core.vocabulary.chain import digest_of
from engine.core.vocabulary.facts import (
    Fact,
    IncumbentActed,
    OutcomeReported,
    PolicyAdopted,
    RolloutPaused,
    StageChanged,
    VerdictReached,
    encode,
)
from engine.core.vocabulary.ids import CapabilityId, ProposalId, capability_name
from engine.core.vocabulary.rollouts import SHARES, Arm, ArmTally, RolloutPlan
from engine.core.vocabulary.verdicts import Verdict
from engine.core.work.rollout.assignment import in_canary, unit_under
from engine.core.work.rollout.candidates import TWIN
from engine.errors import InputError
from simulator.off_policy.columns import Row

PEOPLE: Final = "people"
"""What the incumbent is called when it is nobody governed."""


class Told(Struct, frozen=True, kw_only=True):
    """What a history holds about one rollout."""

    candidate: list[Row]
    incumbent: list[Row]
    incumbent_name: str
    logged: float | None
    """The share of what was done in it that went well; `None` when nothing was done."""
    notes: tuple[str, ...]


class _Decision(Struct):
    """One thing somebody wanted to do in the rollout, and may have done."""

    unit: str
    at_us: int
    own: bool
    act: str
    """The action and the digest of its exact arguments."""
    action: str
    executed: bool
    share: float
    chance: float
    """Of being executed, or not, as it was."""
    ok: bool | None = None
    """`None` while nothing came of it."""
    ok_alike: bool | None = None
    """What came of the very same in the incumbent's hands."""


class History:
    """Takes the facts of a journal in their order, and tells what they say about one version's rollout."""

    def __init__(self, capability: CapabilityId) -> None:
        """Begin before the first fact. `capability` is `name@version`."""
        self._capability, self._name = capability, capability_name(capability)
        self._plan = RolloutPlan()
        self._running = False
        self._share = 0.0
        self._decisions: list[_Decision] = []
        self._by_proposal: dict[ProposalId, _Decision] = {}
        self._arms: dict[str, tuple[Arm, float]] = {}
        self._heard: dict[str, set[bool]] = {}
        self._last_us = 0
        self._incumbents: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()
        self._mixed_up = ""

    def take(self, fact: Fact) -> None:
        """Take the next fact."""
        self._last_us = max(self._last_us, fact.at_us)
        match fact:
            case VerdictReached():
                self._decided(fact.verdict)
            case OutcomeReported():
                self._came_of(fact)
            case IncumbentActed() if self._running and capability_name(fact.capability) == self._name:
                self._people_acted(fact)
            case StageChanged() if capability_name(fact.capability) == self._name:
                self._running = fact.capability == self._capability and fact.now != "rolled_back"
                self._share = 1.0 if fact.now == "live" else SHARES.get(fact.now, 0.0)
            case PolicyAdopted():
                self._plan = fact.rollouts.plan_of(self._name)
            case RolloutPaused() if fact.capability == self._name:
                self._let_go(fact.at_us)
            case _:
                pass

    def _decided(self, verdict: Verdict) -> None:
        assignment = verdict.assignment
        own = verdict.capability == self._capability
        if not assignment or capability_name(verdict.capability) != self._name or not self._running:
            return
        if not assignment.explored:
            self._arms[assignment.unit] = (assignment.arm, assignment.share)
        if verdict.capability.endswith(TWIN):
            return
        self._heard.setdefault(assignment.unit, set()).add(own)
        if not own:
            self._incumbents[verdict.capability] += 1
        if verdict.word != "allow":
            self._left_out["not allowed, or held"] += own
            return
        decision = _Decision(
            unit=assignment.unit,
            at_us=verdict.at_us,
            own=own,
            act=f"{verdict.action} {verdict.digest}",
            action=verdict.action,
            executed=not verdict.shadowed,
            share=assignment.share,
            chance=assignment.chance,
        )
        self._decisions.append(decision)
        self._by_proposal[verdict.proposal_id] = decision

    def _came_of(self, fact: OutcomeReported) -> None:
        decision = self._by_proposal.pop(fact.proposal_id, None)
        if decision is None:
            return
        by_executor = fact.by == "executor"
        if by_executor is not decision.executed:
            told, decided = ("executed", "shadowed") if by_executor else ("left to the incumbent", "executed")
            self._mixed_up = self._mixed_up or f"{fact.proposal_id} was {told} though decided as {decided}"
        if fact.at_us > decision.at_us + self._plan.horizon_us:
            return
        if decision.executed:
            decision.ok = fact.ok
        else:
            decision.ok_alike = fact.ok

    def _people_acted(self, fact: IncumbentActed) -> None:
        unit = unit_under(self._plan, fact.episode, fact.args)
        if not unit:
            return
        self._incumbents[PEOPLE] += 1
        arm, share = self._arms.get(unit) or self._drawn(unit)
        self._heard.setdefault(unit, set()).add(False)
        if arm == "canary":
            # They came to help: that they were needed was not drawn.
            self._left_out["done by people in an episode of the canary's"] += 1
            return
        self._decisions.append(
            _Decision(
                unit=unit,
                at_us=fact.at_us,
                own=False,
                act=f"{fact.action} {digest_of(fact.action, encode(fact.args))}",
                action=fact.action,
                executed=True,
                share=share,
                chance=1.0 - share,
                ok=fact.ok,
            )
        )

    def _drawn(self, unit: str) -> tuple[Arm, float]:
        """Draw a unit's arm as the engine did, where no verdict in it says so."""
        canary = self._share > 0 and in_canary(self._capability, unit, self._share)
        return ("canary" if canary else "control", self._share)

    def _let_go(self, at_us: int) -> None:
        """Leave out what was under way when somebody held the rollout: who ended it had neither arm."""
        kept = [one for one in self._decisions if one.at_us + self._plan.horizon_us <= at_us]
        self._left_out["under way when the rollout was paused"] += len(self._decisions) - len(kept)
        self._decisions = kept

    def told(self) -> Told:
        """Say what the history holds, as rows for `columns_of`.

        Raises `InputError` when decisions were executed that it says were not: its chances mean nothing then.
        """
        if self._mixed_up:
            raise InputError(
                f"the history was not decided as it says: {self._mixed_up}",
                cure="give the journal of the engine that decided it, or the policy it decided by",
            )
        due = self._due()
        by_unit: dict[str, list[_Decision]] = {}
        for decision in due:
            by_unit.setdefault(decision.unit, []).append(decision)
        people = PEOPLE in self._incumbents
        paired = all(one.share == 0 or len(self._heard[one.unit]) == _BOTH for one in due)
        sides = _Sides(by_unit, people=people, paired=paired)
        done = [decision.ok for decision in due if decision.executed]
        names = [name for name in self._incumbents if name != PEOPLE]
        return Told(
            candidate=sides.rows(own=True),
            incumbent=sides.rows(own=False),
            incumbent_name=PEOPLE if people else names[0] if len(names) == 1 else "the incumbent",
            logged=sum(map(bool, done)) / len(done) if done else None,
            notes=(*self._confounded(due), *(() if paired else (_UNPAIRED,)), *self._notes()),
        )

    def _due(self) -> list[_Decision]:
        """Keep what was over when the history ended, and of that the canary's stages where there were any."""
        due = [one for one in self._decisions if one.at_us + self._plan.horizon_us <= self._last_us]
        self._left_out["not over when the history ended"] += len(self._decisions) - len(due)
        drawn = [one for one in due if 0 < one.share < 1]
        if not drawn:
            return due
        self._left_out["made in shadow, or once live, where nothing is drawn"] += len(due) - len(drawn)
        return drawn

    def _confounded(self, due: list[_Decision]) -> Iterable[str]:
        """Warn where entities were assigned: an episode is in one arm by design, a host should be in both."""
        kind, _, argument = self._plan.unit.partition(":")
        if kind == "episode":
            return
        counts: dict[str, Counter[tuple[bool, bool]]] = {}
        for one in due:
            if one.executed:
                counts.setdefault(one.unit, Counter())[one.own, bool(one.ok)] += 1
        found = confounding(
            {
                unit: OfEntity(
                    *(ArmTally(seen[own, True] + seen[own, False], seen[own, False]) for own in (True, False))
                )
                for unit, seen in counts.items()
            },
            f"values of {argument}",
        )
        if found is not None:
            yield found.reason

    def _notes(self) -> Iterable[str]:
        for why, count in self._left_out.items():
            if count:
                yield f"left out {count_text(count, 'decisions')}: {why}"


_BOTH: Final = 2

_UNPAIRED: Final = "not every episode tells what both sides wanted, so none counts as decided alike"
"""Where the arm is drawn, what is alike must show in either: else it would count more in one of them."""


class _Sides:
    """Both sides' decisions by unit, and which of them are alike."""

    def __init__(self, by_unit: dict[str, list[_Decision]], *, people: bool, paired: bool) -> None:
        self._by_unit, self._people, self._paired = by_unit, people, paired

    def rows(self, *, own: bool) -> list[Row]:
        rows = []
        for decisions in self._by_unit.values():
            mine = [one for one in decisions if one.own is own]
            rows += [row for one in mine if (row := self._row(one, decisions)) is not None]
            if not mine and not own and self._people:
                # People are seen only where they act. Where the candidate had the episode they would have.
                rows.append(self._unseen(decisions[0]))
        return rows

    def _row(self, decision: _Decision, unit: list[_Decision]) -> Row | None:
        side = "candidate" if decision.own else "incumbent"
        # What people would have done in the other arm is not seen, so it must not tell the arms apart.
        context = "" if self._people and not decision.own else decision.action
        alike = [one for one in unit if one.own is not decision.own and one.act == decision.act]
        if self._paired and (alike or (decision.share == 0 and decision.ok_alike is not None)):
            return self._alike(decision, alike, context)
        if decision.executed:
            logged = Logged(context, side, decision.chance, float(bool(decision.ok)), ((side, 1.0),))
        else:
            other = "incumbent" if decision.own else "candidate"
            well = all(one.ok for one in unit if one.executed)
            logged = Logged(context, other, decision.chance, float(well), ((side, 1.0),))
        return Row(decision.unit, logged)

    def _alike(self, decision: _Decision, alike: list[_Decision], context: str) -> Row | None:
        """Count what was done whoever had the episode; `None` where nobody did it."""
        if decision.executed:
            ends: list[bool | None] = [decision.ok]
        else:
            ends = [one.ok for one in alike if one.executed]
            ends += [decision.ok_alike] if decision.ok_alike is not None else []
        if not ends:
            return None
        return Row(decision.unit, Logged(f"{context} alike", "same", 1.0, float(all(ends)), (("same", 1.0),)))

    def _unseen(self, decision: _Decision) -> Row:
        well = float(bool(decision.ok))
        return Row(
            decision.unit,
            Logged("", "candidate", decision.chance, well, (("incumbent", 1.0),)),
        )

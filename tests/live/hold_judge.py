"""The judge of the machine of holds: what a journal must never say, by short rules of its own."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import decision_id
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.units import HOUR_US
from engine.core.vocabulary.verdicts import Wait


def judge(facts: list[Any]) -> None:
    """Check a journal's facts against the rules at the top of this page. Raises `AssertionError`."""
    judging = _Judging()
    for fact in facts:
        judging.take(fact)


class _Judging:
    """What the rules must remember of the facts so far."""

    def __init__(self) -> None:
        self.verdicts: dict[str, Any] = {}
        self.said: dict[str, list[f.HoldAnswered]] = {}
        self.allowed: set[str] = set()
        self.ended: dict[tuple[str, str | None], f.HoldEnded] = {}
        self.started: set[tuple[str, int]] = set()
        self.over: set[str] = set()
        self.stops: dict[str, f.Scope] = {}
        self.votes: dict[str, list[f.VoteCast]] = {}
        self.last: dict[str, f.HoldAnswered | f.VoteCast | f.DecisionOverridden] = {}
        """The last word on each decision."""
        self.without_leave: dict[str, Any] = {}
        """How it came about that an agent did something, by decision."""
        self.changing: Any = UNSET
        """What the verdict just before was about, if that was a change: what follows is about that."""

    def take(self, fact: Any) -> None:
        """Check one fact, and remember it."""
        match fact:
            case f.VerdictReached():
                self.verdicts[fact.verdict.decision_id] = fact.verdict
                self.changing = fact.verdict.changed
                return
            case f.KillSwitchSet():
                self.stops[str(fact.scope)] = fact.scope
            case f.KillSwitchCleared():
                self.stops.pop(str(fact.scope), None)
            case f.HoldAnswered() | f.VoteCast() | f.DecisionOverridden():
                self.word(fact)
            case f.OutcomeReported():
                self.without_leave[decision_id(fact.proposal_id)] = fact.without_leave
            case f.AnswerRefused():
                if self.changing is UNSET:
                    self.taken_back(fact)
            case f.HoldEnded():
                self.hold_ended(fact)
            case f.EffectStarted() if fact.kind == "perform":
                assert (fact.effect_id, fact.token) not in self.started
                self.started.add((fact.effect_id, fact.token))
                began(fact, self.verdicts, self.ended, self.over)
            case f.EffectEnded():
                assert fact.effect_id not in self.over, "it ended twice"
                self.over.add(fact.effect_id)
        self.changing = UNSET

    def word(self, fact: f.HoldAnswered | f.VoteCast | f.DecisionOverridden) -> None:
        """Take what somebody said of a decision."""
        self.last[fact.decision_id] = fact
        match fact:
            case f.HoldAnswered():
                self.said.setdefault(fact.decision_id, []).append(fact)
            case f.VoteCast():
                self.votes.setdefault(fact.decision_id, []).append(fact)
            case _ if fact.word == "allow":
                self.allowed.add(fact.decision_id)

    def taken_back(self, fact: f.AnswerRefused) -> None:
        """What follows from the last word on a decision takes that one back, and no other by the same."""
        match self.last.pop(fact.decision_id, None):
            case f.HoldAnswered():
                self.said[fact.decision_id].pop()
            case f.VoteCast():
                self.votes[fact.decision_id].pop()
            case f.DecisionOverridden(word="allow"):
                self.allowed.discard(fact.decision_id)

    def hold_ended(self, fact: f.HoldEnded) -> None:
        """A hold ends once, by somebody or for want of anybody, and an approval is what was waited for."""
        key = (fact.decision_id, fact.effect_id)
        assert key not in self.ended, f"{key} ended twice"
        self.ended[key] = fact
        lost = fact.reason.startswith("the vote was lost")
        if fact.how == "bypassed" or (fact.how == "taken" and not fact.by):
            why = self.without_leave[fact.decision_id]
            assert (fact.effect_id, why) == (None, "agent" if fact.how == "bypassed" else "prompt"), fact
            return
        # Votes may be lost by abstaining alone.
        assert bool(fact.by) == (fact.how != "timeout") or lost, fact
        choices = {vote.voter: vote.choice for vote in self.votes.get(fact.decision_id, [])}
        if lost:
            assert sum(choice != "for" for choice in choices.values()) >= 2, (choices, fact)
        assert fact.reason or fact.how != "timeout"
        if fact.how == "taken":
            waits = self.verdicts[fact.decision_id].waits
            assert fact.effect_id is None
            assert {wait.kind for wait in waits} == {"take"}, "only what is recommended is done by hand"
            did = [word.by for word in self.said[fact.decision_id] if word.answer == "did"]
            assert did[-1:] == [*fact.by]
        if fact.how == "replaced":
            old, new = self.verdicts[fact.decision_id], self.verdicts[fact.replaced_by]
            assert (new.changed.of, fact.by) == (fact.decision_id, (new.changed.by,))
            assert new.word != "deny"
            assert {wait for wait in old.waits if wait.kind in {"person", "votes"}} <= {*new.waits}
        if fact.how == "approved" and fact.effect_id is None:
            verdict = self.verdicts[fact.decision_id]
            scopes = self.stops.values()
            assert not any(s.covers(verdict.agent, verdict.capability, verdict.action) for s in scopes), (
                "approved behind a stop"
            )
            assert fact.at_us < verdict.at_us + HOUR_US, "approved after its time"
            by = "" if verdict.changed is UNSET else verdict.changed.by
            words = [*self.said.get(fact.decision_id, []), *of_changer(verdict)]
            enough(verdict.waits, words, fact, self.allowed, choices, by)


def of_changer(verdict: Any) -> list[f.HoldAnswered]:
    """Return the word of whoever changed it, where one person's is enough."""
    changed = verdict.changed
    if changed is UNSET or any(wait.kind == "person" and wait.needed > 1 for wait in verdict.waits):
        return []
    return [
        f.HoldAnswered(
            at_us=verdict.at_us,
            decision_id=verdict.decision_id,
            by=changed.by,
            role=changed.role,
            answer="approve",
            digest=verdict.digest,
        )
    ]


def enough(
    waits: tuple[Wait, ...],
    words: list[f.HoldAnswered],
    fact: f.HoldEnded,
    allowed: set[str],
    choices: dict[str, str],
    changer: str,
) -> None:
    """Check that those who are named gave what was waited for, or that a captain overruled."""
    if fact.decision_id in allowed:
        return
    ranks: dict[str, int] = dict(RANKS)
    for wait in waits:
        if wait.kind == "votes":
            agreed = {voter for voter, choice in choices.items() if choice == "for"}
            assert len(agreed & set(fact.by)) >= wait.needed, (wait, choices, fact)
        if wait.kind in {"person", "take"}:
            others = {"coder-1"} | ({changer} if wait.needed > 1 else set())
            people = {
                word.by
                for word in words
                if word.answer == "approve"
                and word.by not in others
                and RANKS[word.role] >= ranks.get(wait.role, RANKS["captain"])
            }
            assert len(people & set(fact.by)) >= wait.needed, (wait, people, fact)


def began(
    fact: f.EffectStarted, verdicts: dict[str, Any], ended: dict[Any, f.HoldEnded], over: set[str]
) -> None:
    """Check that an effect might begin.

    One noted in the very transaction of its veto is told not to: the machine checks that where it begins it.
    """
    verdict = verdicts[fact.decision_id]
    assert fact.effect_id not in over, "it began after its end"
    assert not verdict.shadowed
    if verdict.word == "hold":
        end = ended.get((fact.decision_id, None))
        assert end is not None, "it began while it was held"
        assert end.how == "approved", "it began though nobody approved it"
    else:
        assert verdict.word == "allow"

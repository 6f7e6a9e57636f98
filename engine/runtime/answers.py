"""Answers as the engine takes them: people approve and deny what is held, and captains overrule decisions.

Every word goes into the journal first, and what it demands of the world follows. A veto may demand more than
one step; after a crash between two of them `finish` takes the rest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import count
from typing import Any, Final

from msgspec import structs

from engine.core.decide import in_order
from engine.core.policy import Policy
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.ids import (
    DecisionId,
    EffectId,
    PersonId,
    capability_name,
    decision_id,
)
from engine.core.vocabulary.people_facts import RANKS
from engine.core.vocabulary.units import time_text
from engine.core.vocabulary.verdicts import Verdict
from engine.core.vocabulary.voting import AGENT
from engine.core.work.contests import behind
from engine.core.work.hold import Hold, missing
from engine.core.work.holds import GRACE_US
from engine.core.work.votes import unregistered
from engine.errors import InputError
from engine.ports import Announcer, Durability
from engine.runtime import wire
from engine.runtime.changes import changed_proposal
from engine.runtime.intake import Intake
from engine.runtime.leases import Leases
from engine.runtime.outbox import (
    answer_key,
    done_undo,
    effect_status,
    hold_end,
    said_of,
    status_of,
    verdict_of,
    veto_key,
    veto_of,
)
from engine.runtime.questions import QuestionKeeper
from engine.runtime.votes import already, polls, vote_of, worn_out

CATCH_UP: Final = "catch-up"
"""The schedule of a tick that the engine gives itself when it has missed some."""
# An effect ends once, so a second look finds it over. More only if it is leased and given back in between.
_MOST_LOOKS: Final = 5


class AnswerKeeper:
    """Takes what people say of decisions, and sees to what follows."""

    def __init__(
        self,
        intake: Intake,
        leases: Leases,
        now_us: Callable[[], int],
        announcer: Announcer,
        *,
        stops_known: Callable[[], Awaitable[None]],
        undo: Callable[[wire.RequestUndo], Awaitable[wire.Queued]],
        policy: Policy,
    ) -> None:
        """`stops_known` returns when every stop of the fence is in the journal; `undo` takes effects back."""
        self._intake, self._leases, self._now_us, self._announcer = intake, leases, now_us, announcer
        self._stops_known, self._undo, self._voting = stops_known, undo, policy.voting
        self._actions, self._captaincy = policy.actions, policy.captaincy
        # One at a time, so that each finds what the one before it changed.
        self._one = asyncio.Lock()
        self._questions = QuestionKeeper(intake, now_us, announcer, self._one, self._free_key)

    def handlers(self) -> dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]]:
        """Say which request is answered by what."""
        return {
            wire.AnswerHold: self.answer,
            wire.ChangeHold: self.change,
            wire.Override: self.override,
            wire.AskAgent: self._questions.ask,
            wire.ReplyToQuestion: self._questions.reply,
            wire.CastVote: self.vote,
            wire.AskVeto: self.vetoer,
            wire.AskVoter: self.voter,
            wire.GetPolls: self.polls,
            wire.GetHolds: self.show,
        }

    # ------------------------------------------------------------ what people ask for

    async def answer(self, request: wire.AnswerHold) -> wire.HoldAnswer:
        """Take an approval or a denial. Raises `InputError` when there is no such decision."""
        async with self._one:
            await self._stops_known()
            verdict = verdict_of(self._intake.journal, request.decision_id)
            hold = self._hold(request.decision_id)
            if hold is None:
                return self._not_counted(verdict, self._why_not_held(verdict))
            fact = f.HoldAnswered(
                at_us=self._now_us(),
                decision_id=request.decision_id,
                by=request.by,
                role=request.role,
                answer=request.answer,
                digest=hold.digest if request.digest is None else request.digest,
                reason=request.reason,
                stepped_up=request.stepped_up,
            )
            return await self._said(verdict, hold, fact)

    async def change(self, request: wire.ChangeHold) -> wire.HoldAnswer:
        """Take a change: a proposal of that person, in the place of what is held.

        Raises `InputError` when there is no such decision, or nothing of it would be otherwise.
        """
        async with self._one:
            await self._stops_known()
            journal = self._intake.journal
            verdict = verdict_of(journal, request.decision_id)
            hold = self._hold(request.decision_id)
            if hold is None:
                return self._not_counted(verdict, self._why_not_held(verdict))
            proposal = changed_proposal(journal, self._actions, verdict, request, hold.digest)
            fact = f.ProposalReceived(at_us=self._now_us(), proposal=proposal)
            taken = await self._intake.take("", fact)
            for followed in taken.decisions.facts:
                if isinstance(followed, f.AnswerRefused):
                    return self._not_counted(verdict, followed.reason)
            new = verdict_of(journal, decision_id(proposal.proposal_id))
            return structs.replace(
                self._counted(verdict, f"{new.decision_id} takes its place; {self._where(new)}"),
                replaced_by=new.decision_id,
            )

    def _where(self, verdict: Verdict) -> str:
        """Say what happens next to a decision that has just been made."""
        if still := " and ".join(self._missing(verdict.decision_id)):
            return f"it waits for {still}"
        if self._status(verdict) == "granted":
            return f"{verdict.agent} may do it now, and reports what came of it"
        return "it waits for a worker"

    async def vote(self, request: wire.CastVote) -> wire.HoldAnswer:
        """Take a vote; the same one again changes nothing. Raises `InputError` without such a decision."""
        async with self._one:
            await self._stops_known()
            verdict = verdict_of(self._intake.journal, request.decision_id)
            hold = self._hold(request.decision_id)
            if hold is None:
                return self._not_counted(verdict, self._why_not_held(verdict))
            fact = vote_of(self._voting, hold, request, self._now_us())
            if (known := already(hold, fact)) is not None:
                still = " and ".join(self._missing(request.decision_id)) or "nothing that is known"
                return self._counted(verdict, f"{known.voter} voted so already; it still waits for {still}")
            if (worn := worn_out(hold, fact)) != "":
                # Whoever never stops changing their mind must not fill the disk with it.
                return self._not_counted(verdict, worn)
            return await self._said(verdict, hold, fact)

    async def voter(self, request: wire.AskVoter) -> wire.VoterKnown:
        """Say whether the policy lets somebody vote on a decision. Raises `InputError` without such a one."""
        verdict = verdict_of(self._intake.journal, request.decision_id)
        return wire.VoterKnown(registered=not unregistered(self._voting, verdict, request.voter))

    async def vetoer(self, request: wire.AskVeto) -> wire.VetoKnown:
        """Say whether the policy gives an agent the veto."""
        return wire.VetoKnown(held=request.agent in self._captaincy.vetoers)

    async def polls(self, request: wire.GetPolls) -> wire.PollList:
        """Say what waits for votes, as somebody who may vote on it sees it."""
        return polls(self._intake.state, self._voting, request, self._now_us())

    async def override(self, request: wire.Override) -> wire.HoldAnswer:
        """Overrule a decision. Raises `InputError` when there is no such decision."""
        async with self._one:
            await self._stops_known()
            verdict = verdict_of(self._intake.journal, request.decision_id)
            fact = f.DecisionOverridden(
                at_us=self._now_us(),
                decision_id=request.decision_id,
                by=request.by,
                word=request.word,
                reason=request.reason,
                stepped_up=request.stepped_up,
            )
            if request.word == "veto":
                # Behind its key nothing of the decision starts: what does not count must not stand there.
                against = self._captaincy.objection_to_agent(request.by, "veto") or self._stopped(request.by)
                return self._not_counted(verdict, against) if against else await self._veto(verdict, fact)
            if self._captaincy.objection_to_agent(request.by, request.word):
                return await self._refused_once(verdict, fact)
            hold = self._hold(request.decision_id)
            if hold is None:
                return self._not_counted(verdict, self._why_not_held(verdict))
            return await self._said(verdict, hold, fact)

    async def show(self, request: wire.GetHolds) -> wire.HoldList:
        """Say what waits for people, the longest waiting first."""
        now_us = self._now_us()
        waiting = [item for item in self._intake.state.holds.by_id.items() if item[1].is_open(now_us)]
        most = max(request.most, 0)
        shown = [self._shown(decision, hold) for decision, hold in waiting[:most]]
        return wire.HoldList(holds=tuple(shown), more=len(waiting) - len(shown))

    # ------------------------------------------------------------ what the engine does by itself

    def tell(self, facts: Sequence[f.Fact]) -> None:
        """Tell people what became of what waited for them."""
        for fact in facts:
            if not isinstance(fact, f.HoldEnded):
                continue
            who, because = _names(fact.by), f": {fact.reason}" if fact.reason else ""
            what = f"{fact.decision_id} ({fact.agent}, {fact.action})"
            if fact.how == "timeout":
                self._announcer.announce("timeout", f"{what} waited in vain: {fact.reason}")
            elif fact.how == "bypassed":
                continue  # it is told where it is reported, as what was done without any hold is
            elif not fact.by:
                self._announcer.announce("answered", f"{what} is {fact.how}{because}")
            elif fact.how != "vetoed":
                self._announcer.announce("answered", f"{who} {fact.how} {what}{because}")

    async def catch_up(self) -> None:
        """Let time pass if ticks were missed for so long that holds would be let go without an end.

        Costs a look at the longest waiting one. Raises `StorageError`.
        """
        holds, now_us = self._intake.state.holds, self._now_us()
        first = next(iter(holds.by_id.values()), None)
        if first is not None and first.until_us + GRACE_US // 2 <= now_us and not first.shadowed:
            tick = f.TimePassed(at_us=now_us, schedule=CATCH_UP)
            await self._intake.take(f"time:{CATCH_UP}:{now_us}", tick, durability=Durability.RELAXED)

    async def finish(self) -> None:
        """Do what earlier vetoes still demand: after a restart, or when the disk refused. Raises
        `StorageError`.
        """
        async with self._one:
            for decision in list(self._intake.state.holds.vetoed):
                veto = veto_of(self._intake.journal, decision)
                if veto is not None:
                    await self._carry_out(veto)

    # ------------------------------------------------------------ an answer

    async def _said(
        self, verdict: Verdict, hold: Hold, fact: f.HoldAnswered | f.VoteCast | f.DecisionOverridden
    ) -> wire.HoldAnswer:
        decision = verdict.decision_id
        taken = await self._intake.take(self._free_key(decision), fact)
        for followed in taken.decisions.facts:
            if isinstance(followed, f.AnswerRefused):
                return self._not_counted(verdict, followed.reason)
            if isinstance(followed, f.HoldEnded):
                what_next = self._what_next(verdict, followed)
                if isinstance(fact, f.VoteCast):
                    what_next = f"{followed.reason}; {what_next}"
                return self._counted(verdict, what_next)
        still = " and ".join(self._missing(decision)) or "nothing that is known"
        if isinstance(fact, f.HoldAnswered) and _has_approved(hold, fact):
            return self._not_counted(verdict, f"{fact.by} approved it already; it still waits for {still}")
        return self._counted(verdict, f"it still waits for {still}")

    def _what_next(self, verdict: Verdict, over: f.HoldEnded) -> str:
        if over.effect_id is not None:
            return "it is noted that somebody looked at it; nothing runs because of that"
        if over.how == "denied":
            return "nothing of it runs"
        if over.how == "taken":
            return f"{_names(over.by)} did it, and nothing of it runs here"
        return self._where(verdict)

    def _missing(self, decision: DecisionId) -> tuple[str, ...]:
        hold, paused = self._hold(decision), self._intake.state.rollouts.paused
        if hold is None:
            return ()
        return missing(
            hold,
            paused=bool(paused.get(capability_name(hold.capability))),
            behind=behind(self._intake.state.contests, decision),
        )

    def _hold(self, decision: DecisionId) -> Hold | None:
        return self._intake.state.holds.by_id.get(decision)

    def _free_key(self, decision: DecisionId) -> str:
        journal = self._intake.journal
        return next(key for nth in count(1) if journal.find(key := answer_key(decision, nth)) is None)

    def _why_not_held(self, verdict: Verdict) -> str:
        """Say in a sentence why an answer comes too late, or was never asked for."""
        journal, decision = self._intake.journal, verdict.decision_id
        over = hold_end(journal, decision)
        if over is not None and over.how == "timeout":
            return f"its time was over at {time_text(over.at_us)}, {over.reason}; propose it again"
        if over is not None and not over.by:
            return f"it is {over.how} since {time_text(over.at_us)}: {over.reason}"
        if over is not None:
            return f"{_names(over.by)} {over.how} it at {time_text(over.at_us)}"
        if verdict.word == "hold":
            return "its time was over; propose it again"
        if verdict.word == "deny":
            return "it was denied, and did not wait for anybody; change the rule, then propose it again"
        return f"it does not wait for people: it is {self._status(verdict)}"

    # ------------------------------------------------------------ a veto

    def _stopped(self, by: PersonId) -> str:
        """Say which stop takes an agent's veto from it: one of all that it does; empty where none does."""
        stop = self._intake.state.stops.by_scope.get(by) if by.startswith(AGENT) else None
        return f"{stop.by} stopped {by}, and what is stopped holds no veto" if stop is not None else ""

    async def _refused_once(self, verdict: Verdict, fact: f.DecisionOverridden) -> wire.HoldAnswer:
        """Journal that an agent wanted to allow something, once for each decision, and refuse it."""
        against = self._captaincy.objection_to_agent(fact.by, fact.word)
        said = said_of(self._intake.journal, verdict.decision_id)
        if not any(isinstance(each, f.DecisionOverridden) and each.by == fact.by for each in said):
            await self._intake.take(self._free_key(verdict.decision_id), fact)
        return self._not_counted(verdict, against)

    async def _veto(self, verdict: Verdict, fact: f.DecisionOverridden) -> wire.HoldAnswer:
        against = self._nothing_to_veto(verdict)
        if against:
            return self._not_counted(verdict, against)
        decision, hold = verdict.decision_id, self._hold(verdict.decision_id)
        taken = await self._intake.take(veto_key(decision), fact)
        refused = [each for each in taken.decisions.facts if isinstance(each, f.AnswerRefused)]
        if refused:
            return self._not_counted(verdict, refused[0].reason)
        because = f": {fact.reason}" if fact.reason else ""
        what = f"{decision} ({verdict.agent}, {verdict.action})"
        self._announcer.announce("vetoed", f"{fact.by} vetoed {what}{because}", urgent=True)
        undo, why = await self._carry_out(fact)
        if hold is not None and hold.effect_id is None:
            # What still waited, nobody was ever told to do.
            return self._counted(verdict, why or _NOTHING_RUNS, undo)
        return self._counted(verdict, why or _AFTER_VETO.get(self._status(verdict), _NOTHING_RUNS), undo)

    def _nothing_to_veto(self, verdict: Verdict) -> str:
        """Say in a sentence why there is nothing that a veto could stop or take back; empty when there is."""
        journal, decision = self._intake.journal, verdict.decision_id
        if (earlier := veto_of(journal, decision)) is not None:
            return f"{earlier.by} vetoed it already, at {time_text(earlier.at_us)}"
        hold, status = self._hold(decision), self._status(verdict)
        if hold is not None and not hold.shadowed:
            return ""
        if status in _BY_OTHERS:
            return _BY_OTHERS[status]
        if status in {"denied", "expired", "shadowed", "held", "refused", "vetoed", "replaced"}:
            return f"nothing of it ran or will run: {_NEVER.get(status, f'it is {status}')}"
        effect = EffectId(decision)
        back = done_undo(journal, effect)
        if back is not None and done_undo(journal, back) is None:
            return f"it was taken back already, by {back}"
        return ""

    async def _carry_out(self, veto: f.DecisionOverridden) -> tuple[EffectId | None, str]:
        """See to it that nothing of the decision runs or stays. Every step of it may be taken again."""
        journal, effect = self._intake.journal, EffectId(veto.decision_id)
        because = f": {veto.reason}" if veto.reason else ""
        for _ in range(_MOST_LOOKS):
            if effect_status(journal, effect) not in {"queued", "running"}:
                break
            await self._leases.end_vetoed(veto.decision_id, f"{veto.by} vetoed it{because}")
        if effect_status(journal, effect) not in {"done", "failed", "unknown", "stopped"}:
            return None, ""
        request = wire.RequestUndo(of=effect, by=veto.by, reason=f"vetoed{because}")
        try:
            queued = await self._undo(request)
        except InputError as nothing:
            return None, f"nothing more of it runs; {nothing.message}"
        undo = queued.effect_id
        return undo, f"nothing more of it runs, and what it did is being taken back: {undo}"

    # ------------------------------------------------------------ in the words of the wire

    def _status(self, verdict: Verdict) -> wire.DecisionStatus:
        return status_of(self._intake.journal, verdict)

    def _counted(self, verdict: Verdict, reason: str, undo: EffectId | None = None) -> wire.HoldAnswer:
        return wire.HoldAnswer(
            decision_id=verdict.decision_id,
            counted=True,
            status=self._status(verdict),
            reason=reason,
            undo=undo,
        )

    def _not_counted(self, verdict: Verdict, reason: str) -> wire.HoldAnswer:
        return wire.HoldAnswer(
            decision_id=verdict.decision_id, counted=False, status=self._status(verdict), reason=reason
        )

    def _shown(self, decision: DecisionId, hold: Hold) -> wire.HoldShown:
        # An effect's end names neither episode nor digest: the verdict behind it does.
        verdict = verdict_of(self._intake.journal, decision)
        asking = [each for each in in_order(verdict) if each.ruling not in {"allow", "deny"}]
        return wire.HoldShown(
            decision_id=decision,
            since_us=hold.since_us,
            until_us=hold.until_us,
            agent=hold.agent,
            capability=hold.capability,
            action=hold.action,
            episode=verdict.episode,
            digest=verdict.digest,
            waits=hold.waits,
            approved_by=tuple(dict.fromkeys(each.by for each in hold.approvals)),
            effect_id=hold.effect_id,
            risk=verdict.assessment.risk.level,
            rule=", ".join(dict.fromkeys(each.rule for each in asking)),
        )


_NOTHING_RUNS: Final = "nothing of it runs"
_AFTER_VETO: Final[dict[wire.DecisionStatus, str]] = {
    "refused": "it had not begun, and nothing of it runs",
    "vetoed": "nothing of it runs here; what its agent did of it already is not ours to take back",
}
_BY_OTHERS: Final[dict[wire.DecisionStatus, str]] = {
    "taken": "a person did it themselves, or at the agent's own prompt, and that is not ours to take back",
    "bypassed": "its agent did it and did not wait, and that is not ours to take back",
}
_NEVER: Final[dict[wire.DecisionStatus, str]] = {
    "held": "it was in shadow, or its time was over",
    "expired": "its time was over",
    "refused": "it was refused before it began",
    "replaced": "a person changed it; veto what took its place",
}


def _has_approved(hold: Hold, fact: f.HoldAnswered) -> bool:
    return any(each.by == fact.by and RANKS[each.role] >= RANKS[fact.role] for each in hold.approvals)


def _names(people: Sequence[PersonId]) -> str:
    return " and ".join(people) or "nobody"

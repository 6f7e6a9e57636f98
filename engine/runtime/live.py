"""The live engine: what each request means. Facts go through the intake, effects through the leases."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec import UNSET, structs

from engine.core.decide import Decisions
from engine.core.evident import with_evident
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.chain import Record
from engine.core.vocabulary.effects import AskPeople
from engine.core.vocabulary.ids import AgentId, decision_id, undo_id
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.core.vocabulary.voting import AGENT
from engine.core.work.answers import timed_out
from engine.core.work.rollout.showing import under_way
from engine.errors import InputError, WatchkeeperError
from engine.ports import Durability, Task
from engine.runtime import wire
from engine.runtime.answers import CATCH_UP, AnswerKeeper
from engine.runtime.captaincy import CaptaincyKeeper
from engine.runtime.contests import ContestKeeper
from engine.runtime.escalation_words import WITHOUT_LADDERS, EscalationWords
from engine.runtime.figures import FigureKeeper
from engine.runtime.intake import Intake
from engine.runtime.leases import Leases
from engine.runtime.loop import fact_of
from engine.runtime.messages import MessageKeeper
from engine.runtime.outbox import (
    decision_behind,
    done_undo,
    effect_status,
    preview_of,
    reasons_of,
    status_of,
    verdict_of,
)
from engine.runtime.parts import Parts
from engine.runtime.proposing import outcome_before, outcome_of, reached
from engine.runtime.ratings import RatingKeeper
from engine.runtime.rollouts import RolloutKeeper
from engine.runtime.sendings import Sendings
from engine.runtime.standing_approvals import StandingKeeper
from engine.runtime.stops import StopKeeper
from engine.runtime.waking import Waking

_log = logging.getLogger(__name__)
CLOCK_TROUBLE: Final = "clock"
_MOST_NAMED: Final = 5
_NOTICED_US: Final = SECOND_US // 10
"""Smaller steps shorten no lease by enough to matter, and may come every second."""


class Live:
    """One engine on one journal."""

    def __init__(self, parts: Parts) -> None:
        """Open the journal, restore state, adopt the policy. Raises `JournalError` and `StorageError`."""
        self._parts, self.clock = parts, parts.clock
        self._subscribers: set[Callable[[wire.Happened], None]] = set()
        self.intake = Intake(
            parts.policy, parts.scrubber, parts.open_journal, parts.clock.now_us, self._taken
        )
        parts.clock.not_before(self.intake.state.now_us)
        self.leases = Leases(
            parts.policy,
            self.intake,
            parts.fence,
            parts.clock.now_us,
            lease_s=parts.lease_s,
            start_within_s=parts.start_within_s,
            end_leftovers=parts.end_leftovers,
            announcer=parts.announcer,
        )
        self.stops = StopKeeper(
            self.intake, parts.fence, parts.clock.now_us, parts.announcer, self.leases.wake
        )
        self.rollouts = RolloutKeeper(self.intake, parts.clock.now_us, parts.announcer)
        self.answers = AnswerKeeper(
            self.intake,
            self.leases,
            parts.clock.now_us,
            parts.announcer,
            stops_known=self.stops.catch_up,
            undo=self.undo,
            policy=parts.policy,
        )
        self.captaincy = CaptaincyKeeper(parts.policy, self.intake, parts.clock.now_us, parts.announcer)
        self.messages = MessageKeeper(self.intake, parts.clock.now_us)
        self.ratings = RatingKeeper(self.intake, parts.clock.now_us)
        self.standing = StandingKeeper(parts.policy, self.intake, parts.clock.now_us, parts.announcer)
        self._started_us = parts.clock.now_us()
        self._beats: dict[AgentId, int] = {}
        self._undoing, self._saving = asyncio.Lock(), asyncio.Lock()
        self._answers: dict[type[wire.Request], Callable[[Any], Awaitable[wire.AnyAnswer]]] = {
            **WITHOUT_LADDERS,
            wire.Propose: self.propose,
            wire.TellMessages: self.messages.tell,
            wire.Lease: self.leases.lease,
            wire.Start: self.leases.start,
            wire.Renew: self.leases.renew,
            wire.End: self.leases.end,
            wire.GiveBack: self.leases.give_back,
            wire.AskActions: self.leases.bodies.actions,
            wire.ReportOutcome: self.report,
            wire.Beat: self.beat,
            wire.SeePerson: self.see,
            wire.SetStop: self.stops.set,
            wire.LiftStop: self.stops.lift,
            **self.rollouts.handlers(),
            **self.answers.handlers(),
            **self.captaincy.handlers(),
            wire.RateDecision: self.ratings.rate,
            **self.standing.handlers(),
            wire.RequestUndo: self.undo,
            wire.RequestPreview: self.preview,
            wire.ClearTrouble: self.clear_trouble,
            wire.Tell: self.tell,
            wire.TakeSnapshot: self.save_snapshot,
            wire.Drain: self.drain,
            wire.GetStatus: self.status,
            **FigureKeeper(self.intake, parts.clock.now_us).handlers(),
            **ContestKeeper(parts.policy, self.intake, parts.clock.now_us, self.stops.catch_up).answers,
        }
        self.waking = self._waking(parts)
        self._end_overdue()
        self.leases.wait_for_workers()
        self._tell_again()

    # ------------------------------------------------------------ facts in, news out

    async def begin(self) -> None:
        """Do what the engine before this one left undone. Quick, and before anybody is answered."""
        try:
            await self.answers.finish()
        except WatchkeeperError as refused:
            # Nothing of a vetoed decision starts all the same, and the next minute tries again.
            _log.warning("a veto could not be carried out yet: %s", refused)

    def _waking(self, parts: Parts) -> Waking | None:
        if parts.ladders is None:
            return None
        waking = Waking(
            parts.ladders,
            self.intake,
            parts.clock.now_us,
            parts.announcer,
            stops=parts.fence.stops,
            set_stop=self.stops.set,
            reasons=lambda decision: reasons_of(self.intake.journal, decision),
        )
        self._answers |= {**EscalationWords(waking).handlers(), **Sendings(waking).handlers()}
        return waking

    async def wake_people(self) -> None:
        """Keep escalations going, for ever; where nobody is ever woken, do nothing as long."""
        await (self.waking.run() if self.waking is not None else asyncio.Event().wait())

    def _end_overdue(self) -> None:
        """Let the time pass that no engine was there to count, before anything else happens."""
        now_us = self.clock.now_us()
        if timed_out(self.intake.state.holds, now_us, self._parts.policy.policy_hash):
            tick = f.TimePassed(at_us=now_us, schedule=CATCH_UP)
            self.answers.tell(self.intake.take_now(f"time:{CATCH_UP}:{now_us}", tick).facts)

    def _tell_again(self) -> None:
        """Tell people what waits for them: who died right after journaling it may have told nobody."""
        now_us = self.clock.now_us()
        holds = self.intake.state.holds.by_id.items()
        waiting = [each for each, hold in holds if hold.is_open(now_us)]
        if waiting:
            most = ", ".join(waiting[-_MOST_NAMED:])
            self._parts.announcer.announce("waiting", f"{len(waiting)} decisions wait for people: {most}")

    def subscribe(self, hear: Callable[[wire.Happened], None]) -> Callable[[], None]:
        """Have every record told from now on; returns what ends it."""
        self._subscribers.add(hear)
        return lambda: self._subscribers.discard(hear)

    def _taken(self, records: list[Record], decided: list[Decisions]) -> None:
        effects = [effect for decisions in decided for effect in decisions.effects]
        for effect in effects:
            if isinstance(effect, AskPeople):
                self._parts.announcer.announce("waiting", f"{effect.decision_id} waits: {effect.summary}")
        for decisions in decided:
            if decisions.facts:
                self.rollouts.tell(decisions.facts)
                self.answers.tell(decisions.facts)
        if effects:
            self.leases.wake()
        if self.waking is not None:
            self.waking.look(records)
        if self._subscribers:
            for record in records:
                happened = wire.Happened(seq=record.seq, fact=fact_of(record))
                for hear in list(self._subscribers):
                    hear(happened)

    # ------------------------------------------------------------ requests

    async def propose(self, request: wire.Propose) -> wire.Decided:
        """Decide on a proposal; one that is known keeps the verdict it has."""
        proposal = request.proposal
        if proposal.found is not UNSET:
            raise InputError("what was found in a proposal is for the engine to say", place="found")
        if request.context:
            await self.messages.take(proposal.agent, proposal.episode, request.context)
        proposal = with_evident(self._parts.policy.actions, proposal)
        fact = f.ProposalReceived(at_us=self.clock.now_us(), proposal=proposal)
        self._beats[proposal.agent] = fact.at_us
        await self.stops.catch_up()
        await self.answers.catch_up()
        taken = await self.intake.take("", fact)
        came = reached(self.intake.journal, proposal.proposal_id, taken.decisions.facts, taken.seq)
        return wire.Decided(verdict=came.verdict, status=came.status, seq=came.seq)

    async def report(self, request: wire.ReportOutcome) -> wire.Done:
        """Take what an agent says came of its proposal.

        Raises `Forbidden` for the proposal of another agent, and `InputError` where the engine itself
        performs the action, and so knows better.
        """
        fact = outcome_of(
            self.intake.journal,
            request.proposal_id,
            request.agent,
            ok=request.ok,
            detail=request.detail,
            at_us=self.clock.now_us(),
            cost_usd=request.cost_usd,
            at_prompt=request.at_prompt,
        )
        is_new = outcome_before(self.intake.journal, request.proposal_id) is None
        await self.intake.take(f"outcome:{request.proposal_id}", fact)
        if fact.without_leave == "agent" and is_new:
            done = f"{fact.agent} did {fact.action} ({decision_id(fact.proposal_id)})"
            self._parts.announcer.announce("bypass", f"{done}, and nobody had allowed it", urgent=True)
        return wire.Done()

    async def beat(self, request: wire.Beat) -> wire.Done:
        """Note that an agent is alive."""
        self._beats[request.agent] = self.clock.now_us()
        return wire.Done()

    async def see(self, request: wire.SeePerson) -> wire.Done:
        """Note that a person is at the controls, once a minute at most."""
        now_us = self.clock.now_us()
        fact = f.PersonSeen(at_us=now_us, person=request.person, role=request.role)
        key = f"seen:{request.person}:{now_us // MINUTE_US}"
        if self.intake.journal.find(key) is None:
            await self.intake.take(key, fact, durability=Durability.RELAXED)
        return wire.Done()

    async def undo(self, request: wire.RequestUndo) -> wire.Queued:
        """Have an effect taken back. One whose undo is under way already gets that one's id.

        What was undone and brought back since is undone by taking back what brought it back. Raises
        `InputError` when there is nothing to take back, or it was taken back already.
        """
        # One at a time: two who ask at once get the same undo.
        async with self._undoing:
            return await self._undo(request)

    async def _undo(self, request: wire.RequestUndo) -> wire.Queued:
        journal, of = self.intake.journal, request.of
        verdict = verdict_of(journal, decision_behind(journal, of))
        status = effect_status(journal, of)
        if status not in {"done", "failed", "unknown", "stopped"}:
            where = status_of(journal, verdict) if status is None else status
            raise InputError(f"there is nothing to undo: it is {where}", place=of)
        nth = 1
        while (record := journal.find(f"undo:{undo_id(of, nth)}")) is not None:
            earlier = undo_id(of, nth)
            found = effect_status(journal, earlier)
            if found in {"queued", "running"}:
                return wire.Queued(effect_id=earlier)
            if found == "done" and (redo := done_undo(journal, earlier)) is not None:
                return await self._undo(structs.replace(request, of=redo))
            if found == "done":
                raise InputError(
                    f"it was undone already, in record {record.seq}",
                    place=of,
                    cure=f"to bring it back, undo the undo: watchkeeper undo {earlier}",
                )
            nth += 1
        fact = f.UndoRequested(
            at_us=self.clock.now_us(),
            effect_id=undo_id(of, nth),
            of=of,
            decision_id=verdict.decision_id,
            proposal_id=verdict.proposal_id,
            agent=verdict.agent,
            capability=verdict.capability,
            action=verdict.action,
            by=request.by,
            reason=request.reason,
            force=request.force,
        )
        await self.intake.take("", fact)
        return wire.Queued(effect_id=fact.effect_id)

    async def preview(self, request: wire.RequestPreview) -> wire.Previewed:
        """Have a worker say what a decided proposal would do."""
        verdict = verdict_of(self.intake.journal, request.decision_id)
        action = self._parts.policy.actions.get(verdict.action)
        if action is None or action.run is None:
            raise InputError(
                "the agent performs this action itself, so nobody here can say", place=verdict.decision_id
            )
        task = preview_of(verdict, self.clock.now_us(), action.run)
        result = await self.leases.preview(task, request.wait_s)
        return wire.Previewed(result=result)

    async def clear_trouble(self, request: wire.ClearTrouble) -> wire.Done:
        """Have a captain say that a trouble does not matter. Raises `InputError` when there is none."""
        open_now = self.intake.state.troubles.by_name
        if request.trouble not in open_now:
            known = ", ".join(open_now) or "none"
            raise InputError(f"no trouble {request.trouble!r} is open", cure=f"open troubles: {known}")
        if request.trouble == CLOCK_TROUBLE:
            # The journal's time never goes back, so neither does ours, whatever the new time is.
            self.clock_moved(self.clock.accept(self.intake.state.now_us))
        now_us = self.clock.now_us()
        fact = f.TroubleGone(at_us=now_us, trouble=request.trouble, by=request.by, detail=request.reason)
        await self.intake.take(f"trouble:{request.trouble}:{self.intake.journal.head().seq}:cleared", fact)
        self.leases.wake()
        return wire.Done()

    def clock_moved(self, by_us: int) -> None:
        """See to it that a step of the clock ends and lengthens no lease, for they go by it."""
        if abs(by_us) > _NOTICED_US:
            self.leases.give_time()

    async def tell(self, request: wire.Tell) -> wire.Done:
        """Journal what happened elsewhere in the product. Raises `InputError` for any other fact."""
        if not isinstance(request.fact, _TOLD):
            raise InputError(f"{type(request.fact).__name__} is not for others to tell")
        await self.intake.take(request.key, request.fact)
        return wire.Done()

    async def save_snapshot(self, _request: wire.TakeSnapshot | None = None) -> wire.Saved:
        """Copy journal, configuration and workspace, beside the work that goes on."""
        # One at a time: a pile of them would leave no thread for a stop.
        async with self._saving:
            saved = await asyncio.to_thread(self._parts.save_snapshot)
        fact = f.SnapshotSaved(
            at_us=self.clock.now_us(),
            snapshot_id=saved.snapshot_id,
            journal_seq=saved.journal_seq,
            files=saved.files,
            size_bytes=saved.size_bytes,
        )
        await self.intake.take(f"saved:{saved.snapshot_id}", fact)
        return wire.Saved(snapshot_id=saved.snapshot_id, files=saved.files, size_bytes=saved.size_bytes)

    async def status(self, _request: wire.GetStatus | None = None) -> wire.EngineStatus:
        """Say how the engine is."""
        state, policy, now_us = self.intake.state, self._parts.policy, self.clock.now_us()
        troubles = {name: fact.detail for name, fact in state.troubles.by_name.items()}
        queued = running = seq = 0
        tasks: list[Task] = []
        if self.intake.failure is not None:
            troubles["journal"] = str(self.intake.failure)
        else:
            tasks = self.intake.journal.tasks.all()
            running = sum(bool(task.worker) for task in tasks)
            queued, seq = len(tasks) - running, self.intake.journal.head().seq
        return wire.EngineStatus(
            pid=os.getpid(),
            version=self._parts.version,
            policy_hash=policy.policy_hash,
            started_us=self._started_us,
            now_us=now_us,
            journal_seq=seq,
            stops=self._parts.fence.stops(),
            troubles=troubles,
            draining=self.leases.draining,
            queued=queued,
            running=running,
            holds=sum(hold.is_open(now_us) for hold in state.holds.by_id.values()),
            live={str(name): str(version) for name, version in state.rollouts.live.items()},
            rollouts=under_way(state.rollouts),
            agents=tuple(
                wire.AgentSeen(agent=agent, last_us=last) for agent, last in sorted(self._beats.items())
            ),
            bodies=self.leases.bodies.seen(tasks),
            elsewhere=self.leases.bodies.elsewhere(tasks),
            actions=tuple(sorted(policy.actions)),
            unsandboxed=tuple(sorted(name for name, action in policy.actions.items() if action.unsandboxed)),
        )

    async def drain(self, _request: wire.Drain) -> wire.Done:
        """Hand out no more effects."""
        self.leases.draining = True
        return wire.Done()

    async def answer(self, request: wire.AnyRequest) -> wire.AnyAnswer:
        """Do what a request asks. Raises any error of ours."""
        if isinstance(request, _BY_CAPTAINS) and _is_person(request.by) and self.intake.failure is None:
            await self.see(wire.SeePerson(person=request.by, role="captain"))
        elif isinstance(request, _BY_ROLES) and self.intake.failure is None:
            await self.see(wire.SeePerson(person=request.by, role=request.role))
        if not isinstance(request, _AS_THEY_ARE):
            # Before anything of it is told, logged or answered; and what goes by a name is found by it again.
            request = self._parts.scrubber.without_secrets(request)
        return await self._answers[type(request)](request)


def _is_person(by: str) -> bool:
    """Whether somebody is a person. An agent that holds the veto is no captain at the controls."""
    return not by.startswith(AGENT)


_BY_CAPTAINS: Final = (
    wire.LiftStop, wire.Promote, wire.Abort, wire.TellReplay, wire.ClearTrouble, wire.Override
)  # fmt: skip
"""Only captains may ask for these, so whoever does is one, and is there."""

_BY_ROLES: Final = (wire.AnswerHold, wire.ChangeHold, wire.RateDecision)
"""Whoever asks for these says in which role."""

_AS_THEY_ARE: Final = (
    wire.Propose, wire.ReportOutcome, wire.ActIncumbent, wire.ChangeHold, wire.Tell,
    wire.Lease, wire.Start, wire.Renew, wire.End, wire.GiveBack,
)  # fmt: skip
"""What is refused rather than changed, and what becomes a fact and nothing else."""

_TOLD: Final = (
    f.ProcessEnded, f.SnapshotSaved, f.SnapshotRestored, f.EpisodeClosed, f.MessageObserved, f.MetricObserved,
    f.CommandGiven,
)  # fmt: skip

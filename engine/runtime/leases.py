"""Leases: handing effects to workers, and taking them back from workers that went silent.

An effect is on disk as allowed before it can be leased, and as started before it begins. Whoever holds an
older fencing token is turned away. What a dead worker left behind is ended before anything else is done about
it; then an idempotent effect waits again, and one that is not is reported as unknown and put before a person.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from msgspec import Struct

from engine.core.policy import Policy
from engine.core.vocabulary.effects import EffectStatus, Result
from engine.core.vocabulary.facts import EffectEnded, EffectEndTold, EffectStarted, Scope, encode
from engine.core.vocabulary.ids import DecisionId, EffectId
from engine.core.vocabulary.units import SECOND_US, duration_text
from engine.errors import InputError, JournalError, LeaseLost, Stopped, WatchkeeperError
from engine.ports import Announcer, Durability, Fence, Task
from engine.runtime import wire
from engine.runtime.bodies import Bodies, body_of, must_hold
from engine.runtime.fencing import covering
from engine.runtime.intake import Intake
from engine.runtime.loop import fact_of
from engine.runtime.outbox import ended, proposal_of, verdict_of, veto_of

# A worker that dies on an effect takes it along each time: after so many it is the effect that is to blame.
_MOST_ATTEMPTS: Final = 5
_REAP_S: Final = 0.25
_STALL_S: Final = 1.0
_VETOED: Final = "a captain vetoed it before it began"


class _LettingGo(Struct, frozen=True):
    """A worker that may still be at an effect which was ended: under which lease, and until when at most."""

    token: int
    until_us: int


class Leases:
    """Who performs what right now."""

    def __init__(
        self,
        policy: Policy,
        intake: Intake,
        fence: Fence,
        now_us: Callable[[], int],
        *,
        lease_s: float,
        start_within_s: float,
        end_leftovers: Callable[[EffectId], Awaitable[None]],
        announcer: Announcer,
    ) -> None:
        """`end_leftovers` ends whatever still works for an effect whose worker went silent."""
        self._announcer = announcer
        self._policy, self._intake, self._fence, self._now_us = policy, intake, fence, now_us
        self._lease_us, self._start_within_us = round(lease_s * SECOND_US), round(start_within_s * SECOND_US)
        self._end_leftovers = end_leftovers
        self.bodies = Bodies(policy, now_us)
        self._more: list[asyncio.Future[None]] = []
        self._previews: dict[EffectId, list[asyncio.Future[Result]]] = {}
        self._reap_from_us = 0
        self._letting_go: dict[EffectId, _LettingGo] = {}
        self.draining = False
        """Whether no more effects are handed out."""
        # Workers that outlived a restart of the engine get a whole lease to come back; whoever asked for a
        # preview did not outlive it.
        self.give_time()
        with suppress(WatchkeeperError):
            for task in intake.journal.tasks.all():
                if task.kind == "preview":
                    intake.dequeue(task.effect_id)

    def give_time(self) -> None:
        """Let everybody's lease run anew from now on.

        For when it was not the workers that were silent: the engine was, or nothing could be written, or the
        clock was set, and leases are counted by it.
        """
        self._reap_from_us = self._now_us() + self._lease_us
        by_worker: dict[str, dict[EffectId, int]] = {}
        # What cannot be written down now is covered by the time above, unless the clock was set back.
        with suppress(WatchkeeperError):
            tasks = self._intake.journal.tasks
            for task in tasks.all():
                if task.worker:
                    by_worker.setdefault(task.worker, {})[task.effect_id] = task.token
            for worker, tokens in by_worker.items():
                tasks.renew(worker, tokens, until_us=self._reap_from_us)

    def wake(self) -> None:
        """Let workers that wait look again: there may be something for them."""
        waiting, self._more = self._more, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    async def lease(self, request: wire.Lease) -> wire.Leased:
        """Hand out effects, at once or when there are some within the time asked for."""
        running = asyncio.get_running_loop()
        until = running.time() + request.wait_s
        places = ("",) if request.body is None else self.bodies.hear(request.body)
        while True:
            effects = await self._claim(request.worker, request.most, places)
            left = until - running.time()
            if effects or left <= 0:
                return wire.Leased(effects=tuple(effects), lease_s=self._lease_us / SECOND_US)
            future: asyncio.Future[None] = running.create_future()
            self._more.append(future)
            try:
                with suppress(TimeoutError):
                    await asyncio.wait_for(future, left)
            finally:
                with suppress(ValueError):
                    self._more.remove(future)

    async def start(self, request: wire.Start) -> wire.Done:
        """Note on disk that an effect is about to begin. Raises `LeaseLost`, and `Stopped` if it must not."""
        task = self._held(request.effect_id, request.token)
        must_hold(task, request.body)
        if self._must_wait(task):
            raise Stopped("what it takes back may still be under way", cure="it waits a moment")
        if self._halted:
            raise Stopped("effects wait until a trouble is over", cure="see `watchkeeper status`")
        if (stop := covering(self._fence.stops(), task)) is not None:
            raise Stopped(f"{stop.by} stopped {stop.scope}", cure="a captain may resume it")
        # One that follows from a fact is in the fence a moment later only.
        for told in self._intake.state.stops.by_scope.values():
            if told.scope.covers(task.agent, task.capability, task.action):
                raise Stopped(f"{told.by} stopped {told.scope}", cure="a captain may resume it")
        if (lost := self._no_longer(task)) is not None:
            # Given back, it is claimed once more, and refused there.
            raise Stopped(lost, cure="nothing: propose it again when it may be done")
        task = self._intake.journal.tasks.start(task.effect_id, request.token)
        if request.body:
            # It counts from the moment it asked, and we from this one: it gives up first.
            tokens = {task.effect_id: task.token}
            self._intake.journal.tasks.renew(task.worker, tokens, until_us=self._now_us() + self._lease_us)
        if task.kind != "preview":
            fact = EffectStarted(
                at_us=self._now_us(),
                effect_id=task.effect_id,
                decision_id=task.decision_id,
                kind=task.kind,
                worker=task.worker,
                token=task.token,
                attempt=task.attempts,
            )
            await self._intake.take(f"started:{task.effect_id}:{task.token}", fact)
            if task.kind == "perform" and veto_of(self._intake.journal, task.decision_id) is not None:
                # It came within the same commit. Nothing was touched yet, and nothing will be.
                raise Stopped(_VETOED, cure="nothing: a captain forbade it")
        return wire.Done()

    async def renew(self, request: wire.Renew) -> wire.Renewed:
        """Keep a worker's leases alive."""
        tasks, until_us = self._intake.journal.tasks, self._now_us() + self._lease_us
        self.bodies.heard(body_of(request.worker))
        return wire.Renewed(lost=tuple(tasks.renew(request.worker, request.tokens, until_us=until_us)))

    async def give_back(self, request: wire.GiveBack) -> wire.Done:
        """Let an effect that was not begun wait again. Raises `LeaseLost`."""
        must_hold(self._held(request.effect_id, request.token), request.body)
        self._intake.journal.tasks.give_back(request.effect_id, request.token)
        self.wake()
        return wire.Done()

    async def end(self, request: wire.End) -> wire.Done:
        """Journal how an effect ended. Saying the same again changes nothing. Raises `LeaseLost`."""
        letting_go = self._letting_go.get(request.effect_id)
        if letting_go is not None and letting_go.token == request.token:
            # Its worker is done with it, so what takes it back need wait no longer.
            del self._letting_go[request.effect_id]
            self.wake()
        known = ended(self._intake.journal, request.effect_id)
        if known is not None and (known.token, known.status) == (request.token, request.status):
            return wire.Done()
        if known is not None and request.body:
            return await self._end_told(known, request)
        task = self._held(request.effect_id, request.token)
        must_hold(task, request.body)
        try:
            await self._end(task, request.status, request.result)
        except JournalError:
            # A veto that came within the same commit was quicker.
            known = ended(self._intake.journal, request.effect_id)
            if known is None:
                raise
            if request.body:
                return await self._end_told(known, request)
            raise self._lost(request.effect_id, request.token) from None
        return wire.Done()

    async def _end_told(self, known: EffectEnded, request: wire.End) -> wire.Done:
        """Journal what a body says of an effect that was given up meanwhile. Raises `LeaseLost`.

        It was cut off, and nobody could know better. What it knows is kept, and told to whoever was woken.
        """
        began = self._intake.journal.find(f"started:{request.effect_id}:{request.token}")
        fact = fact_of(began) if began is not None else None
        if not isinstance(fact, EffectStarted) or body_of(fact.worker) != request.body:
            raise self._lost(request.effect_id, request.token)
        told = EffectEndTold(
            at_us=self._now_us(),
            effect_id=request.effect_id,
            decision_id=known.decision_id,
            kind=known.kind,
            agent=known.agent,
            body=request.body,
            token=request.token,
            status=request.status,
            result=request.result,
        )
        key = f"told:{request.effect_id}:{request.token}"
        if self._intake.journal.find(key) is None:
            await self._intake.take(key, told)
            text = f"{request.effect_id} ended as {known.status}; {request.body} says now: {request.status}"
            self._announcer.announce("waiting", text)
        return wire.Done()

    async def end_vetoed(self, decision_id: DecisionId, why: str) -> None:
        """End what waits or is under way for a decision that was vetoed; nothing when that is over already.

        Whatever works for it is ended first, and its worker's report turned away. Until the worker has let go
        of it, what takes it back waits. Raises `StorageError`.
        """
        effect_id = EffectId(decision_id)
        task = self._intake.journal.tasks.find(effect_id)
        if task is None:
            return
        # Of what a worker was let begin, now or before, nobody can say that nothing was touched.
        touched = task.attempts > 0
        if touched:
            await self._end_leftovers(effect_id)
            if task.worker:
                self._let_go(effect_id, task.token, afar=bool(task.place))
            why = f"{why}; how far it got is not known"
        status: EffectStatus = "stopped" if touched else "refused"
        try:
            await self._end(task, status, Result(success=False, error=why, execution_time_s=0.0))
        except JournalError:
            # When the worker was quicker to report, it ended as that says.
            if ended(self._intake.journal, effect_id) is None:
                raise

    def wait_for_workers(self) -> None:
        """Let what takes back vetoed effects wait until workers that outlived the engine have let go."""
        for task in self._intake.journal.tasks.all():
            if task.kind == "undo" and veto_of(self._intake.journal, task.decision_id) is not None:
                self._let_go(task.of, 0, afar=bool(task.place))

    def _let_go(self, effect_id: EffectId, token: int, *, afar: bool) -> None:
        """Note that a worker may still work on what was ended. Renewing its lease, it learns that it lost it.

        It asks every third of a lease, so half of one is enough; but a body that is cut off learns nothing,
        and goes on until its lease is over.
        """
        wait_us = self._lease_us if afar else self._lease_us // 2
        self._letting_go[effect_id] = _LettingGo(token, self._now_us() + wait_us)
        with suppress(RuntimeError):
            asyncio.get_running_loop().call_later(wait_us / SECOND_US + _REAP_S, self.wake)

    def _must_wait(self, task: Task) -> bool:
        """Whether a task takes back what a worker may still be at."""
        letting_go = self._letting_go.get(task.of) if task.kind == "undo" else None
        if letting_go is None:
            return False
        if letting_go.until_us > self._now_us():
            return True
        del self._letting_go[task.of]
        return False

    async def preview(self, task: Task, wait_s: float) -> Result:
        """Have a worker say what an effect would do. Raises `InputError` when none did in time."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._previews.setdefault(task.effect_id, []).append(future)
        try:
            self._intake.enqueue(task)
            self.wake()
            return await asyncio.wait_for(future, wait_s)
        except TimeoutError:
            raise InputError(
                f"no worker said what it would do within {wait_s:g} s",
                place=task.decision_id,
                cure="see `watchkeeper status`: is a worker running, and is nothing stopped?",
            ) from None
        finally:
            waiting = self._previews[task.effect_id]
            waiting.remove(future)
            if not waiting:
                del self._previews[task.effect_id]
                # Nobody asks any more. What cannot be taken out is done in vain, and harms nobody.
                with suppress(WatchkeeperError):
                    self._intake.dequeue(task.effect_id)

    async def reap(self) -> None:
        """Take back what silent workers hold, again and again, until cancelled."""
        running = asyncio.get_running_loop()
        while True:
            asleep, asleep_us = running.time(), self._now_us()
            await asyncio.sleep(_REAP_S)
            slept_s = max(running.time() - asleep, (self._now_us() - asleep_us) / SECOND_US)
            if slept_s > _REAP_S + _STALL_S:
                # It was this process that was silent: stopped, starved, or asleep with its machine, which
                # only our own clock counts. Workers get a lease to be heard.
                self.give_time()
            if self._intake.failure is not None or self._now_us() < self._reap_from_us:
                continue
            # What cannot be journaled now is still expired at the next round.
            with suppress(WatchkeeperError):
                await self.take_back_expired()

    async def take_back_expired(self) -> None:
        """Take back, once, what workers hold whose lease has run out. Raises `StorageError`."""
        for task in self._intake.journal.tasks.expired(self._now_us()):
            await self._take_back(task)
        for task in self._intake.journal.tasks.unclaimed(self._now_us() - self._start_within_us):
            # Workers of this machine come by themselves. A body may never come, and nobody would know.
            if (late := self._too_late(task, self._now_us())) is not None:
                await self._refuse(task, f"no body of {task.place} took it: {late}")

    def _no_longer(self, task: Task) -> str | None:
        """Say why an effect that was allowed must not begin after all. What is taken back always may."""
        if task.kind != "perform":
            return None
        if veto_of(self._intake.journal, task.decision_id) is not None:
            return _VETOED
        if self._intake.state.rollouts.may_act(task.capability):
            return None
        return f"{task.capability} lost its authority after this was allowed"

    async def _take_back(self, task: Task) -> None:
        await self._end_leftovers(task.effect_id)
        now = self._intake.journal.tasks.find(task.effect_id)
        if now is None or now.token != task.token or now.lease_until_us > self._now_us():
            # It was heard after all while that took its time.
            return
        # Done twice is done once on one machine. What is on another may still be under way there.
        may_repeat = task.idempotent and not task.place
        if not task.started or (may_repeat and task.attempts < _MOST_ATTEMPTS):
            self._intake.journal.tasks.requeue(task.effect_id)
            self.wake()
            return
        who = f"body {body_of(task.worker)}" if task.place else f"worker {task.worker}"
        silent = f"{who} went silent while it was under way"
        if (stop := covering(self._fence.stops(), task)) is not None:
            status: EffectStatus = "stopped"
            why = f"{silent}, stopped by {stop.by}; how far it got is not known"
        elif may_repeat:
            status, why = "failed", f"{silent}, for the {task.attempts}th time; it is not tried again"
        else:
            status, why = "unknown", f"{silent}; how far it got is not known, and it is not safe to try again"
        await self._end(task, status, Result(success=False, error=why, execution_time_s=0.0))

    async def _refuse(self, task: Task, why: str) -> None:
        """End what nobody will begin. Of what was begun before, nobody can say that nothing was touched."""
        lost: EffectStatus = "stopped" if why == _VETOED else "unknown"
        status: EffectStatus = "refused" if task.attempts == 0 else lost
        await self._end(task, status, Result(success=False, error=why, execution_time_s=0.0))

    async def _claim(self, worker: str, most: int, places: tuple[str, ...]) -> list[wire.LeasedEffect]:
        if self.draining or self._halted:
            return []
        tasks, now_us = self._intake.journal.tasks, self._now_us()
        claimed = tasks.claim(
            worker,
            now_us=now_us,
            lease_us=self._lease_us,
            # What must wait a moment comes first, and must not keep what comes behind it waiting too.
            most=most + len(self._letting_go),
            passed_over=self._passed_over(),
            places=places,
        )
        effects: list[wire.LeasedEffect] = []
        room = wire.MOST_BYTES // 2
        for task in claimed:
            if self._must_wait(task) or len(effects) >= most:
                tasks.give_back(task.effect_id, task.token)
                continue
            refusal = self._too_late(task, now_us) or self._no_longer(task)
            action = self._policy.actions.get(task.action)
            if refusal is None and (action is None or action.run is None):
                refusal = f"the registry no longer says how to perform {task.action}"
            if refusal is not None or action is None:
                await self._refuse(task, refusal or "")
                continue
            verdict = verdict_of(self._intake.journal, task.decision_id)
            proposal = proposal_of(self._intake.journal, verdict)
            room -= len(encode(proposal.args))
            if effects and room < 0:
                # One line has to hold them all: a longer one would never arrive.
                tasks.give_back(task.effect_id, task.token)
                continue
            effects.append(
                wire.LeasedEffect(task=task, action=action, args=proposal.args, digest=verdict.digest)
            )
        return effects

    def _too_late(self, task: Task, now_us: int) -> str | None:
        """What was allowed for now need not be right hours later, when a stop is lifted or a disk mended."""
        waited_us = now_us - task.queued_us
        if task.kind != "perform" or waited_us <= self._start_within_us:
            return None
        waited = duration_text(waited_us // SECOND_US)
        most = duration_text(self._start_within_us / SECOND_US)
        return f"it could not begin for {waited}, longer than the {most} allowed; propose it again"

    @property
    def _halted(self) -> bool:
        return self._intake.failure is not None or bool(self._intake.state.troubles.by_name)

    def _passed_over(self) -> list[Scope]:
        stops = self._intake.state.stops.by_scope.values()
        return [stop.scope for stop in stops] + [stop.scope for stop in self._fence.stops()]

    def _held(self, effect_id: EffectId, token: int) -> Task:
        task = self._intake.journal.tasks.find(effect_id)
        if task is None or not task.worker or task.token != token:
            raise self._lost(effect_id, token)
        return task

    @staticmethod
    def _lost(effect_id: EffectId, token: int) -> LeaseLost:
        return LeaseLost(f"lease {token} of {effect_id} is over", cure="stop it, and report nothing more")

    async def _end(self, task: Task, status: EffectStatus, result: Result) -> None:
        fact = EffectEnded(
            at_us=self._now_us(),
            effect_id=task.effect_id,
            decision_id=task.decision_id,
            kind=task.kind,
            proposal_id=task.proposal_id,
            agent=task.agent,
            capability=task.capability,
            action=task.action,
            token=task.token,
            status=status,
            result=result,
        )
        # A preview decides nothing, so it may wait for the next sync of the disk.
        durability = Durability.RELAXED if task.kind == "preview" else Durability.SYNCED
        await self._intake.take(f"preview:{task.effect_id}", fact, durability=durability)
        for waiting in self._previews.get(task.effect_id, ()):
            if not waiting.done():
                waiting.set_result(result)

"""Several people, one engine, and everything that can come between: a machine for Hypothesis to drive.

The engine is the real one, on a journal in memory that outlives its restarts, and the machine's steps are the
only worker. What must hold after every step is judged from the journal by short rules of its own:

- nothing begins without what its waits demanded, or a captain's word;
- nothing begins twice, behind a stop that was there before, or after a veto;
- what waits ends once at most, and every end says who ended it or that nobody answered;
- a change waits for no less than what it replaces, and where several are asked, who made it is none of them;
- the state that a restart folds is the one the engine had.
"""

from __future__ import annotations

import asyncio
import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from msgspec import UNSET

from engine.adapters.fence_memory import MemoryFence
from engine.adapters.journal_memory import MemoryJournal
from engine.core.policy import Policy
from engine.core.state import encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import AgentId, DecisionId, EffectId, ProposalId, decision_id
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.core.vocabulary.verdicts import Wait
from engine.errors import InputError, JournalError, LeaseLost, Stopped
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.live import Live
from engine.runtime.loop import fact_of, restore
from engine.runtime.outbox import status_of, verdict_of, veto_key
from engine.runtime.parts import Parts, SavedSnapshot
from engine.wiring.privacy import make_scrubber
from tests.builders import changed, impact, rule_book
from tests.live.engines import AGAIN, ONCE, SetClock, Told, asked, performing
from tests.live.hold_judge import judge

PEOPLE = {"ann": "responder", "ben": "responder", "cat": "captain", "eve": "viewer", "coder-1": "captain"}
SCOPES = (f.Scope("all"), f.Scope("agent", "coder-1"), f.Scope("action", "cache.clear"))
LIMIT = f.Limit(id="files", measure="files", most=Decimal(4), window_us=HOUR_US, per="all")
WORDS = ("approve", "approve", "deny")
VOTERS = ("ann", "cat", "agent:coder-2", "agent:coder-3", "agent:coder-1")
CHOICES = ("for", "for", "against", "abstain")
STATUSES = ("done", "failed", "unknown")
MOST = 6
"""How many decisions there are: few, so that much happens to each."""


class Lasting(MemoryJournal):
    """Outlives the engine that closes it, as a file would."""

    def close(self) -> None:
        """Stay open for the next engine."""


def policy_of(run: Any, hash_: str) -> Policy:
    """Under it the engine clears caches, the agent does all else, and four files may be used in an hour."""
    made = performing(cache_clear=run)
    advising = msgspec.structs.replace(made.rollouts.plan, mode="recommend")
    rollouts = msgspec.structs.replace(
        made.rollouts, established=("heal@1", "advise@1"), by_name={"advise": advising}
    )
    two = Wait(kind="person", role="responder", needed=2)
    votes = Wait(kind="votes", role="voters", needed=2, of=3)
    rules = rule_book(("files == 1", "escalate", {"wait": two}), ("files == 2", "consensus", {"wait": votes}))
    return changed(made, rollouts=rollouts, limits=(LIMIT,), policy_hash=hash_, hold_us=HOUR_US, rules=rules)


POLICIES = (policy_of(ONCE, "first"), policy_of(AGAIN, "second"))
numbers = st.integers(1, MOST)


class HoldMachine(RuleBasedStateMachine):
    """People, a worker, a clock and an operator, in any order."""

    def __init__(self) -> None:
        """Begin with an engine on an empty journal."""
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.journal, self.fence, self.clock = Lasting(), MemoryFence(), SetClock()
        self.told, self.policy = Told(), 0
        self.leased: dict[EffectId, int] = {}
        self.begun: set[EffectId] = set()
        self.checked = 0

    @initialize()
    def start(self) -> None:
        """Start the engine, and have something decided for people to talk about."""
        self.live = self._engine()
        self.propose(1, "cache.clear", sure=False, files=3)
        self.propose(2, "cache.clear", sure=True, files=0)
        self.propose(3, "service.restart", sure=True, files=1)
        self.propose(4, "cache.clear", sure=False, files=3)
        self.propose(5, "cache.clear", sure=True, files=2)
        self.propose(6, "cache.clear", sure=True, files=0, capability="advise@1")

    def _engine(self) -> Live:
        async def ended(_effect: EffectId) -> None:
            pass

        async def made() -> Live:
            live = Live(
                Parts(
                    policy=POLICIES[self.policy],
                    open_journal=lambda: self.journal,
                    fence=self.fence,
                    clock=self.clock,
                    announcer=self.told,
                    scrubber=make_scrubber(),
                    home=Path("nowhere"),
                    version="0",
                    lease_s=5.0,
                    start_within_s=7200.0,
                    end_leftovers=ended,
                    save_snapshot=lambda: SavedSnapshot(snapshot_id="", journal_seq=0, files=0, size_bytes=0),
                )
            )
            await live.begin()
            return live

        return self.loop.run_until_complete(made())

    def do(self, request: Any) -> Any:
        """Ask the engine, as a socket would."""
        return self.loop.run_until_complete(self.live.answer(request))

    def teardown(self) -> None:
        """Leave nothing running."""
        self.loop.close()

    # ------------------------------------------------------------ agents and people

    @rule(
        number=numbers,
        action=st.sampled_from(["cache.clear", "service.restart"]),
        sure=st.booleans(),
        files=st.sampled_from([0, 1, 2, 3]),
        capability=st.sampled_from(["heal@1", "advise@1"]),
    )
    def propose_more(self, number: int, action: str, sure: bool, files: int, capability: str) -> None:
        """An agent proposes."""
        self.propose(number, action, sure=sure, files=files, capability=capability)

    def propose(
        self, number: int, action: str, *, sure: bool, files: int, capability: str = "heal@1"
    ) -> None:
        """Propose it, unless there is one of that number."""
        sureness = 0.9 if sure else 0.1
        wish = asked(
            number, action=action, confidence=sureness, impact=impact(files=files), capability=capability
        )
        if self.journal.find(f"proposal:p-{number}") is None:
            self.do(wire.Propose(proposal=wish))

    @rule(
        number=numbers,
        by=st.sampled_from(sorted(PEOPLE)),
        word=st.sampled_from(["approve", "approve", "deny", "did"]),
    )
    def answer(self, number: int, by: str, word: Any) -> None:
        """A person answers, in time or not, allowed to or not."""
        self._said(wire.AnswerHold(decision_id=self.at(number), by=by, role=PEOPLE[by], answer=word))

    @rule(number=numbers, voter=st.sampled_from(VOTERS), choice=st.sampled_from(CHOICES))
    def vote(self, number: int, voter: str, choice: Any) -> None:
        """An agent or a person votes, on what waits for votes or on anything else."""
        request = wire.CastVote(decision_id=self.at(number), voter=voter, choice=choice)
        said = self._said(request)
        if voter == "agent:coder-1":
            assert said is None or not said.counted, "it voted on what it proposed"

    @rule(number=numbers, at_prompt=st.booleans(), ok=st.booleans())
    def report(self, number: int, at_prompt: bool, ok: bool) -> None:
        """Its agent says that it did it, whether it was allowed to or not."""
        outcome = wire.ReportOutcome(
            proposal_id=ProposalId(f"p-{number}"), agent=AgentId("coder-1"), ok=ok, at_prompt=at_prompt
        )
        # There may be no such proposal, what the engine performs it reports itself, and once it was said
        # how it went.
        with contextlib.suppress(InputError, JournalError):
            self.do(outcome)
            verdict = verdict_of(self.journal, decision_id(f"p-{number}"))
            assert verdict.shadowed or status_of(self.journal, verdict) != "held", "it waits, and it is done"

    @rule(number=numbers)
    def answer_what_was_shown_of_another(self, number: int) -> None:
        """A person was shown something else: that never counts before anything ran."""
        said = self._said(
            wire.AnswerHold(
                decision_id=self.at(number),
                by="cat",
                role="captain",
                answer="approve",
                digest="00",
            )
        )
        if said is not None and said.counted:
            assert self._ends(self.at(number))[-1].effect_id is not None

    @rule(number=numbers, word=st.sampled_from(["veto", "allow"]))
    def override(self, number: int, word: Any) -> None:
        """A captain overrules."""
        said = self._said(wire.Override(decision_id=self.at(number), by="cat", word=word, reason="r"))
        if said is not None and said.counted and word == "veto":
            assert said.status not in {"held", "granted", "queued", "running"}, said

    @rule(
        number=numbers,
        one=st.sampled_from(["approve", "deny", ""]),
        other=st.sampled_from(["veto", "allow"]),
    )
    def answer_at_once(self, number: int, one: Any, other: Any) -> None:
        """Two people speak in the same moment, and a worker begins something in it too."""
        decision = self.at(number)
        if self.journal.find(f"verdict:{decision}") is None:
            return
        self.lease(1)
        token = self.leased.get(EffectId(decision))

        async def both() -> None:
            asking: list[Any] = []
            if one:
                answer = wire.AnswerHold(decision_id=decision, by="ann", role="responder", answer=one)
                asking.append(self.live.answer(answer))
            overruling = wire.Override(decision_id=decision, by="cat", word=other, reason="r")
            asking.append(self.live.answer(overruling))
            if token is not None and decision not in self.begun:
                asking.append(self._begin(EffectId(decision), token))
            await asyncio.gather(*asking)

        self.loop.run_until_complete(both())

    def at(self, number: int) -> DecisionId:
        """Return a decision, or what people put in its place."""
        decision = decision_id(f"p-{number}")
        while self.journal.find(f"held:{decision}") is not None:
            instead = [end.replaced_by for end in self._ends(decision) if end.replaced_by is not UNSET]
            if not instead:
                break
            decision = instead[0]
        return decision

    @rule(
        number=numbers,
        by=st.sampled_from(sorted(PEOPLE)),
        files=st.sampled_from([0, 1, 2, 3]),
        service=st.sampled_from(["web", "db", ""]),
    )
    def change(self, number: int, by: str, files: int, service: str) -> None:
        """A person approves it with changes; without a service it is wrong."""
        request = wire.ChangeHold(
            decision_id=self.at(number),
            by=by,
            role=PEOPLE[by],
            args={"service": service or 1},
            files=files,
        )
        said = self._said(request)
        assert said is None or said.counted == (said.replaced_by is not None)

    @rule(
        number=numbers,
        by=st.sampled_from(["ann", "cat"]),
        files=st.sampled_from([0, 1, 3]),
        words=st.lists(st.sampled_from(["ann", "ben", "cat"]), max_size=3),
    )
    def change_and_answer(self, number: int, by: str, files: int, words: list[str]) -> None:
        """A person changes it, and people approve what it was changed to."""
        self.change(number, by, files, "cache")
        for each in words:
            self.answer(number, each, "approve")

    def _said(self, request: Any) -> wire.HoldAnswer | None:
        try:
            said: wire.HoldAnswer = self.do(request)
        except InputError:
            # Whoever changes nothing is told so.
            if isinstance(request, wire.ChangeHold):
                return None
            assert self.journal.find(f"verdict:{request.decision_id}") is None
            return None
        assert said.reason
        return said

    # ------------------------------------------------------------ a worker

    @rule(most=st.integers(1, 3))
    def lease(self, most: int) -> None:
        """A worker asks for work."""
        for effect in self.do(wire.Lease(worker="w-1", most=most, wait_s=0)).effects:
            self.leased[effect.task.effect_id] = effect.task.token
            self.begun.discard(effect.task.effect_id)

    @precondition(lambda self: self.leased.keys() - self.begun)
    @rule(data=st.data())
    def begin(self, data: Any) -> None:
        """A worker begins what it leased."""
        effect = data.draw(st.sampled_from(sorted(self.leased.keys() - self.begun)))
        self.loop.run_until_complete(self._begin(effect, self.leased[effect]))

    async def _begin(self, effect: EffectId, token: int) -> None:
        task = self.journal.tasks.find(effect)
        vetoed = task is not None and self._vetoed_before(task)
        try:
            await self.live.answer(wire.Start(effect_id=effect, token=token))
        except (Stopped, LeaseLost):
            self.leased.pop(effect, None)
            with contextlib.suppress(LeaseLost):
                await self.live.answer(wire.GiveBack(effect_id=effect, token=token))
            return
        assert not vetoed, "it began after its veto"
        assert task is not None
        if task.kind == "perform":
            assert self.journal.find(veto_key(task.decision_id)) is None, "its veto came first"
            assert not any(
                stop.scope.covers(task.agent, task.capability, task.action) for stop in self.fence.stops()
            ), "it began behind a stop"
        self.begun.add(effect)

    def _vetoed_before(self, task: Any) -> bool:
        return task.kind == "perform" and self.journal.find(veto_key(task.decision_id)) is not None

    @precondition(lambda self: self.begun)
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def end(self, data: Any, status: Any) -> None:
        """A worker reports, to whom it may concern."""
        self._report(data.draw(st.sampled_from(sorted(self.begun))), status)

    def _report(self, effect: EffectId, status: Any) -> None:
        result = Result(success=status == "done", execution_time_s=0.0)
        with contextlib.suppress(LeaseLost):
            self.do(wire.End(effect_id=effect, token=self.leased[effect], status=status, result=result))
        self.begun.discard(effect)
        self.leased.pop(effect, None)

    # ------------------------------------------------------------ the clock, operators, and a crash

    @rule(step_us=st.sampled_from([SECOND_US, MINUTE_US, HOUR_US // 2, HOUR_US]), ticks=st.booleans())
    def wait(self, step_us: int, ticks: bool) -> None:
        """Time passes, and a tick comes or is late."""
        self.clock.pass_us(step_us)
        if ticks:
            now_us = self.clock.now_us()
            fact = f.TimePassed(at_us=now_us, schedule="minute")
            self.loop.run_until_complete(self.live.intake.take(f"time:minute:{now_us}", fact))
            self.loop.run_until_complete(self.live.answers.finish())

    @rule(scope=st.sampled_from(SCOPES), told=st.booleans())
    def kill(self, scope: f.Scope, told: bool) -> None:
        """Somebody stops a part, and tells the engine or does not."""
        if told:
            self.do(wire.SetStop(scope=scope, by="ann"))
        else:
            self.fence.set(Stop(scope=scope, by="a file", reason="", at_us=self.clock.now_us()))

    @precondition(lambda self: self.fence.stops())
    @rule(data=st.data())
    def lift(self, data: Any) -> None:
        """A captain lifts a stop."""
        scope = data.draw(st.sampled_from(sorted(self.fence.stops(), key=str))).scope
        self.do(wire.LiftStop(scope=scope, by="cat", reason="a drill"))

    @rule(status=st.sampled_from(STATUSES))
    def work(self, status: Any) -> None:
        """A worker does the next thing from beginning to end."""
        self.lease(1)
        for effect in sorted(self.leased.keys() - self.begun):
            self.loop.run_until_complete(self._begin(effect, self.leased[effect]))
        for effect in sorted(self.begun):
            self._report(effect, status)

    @rule()
    def hold_back(self) -> None:
        """Somebody pauses the rollout, or resumes it."""
        paused = self.live.intake.state.rollouts.paused
        kind = wire.ResumeRollout if paused else wire.PauseRollout
        self.do(kind(capability="heal", by="ben", reason="freeze"))

    @rule(policy=st.sampled_from([0, 0, 0, 1]), snapshot=st.booleans())
    def restart(self, policy: int, snapshot: bool) -> None:
        """The engine dies and comes back, now and then with another policy."""
        if snapshot:
            self.live.intake.snapshot()
        folded, _ = restore(self.journal)
        assert encode_state(folded) == encode_state(self.live.intake.state)
        self.policy = policy
        self.live = self._engine()

    # ------------------------------------------------------------ what must hold

    def _facts(self) -> list[Any]:
        return [fact_of(record) for record in self.journal.read()]

    def _ends(self, decision: DecisionId) -> list[f.HoldEnded]:
        return [
            fact for fact in self._facts() if isinstance(fact, f.HoldEnded) and fact.decision_id == decision
        ]

    @invariant()
    def everything_is_in_order(self) -> None:
        """Judge the whole journal, if anything was added to it."""
        head = self.journal.head().seq
        if head == self.checked:
            return
        self.checked = head
        judge(self._facts())
        for decision in {
            fact.verdict.decision_id for fact in self._facts() if isinstance(fact, f.VerdictReached)
        }:
            assert status_of(self.journal, verdict_of(self.journal, decision))

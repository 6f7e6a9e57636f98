"""One world: an engine and a desk that can die at any change of the disk, and what a worker does there."""

from __future__ import annotations

import asyncio
import contextlib
import random
from pathlib import Path
from typing import Any, Final, cast

import msgspec

from engine.adapters.fence_memory import MemoryFence
from engine.commands.desk import Desk
from engine.commands.model import Account
from engine.commands.tools import Tools
from engine.core.policy import Policy
from engine.core.state import encode_state
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.actions import Running
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import CapabilityId, EffectId, PersonId, decision_id
from engine.core.vocabulary.people_facts import Role
from engine.core.vocabulary.proposals import Proposal
from engine.core.vocabulary.units import SECOND_US
from engine.core.vocabulary.verdicts import Wait
from engine.core.vocabulary.voting import VotingSettings
from engine.errors import LeaseLost, Stopped, Unreachable, WatchkeeperError
from engine.runtime import wire
from engine.runtime.live import Live
from engine.runtime.loop import fact_of, restore
from engine.runtime.parts import Parts, SavedSnapshot
from engine.wiring.privacy import make_scrubber
from tests.builders import changed, impact, rule_book, shipped
from tests.faults.people.oracle import HOLD_US, VOTING_US, Asked, Oracle, hold
from tests.faults.people.parts import (
    Accounts,
    Codes,
    Died,
    InlineHands,
    Life,
    MortalJournal,
    Reached,
    Store,
)
from tests.live.engines import SetClock, Told

PEOPLE: Final[dict[str, Role]] = {
    "ann": "responder",
    "ben": "responder",
    "cat": "captain",
    "dee": "captain",
    "eve": "viewer",
}
FRONTS: Final = ("discord", "slack", "terminal")
OWNERS: Final = {"coder-1": "ben", "coder-5": "zoe", "coder-6": "zoe"}
"""Whose agents these are; the others are their own."""
AGENTS: Final = tuple(f"coder-{number}" for number in range(1, 7))
LEASE_S: Final = 5.0
KINDS: Final = {"free": 0, "one": 1, "two": 2, "class-a": 3, "votes": 5, "both": 6}
"""Of each kind of decision, how many files it changes: that is what the policy tells them apart by."""
ACTIONS: Final = {"cache.clear": True, "service.restart": False}
"""Whether each may be begun anew when its worker went silent."""


def _policy(hash_: str) -> Policy:
    made = shipped()
    actions = dict(made.actions)
    for name, again in ACTIONS.items():
        run = Running(runner="shell", timeout_us=30 * SECOND_US, idempotent=again)
        actions[name] = msgspec.structs.replace(actions[name], run=run)
    one = Wait(kind="person", role="responder")
    two = Wait(kind="person", role="responder", needed=2, without_owner=True)
    coded = Wait(kind="person", role="responder", needed=2, without_owner=True, step_up=True)
    captain = Wait(kind="person", role="captain")
    # Five files or more take three of five votes by the shipped policy itself.
    rules = rule_book(
        *(
            (f"files == {files}", "escalate", {"wait": wait})
            for files, wait in ((1, one), (2, two), (3, coded), (6, captain))
        )
    )
    owners = {PersonId(f"agent:{agent}"): PersonId(owner) for agent, owner in OWNERS.items()}
    return changed(
        made,
        actions=actions,
        limits=(),
        rules=rules,
        policy_hash=hash_,
        hold_us=HOLD_US,
        voting=VotingSettings(owners=owners, deadline_us=VOTING_US),
        rollouts=msgspec.structs.replace(made.rollouts, established=(CapabilityId("heal@1"),)),
    )


POLICIES: Final = (_policy("first"), _policy("second"))


def owner_of(agent: str) -> str:
    """Return whose an agent is."""
    return OWNERS.get(agent, f"agent:{agent}")


class World:
    """Everything one interleaving plays in."""

    def __init__(self, loop: asyncio.AbstractEventLoop, seed: str) -> None:
        """Start an engine and a desk on an empty disk."""
        self.loop, self.random = loop, random.Random(seed)
        self.store, self.fence, self.clock = Store(), MemoryFence(), SetClock()
        self.oracle, self.codes, self.engine = Oracle(), Codes(), Reached()
        self.accounts = Accounts(cast("dict[str, Any]", PEOPLE), FRONTS)
        self.policy = self.seen = self.batch = 0
        self.adopted: list[tuple[int, int]] = []
        """Which policy began to decide when."""
        self.proposals: dict[str, Proposal] = {}
        self.leased: dict[EffectId, Any] = {}
        self.begun: set[EffectId] = set()
        self._beginning: set[EffectId] = set()
        self._reporting: set[EffectId] = set()
        self.gone: list[Any] = []
        """What workers that went silent had leased."""
        self.life = Life(loop)

    async def open(self) -> None:
        """Let an engine and a desk begin."""
        self.desk = self._desk()
        await self.boot()

    # ------------------------------------------------------------ engine and desk

    async def boot(self) -> None:
        """Start an engine on the disk there is, again and again until it survives its start."""
        while True:
            self.life = Life(self.loop)
            self.engine.live, self.engine.life = None, self.life
            try:
                live = Live(self._parts())
                await live.begin()
            except Died:
                continue
            self.engine.live = live
            return

    def _parts(self) -> Parts:
        async def ended(_effect: EffectId) -> None:
            pass

        journal = MortalJournal(self.store, self.life)
        return Parts(
            policy=POLICIES[self.policy],
            open_journal=lambda: cast("Any", journal),
            fence=self.fence,
            clock=self.clock,
            announcer=Told(),
            scrubber=make_scrubber(),
            home=Path("nowhere"),
            version="0",
            lease_s=LEASE_S,
            start_within_s=4 * 3600.0,
            end_leftovers=ended,
            save_snapshot=lambda: SavedSnapshot(snapshot_id="", journal_seq=0, files=0, size_bytes=0),
        )

    async def restart(self, *, policy: int | None = None, snapshot: bool = False) -> None:
        """End the engine, if it lives, and start the next one; what it knew must be what the disk says."""
        if not self.life.over.done():
            live = self.engine.live
            if snapshot:
                with contextlib.suppress(Died):
                    live.intake.snapshot()
        if not self.life.over.done():
            folded, _ = restore(self.store)
            hold(
                encode_state(folded) == encode_state(live.intake.state), "the disk does not say what it knew"
            )
            self.life.over.set_result(None)
        self.engine.live = None
        # Whoever still waits for it hears that it is gone.
        await asyncio.sleep(0)
        self.policy = self.policy if policy is None else policy
        self.adopted.append((self.clock.now_us(), self.policy))
        # A start may end what the last engine had marked as begun before any fact told of it.
        self.look()
        await self.boot()
        self.look()

    def _desk(self) -> Desk:
        tools = Tools(
            engine=cast("Any", self.engine),
            journal=lambda: self.store,
            looking=lambda: self.store,
            fence=self.fence,
            sweep=lambda: None,
            links=cast("Any", self.accounts),
            step_up=cast("Any", self.codes),
            replays=cast("Any", None),
            shelf=cast("Any", None),
            version="0",
        )
        tools.stopping._sweepers = cast("Any", InlineHands())
        return Desk(tools)

    async def restart_front(self) -> None:
        """The front-end dies and comes back: it has forgotten whom it answered, and what it asked."""
        for task in list(self.desk._behind):
            task.cancel()
        self.desk = self._desk()

    def account(self, person: str, front: str) -> Account:
        """Return a person's account on a platform; at the terminal a token says who they are."""
        if front == "terminal":
            return Account(front="terminal", account_id="tty", person=PersonId(person), role=PEOPLE[person])
        return Account(front=cast("Any", front), account_id=f"{front}-{person}")

    # ------------------------------------------------------------ the book, from what the disk has by now

    def look(self) -> None:
        """Write down what was decided, and what a crash kept from being answered though it is on the disk."""
        for record in self.store.read(after=self.seen):
            fact = fact_of(record)
            if isinstance(fact, f.VerdictReached):
                verdict, proposal = fact.verdict, self.proposals[fact.verdict.proposal_id]
                kind = next(name for name, files in KINDS.items() if files == proposal.impact.files)
                self.oracle.asked[verdict.decision_id] = Asked(
                    kind=kind,
                    agent=proposal.agent,
                    owner=owner_of(proposal.agent),
                    args=proposal.args,
                    at_us=verdict.at_us,
                    policy=0 if verdict.policy_hash == "first" else 1,
                    again=ACTIONS[proposal.action],
                )
            elif isinstance(fact, f.DecisionOverridden) and fact.word == "veto":
                self.oracle.vetoed.setdefault(fact.decision_id, fact.by)
            elif isinstance(fact, f.EffectStarted):
                self.oracle.noted.add(fact.effect_id)
            elif isinstance(fact, f.EffectEnded):
                self.oracle.ended.add(fact.effect_id)
        self.seen = self.store.head().seq
        # Of what was marked as begun nobody can say that nothing was touched, though no fact tells of it.
        self.oracle.noted |= {task.effect_id for task in self.store.tasks.all() if task.attempts}

    def decisions(self) -> list[str]:
        """Return every decision there is, in the order in which they were made."""
        self.look()
        return list(self.oracle.asked)

    # ------------------------------------------------------------ agents

    async def propose(self, proposal: Proposal) -> None:
        """Propose, for the first time or again. What is on the disk first is what was proposed."""
        self.proposals.setdefault(proposal.proposal_id, proposal)
        try:
            await self.engine.ask(wire.Propose(proposal=proposal))
        except WatchkeeperError as refused:
            known = self.store.find(f"proposal:{proposal.proposal_id}")
            changed_since = self.proposals[proposal.proposal_id] != proposal
            hold(changed_since or isinstance(refused, Unreachable), f"refused without a change: {refused}")
            if known is None and not changed_since:
                del self.proposals[proposal.proposal_id]
        else:
            hold(self.proposals[proposal.proposal_id] == proposal, "a changed proposal passed for another")
        self.look()

    def proposal(self, number: int, kind: str, agent: str, action: str) -> Proposal:
        """Make one of a kind."""
        return Proposal(
            proposal_id=cast("Any", f"p-{number}"),
            agent=cast("Any", agent),
            capability=CapabilityId("heal@1"),
            action=cast("Any", action),
            args={"service": f"web-{number}"},
            confidence=0.95,
            impact=impact(files=KINDS[kind]),
            **({"owner": PersonId(OWNERS[agent])} if agent in OWNERS else {}),
        )

    def digest_of(self, decision: str) -> str:
        """Return what an approval of a decision binds to."""
        record = self.store.find(f"verdict:{decision}")
        return cast("Any", fact_of(record)).verdict.digest if record is not None else ""

    # ------------------------------------------------------------ a worker

    async def lease(self, most: int) -> None:
        """Ask for work."""
        try:
            leased = await self.engine.ask(wire.Lease(worker="w-1", most=most, wait_s=0))
        except WatchkeeperError:
            return
        for effect in leased.effects:
            self.leased[effect.task.effect_id] = effect
            self.begun.discard(effect.task.effect_id)

    async def begin(self, effect: Any) -> bool:
        """Begin what was leased, if the engine lets it, and have that judged."""
        task = effect.task
        if task.effect_id in self._beginning:
            # A worker asks once at a time. Asking twice at once it could be allowed by one answer, stopped by
            # the other, and give back what it has begun. The engine has to believe it: only workers know.
            return False
        against = self.oracle.before(task)
        self._beginning.add(task.effect_id)
        try:
            await self.engine.ask(wire.Start(effect_id=task.effect_id, token=task.token))
        except (Stopped, LeaseLost):
            if self.leased.get(task.effect_id) is effect:
                del self.leased[task.effect_id]
            with contextlib.suppress(WatchkeeperError):
                await self.engine.ask(wire.GiveBack(effect_id=task.effect_id, token=task.token))
            return False
        except Unreachable:
            return False
        finally:
            self._beginning.discard(task.effect_id)
        self.look()
        self.oracle.begins(task, against, effect.args)
        if self.leased.get(task.effect_id) is effect:
            self.begun.add(task.effect_id)
        return True

    async def end(self, effect: Any, status: Any) -> None:
        """Report how it ended; whoever holds an older lease is turned away."""
        task = effect.task
        if task.effect_id in self._reporting:
            return
        result = Result(success=status == "done", error="" if status == "done" else "it did not work",
                        execution_time_s=0.0)  # fmt: skip
        request = wire.End(effect_id=task.effect_id, token=task.token, status=status, result=result)
        self._reporting.add(task.effect_id)
        try:
            await self.engine.ask(request)
        except LeaseLost:
            pass
        except Unreachable:
            return
        finally:
            self._reporting.discard(task.effect_id)
        if self.leased.get(task.effect_id) is effect:
            del self.leased[task.effect_id]
            self.begun.discard(task.effect_id)
        self.look()

    def vanish(self) -> None:
        """The worker goes silent over whatever it has."""
        self.silence()
        self.gone += self.leased.values()
        self.leased, self.begun = {}, set()

    def silence(self) -> None:
        """Note that the worker keeps none of its leases."""
        self.oracle.silent |= {effect.task.token for effect in self.leased.values()}

    async def reap(self) -> None:
        """Have what silent workers hold taken back."""
        self.silence()
        self.clock.pass_us(round(LEASE_S * 1.5 * SECOND_US))
        life = self.life
        if life.over.done():
            return
        task = asyncio.ensure_future(self.engine.live.leases.take_back_expired())
        await asyncio.wait((task, life.over), return_when=asyncio.FIRST_COMPLETED)
        if life.over.done():
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return
        task.result()

    # ------------------------------------------------------------ time

    async def tick(self) -> None:
        """A minute's tick comes."""
        if self.life.over.done():
            return
        now_us = self.clock.now_us()
        fact = f.TimePassed(at_us=now_us, schedule="minute")
        live = self.engine.live

        async def pass_() -> None:
            await live.intake.take(f"time:minute:{now_us}", fact)
            await live.answers.finish()

        task = asyncio.ensure_future(pass_())
        await asyncio.wait((task, self.life.over), return_when=asyncio.FIRST_COMPLETED)
        if self.life.over.done():
            task.cancel()
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            return
        task.result()

    def decision_of(self, number: int) -> str:
        """Return the decision on a proposal."""
        return decision_id(cast("Any", f"p-{number}"))

"""One interleaving: some decisions, steps drawn from a seed, and an end of everything, which is judged."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from engine.core.vocabulary import facts as f
from engine.core.vocabulary.units import HOUR_US, MINUTE_US, SECOND_US
from engine.errors import WatchkeeperError
from engine.ports import Stop
from engine.runtime import wire
from tests.faults.people.explained import explained
from tests.faults.people.oracle import Broken, Word, hold
from tests.faults.people.parts import Died
from tests.faults.people.world import ACTIONS, AGENTS, FRONTS, KINDS, PEOPLE, World, owner_of

_MOST_DECISIONS: Final = 4
_STEPS: Final = (14, 26)
_SCOPES: Final = (f.Scope("all"), f.Scope("agent", "coder-1"), f.Scope("action", "cache.clear"))
_ENDS: Final = ("done", "done", "failed", "unknown")


class Play:
    """The steps there are, in one world."""

    def __init__(self, world: World) -> None:
        """Nothing has happened yet."""
        self.world, self.random = world, world.random
        self.steps: list[str] = []
        self.counts: Counter[str] = Counter()
        self._keys, self._proposed = 0, 0
        self._lifted: Counter[f.Scope] = Counter()
        self._lifting: Counter[f.Scope] = Counter()
        self._delivered: list[tuple[str, Any, str, str, Word | None]] = []
        self.alone: dict[Callable[[], Awaitable[None]], int] = {
            self.propose: 3, self.repeat: 1, self.mutate: 2, self.tick: 3, self.wait: 4, self.restart: 2,
            self.restart_front: 1, self.vanish: 2, self.zombie: 1, self.reap: 1, self.at_once: 8,
        }  # fmt: skip
        self.together: dict[Callable[[], Awaitable[None]], int] = {
            self.approve: 14, self.deny: 3, self.vote: 6, self.agent_votes: 16, self.veto: 4, self.allow: 3,
            self.stale: 3, self.redeliver: 6, self.kill: 3, self.resume: 5, self.work: 10, self.lease: 3,
            self.begin: 4, self.end: 3,
        }  # fmt: skip

    # ------------------------------------------------------------ from beginning to end

    async def run(self) -> None:
        """Play it. Raises `Broken`."""
        await self.world.open()
        for _ in range(self.random.randint(2, 3)):
            await self.propose()
        every = self.alone | self.together
        for _ in range(self.random.randint(*_STEPS)):
            (step,) = self.random.choices(list(every), list(every.values()))
            if self.random.random() < 0.12:
                self.world.life.left, self.world.life.half = (
                    self.random.randint(0, 4),
                    self.random.random() < 0.5,
                )
            await self._do(step)
            if self.world.life.over.done():
                self._note("died")
                self.counts["died"] += 1
                await self.restart()
            self.world.life.left = None
        await self.finish()

    async def _do(self, step: Callable[[], Awaitable[None]]) -> None:
        self.counts[step.__name__] += 1
        self.world.batch += 1
        await step()

    def _note(self, *words: object) -> None:
        self.steps.append(" ".join(map(str, words)))

    def _some(self) -> str:
        """Draw a decision, the newest more often."""
        known = self.world.decisions()
        return self.random.choice(known + known[-2:]) if known else "d_0000000000000000"

    # ------------------------------------------------------------ agents

    async def propose(self) -> None:
        """An agent proposes."""
        if self._proposed >= _MOST_DECISIONS:
            return
        self._proposed += 1
        kind, agent = self.random.choice(list(KINDS)), self.random.choice(AGENTS[:2])
        action = self.random.choice(list(ACTIONS))
        self._note("propose", self._proposed, kind, agent, action)
        await self.world.propose(self.world.proposal(self._proposed, kind, agent, action))

    async def repeat(self) -> None:
        """A proposal is delivered once more."""
        if self.world.proposals:
            proposal = self.random.choice(list(self.world.proposals.values()))
            self._note("repeat", proposal.proposal_id)
            await self.world.propose(proposal)

    async def mutate(self) -> None:
        """A proposal comes again, changed: other arguments, or less than was said before."""
        if not self.world.proposals:
            return
        proposal = self.random.choice(list(self.world.proposals.values()))
        changes = ({"args": {"service": "everything"}}, {"action": "service.restart"}, {"agent": "coder-2"})
        changed = msgspec.structs.replace(proposal, **self.random.choice(changes))
        self._note("mutate", proposal.proposal_id)
        await self.world.propose(changed)

    async def agent_votes(self) -> None:
        """An agent votes, as it does over HTTP."""
        agent, decision = self.random.choice(AGENTS), self._voted_on()
        choice = self.random.choice(("for", "for", "for", "against", "abstain"))
        self._note(agent, "votes", choice, decision)
        word = self._word(owner_of(agent), "responder", choice)
        request = wire.CastVote(decision_id=decision, voter=f"agent:{agent}", choice=choice)  # type: ignore[arg-type]  # texts
        await self._ask(decision, word, request)

    def _voted_on(self) -> str:
        """Draw a decision that takes votes, or any."""
        known = [name for name, asked in self.world.oracle.asked.items() if asked.kind in {"votes", "both"}]
        return self.random.choice(known) if known and self.random.random() < 0.9 else self._some()

    # ------------------------------------------------------------ people

    async def approve(self) -> None:
        """A person approves."""
        decision, person = self._some(), self.random.choice(list(PEOPLE))
        await self._say(person, f"approve {decision}", decision, "approve")

    async def deny(self) -> None:
        """A person denies."""
        decision, person = self._some(), self.random.choice(list(PEOPLE))
        await self._say(person, f"deny {decision} not now", decision, "deny")

    async def vote(self) -> None:
        """A person votes."""
        decision, person = self._voted_on(), self.random.choice(list(PEOPLE))
        choice = self.random.choice(("for", "for", "against", "abstain"))
        await self._say(person, f"vote {decision} {choice}", decision, choice)

    async def veto(self) -> None:
        """A captain, or who would be one, vetoes."""
        decision, person = self._some(), self.random.choice(("cat", "cat", "dee", "ann"))
        await self._say(person, f"captain-override {decision} veto smoke", decision, "veto")

    async def allow(self) -> None:
        """A captain, or who would be one, lets it go on."""
        decision, person = self._some(), self.random.choice(("cat", "dee", "ann"))
        await self._say(person, f"captain-override {decision} allow urgent", decision, "allow")

    async def _say(self, person: str, line: str, decision: str, what: Any) -> None:
        front = self.random.choice(FRONTS)
        self._keys += 1
        key, account = f"k{self._keys}", self.world.account(person, front)
        word = self._word(person, PEOPLE[person], what)
        self._note(person, "at", front, "says", line, f"({key})")
        self._delivered.append((line, account, key, decision, word))
        await self._deliver(line, account, key, decision, word)

    async def redeliver(self) -> None:
        """A platform delivers once more what it delivered before."""
        if not self._delivered:
            return
        place = self.random.randrange(len(self._delivered))
        line, account, key, decision, earlier = self._delivered[place]
        self._note("again", key, line)
        if earlier is None or earlier.state != "lost":
            await self.world.desk.give(line, account, key)
            return
        # What was never answered is said anew, if ever it was said.
        word = self._word(earlier.by, earlier.role, earlier.word)
        self._delivered[place] = (line, account, key, decision, word)
        await self._deliver(line, account, key, decision, word)

    async def _deliver(self, line: str, account: Any, key: str, decision: str, word: Word) -> None:
        """Give a command, press what it asks for, and write down what came of it."""
        world = self.world
        world.oracle.say(decision, word)
        reply = await world.desk.give(line, account, key)
        for press in range(3):
            if reply.outcome != "asks":
                break
            button = reply.buttons[0].line
            if button.startswith("code"):
                good = self.random.random() < 0.85
                code = world.codes.look(word.by)
                button += f" {code}" if good else " 999999"
                word.code = good
            reply = await world.desk.give(button, account, f"{key}.{press}")
        counted = {"done": "counted", "failed": "lost"}.get(reply.outcome, "refused")
        if reply.title == "That was begun already":
            counted = "lost"
        world.oracle.settle(decision, word, counted)

    async def stale(self) -> None:
        """A person approves over HTTP what was shown of another decision, or of an older proposal."""
        decision, shown = self._some(), self._some()
        person = self.random.choice(("ann", "cat", "dee"))
        self._note(person, "approves", decision, "shown", shown)
        word = self._word(person, PEOPLE[person], "approve")
        word.right = shown == decision
        request = wire.AnswerHold(
            decision_id=decision,  # type: ignore[arg-type]  # a text
            by=person,  # type: ignore[arg-type]  # a text
            role=PEOPLE[person],
            answer="approve",
            digest=self.world.digest_of(shown),  # type: ignore[arg-type]  # a text
        )
        await self._ask(decision, word, request)

    async def _ask(self, decision: str, word: Word, request: Any) -> None:
        self.world.oracle.say(decision, word)
        try:
            answer = await self.world.engine.ask(request)
        except WatchkeeperError as failed:
            lost = type(failed).__name__ == "Unreachable"
            self.world.oracle.settle(decision, word, "lost" if lost else "refused")
        else:
            self.world.oracle.settle(decision, word, "counted" if answer.counted else "refused")

    def _word(self, by: str, role: str, word: Any) -> Word:
        world = self.world
        return Word(
            by=by, role=role, word=word, at_us=world.clock.now_us(), policy=world.policy, batch=world.batch
        )

    # ------------------------------------------------------------ stops

    async def kill(self) -> None:
        """Somebody stops a part: in a chat, by the engine, or by a file while nobody listens."""
        scope, how = self.random.choice(_SCOPES), self.random.choice(("chat", "engine", "file"))
        self._note("kill", scope, how)
        world, lifted = self.world, (self._lifted[scope], self._lifting[scope])
        if how == "file":
            world.fence.set(Stop(scope=scope, by="a file", reason="", at_us=world.clock.now_us()))
        elif how == "chat":
            self._keys += 1
            reply = await world.desk.give(
                f"kill-autonomous {scope} smoke", world.account("ann", "slack"), f"k{self._keys}"
            )
            if reply.outcome != "done":
                return
        else:
            try:
                await world.engine.ask(wire.SetStop(scope=scope, by="ann"))  # type: ignore[arg-type]  # a text
            except WatchkeeperError:
                return
        if lifted == (self._lifted[scope], 0):
            # Whoever lifts it in the same moment may do so before or after.
            world.oracle.stops[scope] = how
        self.counts["stopped"] += 1

    async def resume(self) -> None:
        """A captain lifts a stop."""
        if stops := sorted(self.world.fence.stops(), key=lambda stop: str(stop.scope)):
            await self._resume(self.random.choice(stops).scope)

    async def _resume(self, scope: Any) -> None:
        self._note("resume", scope)
        self._keys += 1
        key, account = f"k{self._keys}", self.world.account("cat", self.random.choice(FRONTS))
        self._lifted[scope] += 1
        self._lifting[scope] += 1
        self.world.oracle.stops.pop(scope, None)
        reply = await self.world.desk.give(f"resume-autonomous {scope} a drill", account, key)
        if reply.outcome == "asks":
            await self.world.desk.give(reply.buttons[0].line, account, f"{key}.0")
        self._lifting[scope] -= 1
        if any(stop.scope == scope for stop in self.world.fence.stops()):
            # Whether it failed or somebody stopped it again meanwhile: it stands.
            self.world.oracle.stops[scope] = "still"

    # ------------------------------------------------------------ a worker

    async def lease(self) -> None:
        """The worker asks for work."""
        self._note("lease")
        await self.world.lease(self.random.randint(1, 3))

    async def begin(self) -> None:
        """The worker begins one of what it has."""
        if waiting := sorted(self.world.leased.keys() - self.world.begun):
            effect = self.random.choice(waiting)
            self._note("begin", effect)
            await self.world.begin(self.world.leased[effect])

    async def end(self) -> None:
        """The worker reports one that it began."""
        if begun := sorted(self.world.begun & self.world.leased.keys()):
            effect, status = self.random.choice(begun), self.random.choice(_ENDS)
            self._note("end", effect, status)
            await self.world.end(self.world.leased[effect], status)

    async def work(self) -> None:
        """The worker does what there is from beginning to end."""
        self._note("work")
        await self._work(self.random.choice(_ENDS))

    async def _work(self, status: str) -> None:
        await self.world.lease(3)
        for effect in sorted(self.world.leased):
            has = self.world.leased.get(effect)
            if has is not None and (effect in self.world.begun or await self.world.begin(has)):
                await self.world.end(has, status)

    async def vanish(self) -> None:
        """The worker goes silent, and half of the time that is noticed at once."""
        self._note("vanish", *sorted(self.world.leased))
        self.world.vanish()
        if self.random.random() < 0.5:
            await self.reap()

    async def zombie(self) -> None:
        """A worker that was silent goes on as if nothing had been."""
        if self.world.gone:
            effect = self.random.choice(self.world.gone)
            self._note("zombie", effect.task.effect_id, effect.task.token)
            if effect.task.token in self.world.oracle.began.get(effect.task.effect_id, []) or (
                await self.world.begin(effect)
            ):
                await self.world.end(effect, "done")

    async def reap(self) -> None:
        """Leases run out, and what nobody kept is taken back."""
        self._note("reap")
        await self.world.reap()

    # ------------------------------------------------------------ time, and the engine's end

    async def wait(self) -> None:
        """Time passes, and a tick comes or is late."""
        us = self.random.choice((SECOND_US, MINUTE_US, 15 * MINUTE_US, 25 * MINUTE_US, HOUR_US))
        self._note("wait", us // SECOND_US)
        self.world.clock.pass_us(us)
        if self.random.random() < 0.5:
            await self.tick()

    async def tick(self) -> None:
        """A tick comes."""
        self._note("tick")
        await self.world.tick()

    async def restart(self) -> None:
        """The engine dies where it stands and comes back, now and then with another policy."""
        policy = self.world.policy ^ (self.random.random() < 0.08)
        self._note("restart", policy)
        await self.world.restart(policy=policy, snapshot=self.random.random() < 0.3)

    async def restart_front(self) -> None:
        """The front-end dies and comes back."""
        self._note("restart the front")
        await self.world.restart_front()

    async def at_once(self) -> None:
        """Two or three things happen in the same moment."""
        steps = self.random.choices(
            list(self.together), list(self.together.values()), k=self.random.randint(2, 3)
        )
        self._note("at once:", *(step.__name__ for step in steps))
        for step in steps:
            self.counts[step.__name__] += 1
        await asyncio.gather(*(step() for step in steps))

    # ------------------------------------------------------------ the end

    async def finish(self) -> None:
        """Let everything come to its end: stops lifted, work done, and time for what nobody answered."""
        self._note("finish")
        world = self.world
        world.batch += 1
        for _ in range(2):
            for stop in world.fence.stops():
                await self._resume(stop.scope)
            world.vanish()
            await self.reap()
            for _ in range(3):
                await self._work("done")
            world.clock.pass_us(3 * HOUR_US)
            await world.tick()
        hold(not world.fence.stops(), "a stop cannot be lifted")
        hold(not world.store.tasks.all(), f"never done: {world.store.tasks.all()}")
        world.store.verify()
        for decision in world.decisions():
            self.counts[f"end {explained(world, decision)}"] += 1


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one interleaving in which nothing went wrong."""

    counts: Counter[str]
    steps: tuple[str, ...]
    head: str
    """The hash of the journal's last record: two that end in the same had the same journal."""


def play(seed: str, loop: asyncio.AbstractEventLoop) -> Played:
    """Play one interleaving on a `SteadyLoop`. Raises `Broken` with all its steps."""
    unseen: list[BaseException] = []

    def hear(_loop: Any, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if error is not None and not isinstance(error, Died):
            unseen.append(error)

    loop.set_exception_handler(hear)
    made = Play(World(loop, seed))
    try:
        loop.run_until_complete(made.run())
        if unseen:
            raise unseen[0]
    except Exception as broken:
        steps = "\n  ".join(made.steps)
        raise Broken(f"seed {seed}: {type(broken).__name__}: {broken}\n  {steps}") from broken
    finally:
        _clear(loop)
    return Played(
        counts=made.counts + made.world.oracle.counts,
        steps=tuple(made.steps),
        head=made.world.store.head().hash,
    )


def _clear(loop: asyncio.AbstractEventLoop) -> None:
    """End whatever still waits in a world that is over."""
    left = asyncio.all_tasks(loop)
    for task in left:
        task.cancel()
    if left:
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

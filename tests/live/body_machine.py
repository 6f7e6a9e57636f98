"""Bodies that are cut off, killed and answered twice: a machine for Hypothesis to drive the leases with.

The engine is the real one. The bodies are models of what a body may do at most: they hear answers or lose
them, say old things again, are cut off for any time, die at any point, and go by their own clock and notes
alone. What must hold whatever happens:

- no effect touches the world twice, and never while two are at it;
- none touches it behind a stop that the engine had when it said yes;
- once the engine has given an effect up, nobody is at it any more;
- in the end the engine knows of every effect how it ended, and what a body knew is in the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec import Struct, structs

from engine.adapters.fence_memory import MemoryFence
from engine.core.vocabulary import facts as f
from engine.core.vocabulary.effects import Result
from engine.core.vocabulary.ids import EffectId, decision_id
from engine.core.vocabulary.units import SECOND_US
from engine.errors import LeaseLost, Stopped
from engine.ports import Stop
from engine.runtime import wire
from engine.runtime.bodies import worker_of
from engine.runtime.live import Live
from engine.runtime.loop import fact_of
from engine.runtime.outbox import effect_status, ended
from engine.runtime.parts import Parts, SavedSnapshot
from engine.wiring.privacy import make_scrubber
from tests.live.engines import AGAIN, ONCE, SetClock, Told, asked, performing
from tests.live.hold_machine import Lasting

LEASE_S = 5.0
POLICIES = [performing(cache_clear=structs.replace(run, on="dev")) for run in (ONCE, AGAIN)]
NAMES = ("desk", "lap")
SCOPES = (f.Scope("all"), f.Scope("action", "cache.clear"), f.Scope("agent", "coder-9"))
MOST = 5
OK = Result(success=True, output="ok", execution_time_s=0.1)
bodies = st.sampled_from(NAMES)
numbers = st.integers(1, MOST)


class Held(Struct):
    """What a body's notes say of one effect."""

    token: int
    stage: str
    """`leased`, `asked`, `begun`, `ended`."""
    good_until_us: int = 0
    status: str = ""


class Body:
    """What one body knows."""

    def __init__(self, name: str) -> None:
        self.name, self.runs, self.connected = name, 1, True
        self.held: dict[EffectId, Held] = {}
        self.said: list[wire.AnyRequest] = []

    @property
    def run(self) -> str:
        return f"run{self.runs}"


class BodyMachine(RuleBasedStateMachine):
    """An engine, two bodies of one pool, a network, a clock and an operator, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.journal, self.fence, self.clock = Lasting(), MemoryFence(), SetClock()
        self.bodies = {name: Body(name) for name in NAMES}
        self.touched: list[EffectId] = []
        self.known: dict[EffectId, str] = {}

    @initialize(policy=st.sampled_from([0, 1]))
    def start(self, policy: int) -> None:
        self.policy = POLICIES[policy]
        self.live = self._engine()
        for number in range(1, MOST):
            self.propose(number)

    def _engine(self) -> Live:
        async def nothing_left(_effect: EffectId) -> None:
            pass

        async def made() -> Live:
            parts = Parts(
                policy=structs.replace(
                    self.policy, rollouts=structs.replace(self.policy.rollouts, established=("heal@1",))
                ),
                open_journal=lambda: self.journal,
                fence=self.fence,
                clock=self.clock,
                announcer=Told(),
                scrubber=make_scrubber(),
                home=Path("nowhere"),
                version="0",
                lease_s=LEASE_S,
                start_within_s=7200.0,
                end_leftovers=nothing_left,
                save_snapshot=lambda: SavedSnapshot(snapshot_id="", journal_seq=0, files=0, size_bytes=0),
            )
            live = Live(parts)
            await live.begin()
            return live

        return self.loop.run_until_complete(made())

    def teardown(self) -> None:
        if hasattr(self, "live"):
            self._settle()
        self.loop.close()

    def _do(self, request: wire.AnyRequest) -> Any:
        return self.loop.run_until_complete(self.live.answer(request))

    def _ask(self, body: Body, request: wire.AnyRequest, lost: str) -> Any:
        """Ask as that body; `None` when no answer came, whether or not the engine took it."""
        body.said.append(request)
        if not body.connected or lost == "asked":
            return None
        try:
            said = self._do(request)
        except (LeaseLost, Stopped) as refused:
            said = refused
        return None if lost == "answered" else said

    # ------------------------------------------------------------ what happens

    @rule(number=numbers)
    def propose(self, number: int) -> None:
        """An agent proposes what a body is to do."""
        if self.journal.find(f"proposal:p-{number}") is None:
            self._do(wire.Propose(proposal=asked(number)))

    @rule(who=bodies, most=st.integers(1, 3), lost=st.sampled_from(["", "", "", "answered"]))
    def lease(self, who: str, most: int, lost: str) -> None:
        """A body takes what there is, or never hears that it was given it."""
        body = self.bodies[who]
        about = wire.Body(name=who, pools=("dev",))
        request = wire.Lease(worker=worker_of(who, body.run), most=most, wait_s=0.0, body=about)
        said = self._ask(body, request, lost)
        body.said.pop()
        for effect in said.effects if said is not None else ():
            before = body.held.get(effect.task.effect_id)
            assert before is None or before.stage in {"leased", "asked"}, "it was given what it began"
            body.held[effect.task.effect_id] = Held(effect.task.token, "leased")

    @rule(who=bodies, lost=st.sampled_from(["", "", "", "asked", "answered"]))
    def begin(self, who: str, lost: str) -> None:
        """A body begins what it has, if it hears a yes, and returns what it did not begin."""
        body = self.bodies[who]
        for effect, held in list(body.held.items()):
            if held.stage != "leased":
                continue
            held.stage = "asked"
            held.good_until_us = self.clock.now_us() + round(LEASE_S * 0.9 * SECOND_US)
            stops = self.fence.stops()
            request = wire.Start(effect_id=effect, token=held.token, body=who)
            if isinstance(self._ask(body, request, lost), wire.Done):
                held.stage = "begun"
                assert not any(one.scope.covers("coder-1", "heal@1", "cache.clear") for one in stops)
                self.touched.append(effect)

    @rule(who=bodies, status=st.sampled_from(["done", "failed", "unknown"]))
    def finish(self, who: str, status: str) -> None:
        """What is under way on a body comes to its end."""
        for effect, held in self.bodies[who].held.items():
            if held.stage == "begun":
                self._ended(effect, held, status)

    @rule(who=bodies, lost=st.sampled_from(["", "", "asked", "answered"]))
    def tell(self, who: str, lost: str) -> None:
        """A body says how things ended, and returns what it never began."""
        body = self.bodies[who]
        for effect, held in list(body.held.items()):
            if held.stage == "ended":
                request: Any = wire.End(
                    effect_id=effect, token=held.token, status=held.status, result=OK, body=who
                )
            elif held.stage == "asked":
                request = wire.GiveBack(effect_id=effect, token=held.token, body=who)
            else:
                continue
            if self._ask(body, request, lost) is not None:
                del body.held[effect]

    @rule(who=bodies, which=st.integers(0, 30))
    def say_an_old_thing_again(self, who: str, which: int) -> None:
        """Something that was said long ago arrives once more, or only now."""
        body = self.bodies[who]
        if body.said and body.connected:
            request = body.said[which % len(body.said)]
            if isinstance(request, wire.Start) and self._may_count(body, request):
                # It is a yes that nobody hears: nothing may come of it but what the notes already say.
                return
            self._quietly(request)

    def _may_count(self, body: Body, request: wire.Start) -> bool:
        held = body.held.get(request.effect_id)
        return held is not None and held.token == request.token

    def _quietly(self, request: wire.AnyRequest) -> None:
        with contextlib.suppress(LeaseLost, Stopped):
            self._do(request)

    @rule(who=bodies)
    def say_to_renew(self, who: str) -> None:
        """A body keeps its leases alive, and ends what it lost."""
        body = self.bodies[who]
        begun = {effect: held for effect, held in body.held.items() if held.stage == "begun"}
        if not begun:
            return
        tokens = {effect: held.token for effect, held in begun.items()}
        until = self.clock.now_us() + round(LEASE_S * 0.9 * SECOND_US)
        said = self._ask(body, wire.Renew(worker=worker_of(who, body.run), tokens=tokens), "")
        body.said.pop()
        for effect, held in begun.items():
            if said is not None and effect in said.lost:
                self._ended(effect, held, "unknown")
            elif said is not None:
                held.good_until_us = until

    @rule(who=bodies, before=st.sampled_from([2.0, 4.0]), after=st.sampled_from([2.0, 4.0]))
    def begin_late(self, who: str, before: float, after: float) -> None:
        """A body begins only when much of its lease is over, and works for longer than was left."""
        self.lease(who, 1, "")
        self.wait(before)
        self.begin(who, "")
        self.wait(after)

    @rule(who=bodies)
    def die(self, who: str) -> None:
        """A body is killed. What it had begun is ended, and its notes are all that is left."""
        body = self.bodies[who]
        body.runs += 1
        for effect, held in list(body.held.items()):
            if held.stage == "leased":
                del body.held[effect]
            elif held.stage == "begun":
                self._ended(effect, held, "unknown")

    @rule(who=bodies)
    def cut_or_join(self, who: str) -> None:
        """The network goes, or comes back."""
        self.bodies[who].connected = not self.bodies[who].connected

    @rule(seconds=st.sampled_from([0.5, 2.0, 4.6, 5.1, 30.0]))
    def wait(self, seconds: float) -> None:
        """Time passes in small steps: each body goes by its own deadline, the engine by its own."""
        for _ in range(round(seconds * 10)):
            self.clock.pass_us(SECOND_US // 10)
            now_us = self.clock.now_us()
            for body in self.bodies.values():
                for effect, held in list(body.held.items()):
                    if held.stage == "begun" and now_us > held.good_until_us:
                        self._ended(effect, held, "unknown")
            self.loop.run_until_complete(self.live.leases.take_back_expired())
            self.nobody_is_at_what_was_given_up()

    @rule(scope=st.sampled_from(SCOPES), up=st.booleans())
    def stop(self, scope: f.Scope, up: bool) -> None:
        """Somebody stops, or a captain resumes. Bodies that hear it end what it covers."""
        standing = {one.scope for one in self.fence.stops()}
        if not up:
            if scope in standing:
                self._do(wire.LiftStop(scope=scope, by="cat", reason="r"))
            return
        self.fence.set(Stop(scope=scope, by="ann", reason="", at_us=self.clock.now_us()))
        self.loop.run_until_complete(self.live.stops.mirror())
        for body in self.bodies.values():
            for effect, held in body.held.items() if body.connected else ():
                if held.stage == "begun" and scope.covers("coder-1", "heal@1", "cache.clear"):
                    self._ended(effect, held, "stopped")

    @rule()
    def restart(self) -> None:
        """The engine dies and comes back."""
        self.live = self._engine()

    def _ended(self, effect: EffectId, held: Held, status: str) -> None:
        held.stage, held.status = "ended", status
        self.known[effect] = status

    # ------------------------------------------------------------ what must hold

    @invariant()
    def nothing_is_done_twice(self) -> None:
        assert len(self.touched) == len(set(self.touched))

    @invariant()
    def nobody_is_at_what_was_given_up(self) -> None:
        for body in self.bodies.values():
            for effect, held in body.held.items():
                if held.stage == "begun":
                    task = self.journal.tasks.find(effect)
                    assert task is not None, "the engine gave up what is still under way"
                    assert task.token == held.token, "two are at it"

    def _settle(self) -> None:
        """Let everybody be heard, and see that nothing is left open or forgotten."""
        for one in self.fence.stops():
            self.loop.run_until_complete(self.live.stops.mirror())
            self._do(wire.LiftStop(scope=one.scope, by="cat", reason="the end"))
        for body in self.bodies.values():
            body.connected = True
        for _ in range(3):
            for who in NAMES:
                self.tell(who, "")
                self.finish(who, "done")
            self.wait(5.1)
        facts = [fact_of(record) for record in self.journal.read()]
        told = {fact.effect_id: fact.status for fact in facts if isinstance(fact, f.EffectEndTold)}
        for effect in self.touched:
            end = ended(self.journal, effect)
            assert end is not None, (effect, effect_status(self.journal, effect))
            assert self.known[effect] in {end.status, told.get(effect)}
        for number in range(1, MOST + 1):
            effect = EffectId(decision_id(f"p-{number}"))
            if effect not in self.touched and (end := ended(self.journal, effect)) is not None:
                # Of what nobody touched it may be said that nobody knows, never that it was done.
                assert end.status in {"unknown", "stopped"}

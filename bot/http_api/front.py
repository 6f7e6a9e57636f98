"""What every route works with: the engine, the journal to look things up in, the fence, and who is asking."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Depends
from msgspec import structs
from starlette.requests import Request

from bot.http_api.problems import Problem
from bot.http_api.requests_seen import RequestsSeen
from engine.adapters.counts_view import CountsSeen
from engine.adapters.kpi_view import FURTHEST, PIECE, KpisSeen
from engine.adapters.machine_time import now_us
from engine.adapters.roster import FileRoster
from engine.commands.captaincy import captaincy_of
from engine.commands.hearing import Engine, Hearing
from engine.commands.lookup import Lookup
from engine.commands.standing import Standing, standing_of
from engine.commands.stopping import Stopping
from engine.core.kpis.standing import KpiStanding
from engine.core.vocabulary.ids import AgentId, DecisionId, PersonId
from engine.core.vocabulary.people_facts import RANKS, Role
from engine.errors import InputError, WatchkeeperError
from engine.ports import DecisionsReader, Fence, Holder, StepUp, Tokens
from engine.runtime import wire

_Answer = TypeVar("_Answer")
COUNT_EVERY_S: Final = 20.0
_BREATH_S: Final = 0.05
_log = logging.getLogger("watchkeeper.front")


class Front(Lookup):
    """The front process, as its routes see it."""

    def __init__(
        self,
        *,
        engine: Engine,
        journal: Callable[[], DecisionsReader],
        looking: Callable[[], DecisionsReader],
        tokens: Tokens,
        step_up: StepUp,
        fence: Fence,
        sweep: Callable[[], object],
        kpis: Callable[[int], KpisSeen],
        counts: Callable[[int], CountsSeen],
        version: str,
        keep_alive_s: float,
        roster: FileRoster,
    ) -> None:
        """Take what `make_app` was given."""
        super().__init__(engine, journal, looking)
        self.tokens, self.step_up, self.fence = tokens, step_up, fence
        # Agents that stop themselves keep no person waiting.
        self.stopping = Stopping(engine, fence, sweep, askers=("person", "agent"))
        self.version, self.keep_alive_s = version, keep_alive_s
        self._kpis, self._counts, self.roster = kpis, counts, roster
        self.requests = RequestsSeen()
        self.kpis_last: tuple[KpiStanding, ...] = ()
        self.hearing = Hearing(engine)
        self._behind: set[asyncio.Task[Any]] = set()
        self.started_us = now_us()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Hear of what happens while the server runs."""
        hearing = asyncio.create_task(self.hearing.run())
        self.behind(self._keep_counting())
        try:
            yield
        finally:
            self.hearing.close()
            for task in (hearing, *self._behind):
                task.cancel()
            await asyncio.gather(hearing, *self._behind, return_exceptions=True)
            await self.stopping.close(at_once=True)
            self.let_go()

    async def ask(
        self,
        request: wire.AnyRequest,
        kind: type[_Answer],
        *,
        timeout_s: float | None = None,
        wrong: str = "conflict",
    ) -> _Answer:
        """Ask the engine, and return an answer of this kind.

        Raises as the engine refuses, and `Unreachable`. What it finds wrong with a request whose form was
        checked here is, as a rule, that things stand otherwise; `wrong` names another problem.
        """
        try:
            return await super().ask(request, kind, timeout_s=timeout_s)
        except InputError as error:
            cure = error.cure or "see where it stands: GET /v1/decisions, /v1/stops, /v1/status"
            raise Problem(wrong, error.message, cure=cure, place=error.place or "") from error

    async def kpis(self, most: int = FURTHEST) -> KpisSeen:
        """Count what the journal got since the last time, at most so many records. Raises as `look`."""
        seen = await self.look(lambda _journal: self._kpis(most))
        if not seen.behind:
            self.kpis_last = seen.kpis
        return seen

    async def counted(self, most: int = FURTHEST) -> CountsSeen:
        """Count for who watches from outside, at most so many records more. Raises as `look`."""
        return await self.look(lambda _journal: self._counts(most))

    async def _keep_counting(self) -> None:
        """Keep both up, so that whoever asks need not wait: in pieces, for a thread that counts slows us."""
        pause_s = _BREATH_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = COUNT_EVERY_S
            try:
                if (await self.kpis(PIECE)).behind + (await self.counted(PIECE)).behind:
                    pause_s = _BREATH_S
            except WatchkeeperError as error:
                # Whoever asks is told the same.
                _log.info("nothing can be counted now: %s", error)

    def standing(self, decision: DecisionId, holder: Holder) -> Standing:
        """Return where a decision stands. An agent's token finds its own only: others do not exist for it."""
        found = standing_of(self.journal(), decision)
        if found is None or not may_see(holder, found.verdict.agent):
            raise Problem("not-found", f"no decision {decision}", cure="copy the whole id")
        return found

    async def seen(self, decision: DecisionId, holder: Holder) -> Standing:
        """Return where a decision stands, also for agents that vote on it, or may veto it."""
        found = standing_of(self.journal(), decision)
        if found is None or may_see(holder, found.verdict.agent):
            return self.standing(decision, holder)
        registered = await self.holds_veto(holder)
        if (
            not registered
            and not found.verdict.shadowed
            and any(wait.kind in _VOTED for wait in found.verdict.waits)
        ):
            asking = wire.AskVoter(decision_id=decision, voter=by(holder))
            registered = (await self.ask(asking, wire.VoterKnown)).registered
        return found if registered else self.standing(decision, holder)

    def as_captain(self, holder: Holder) -> Holder:
        """Return a person who acts as captain with that role. Where nobody can say, their own one counts."""
        if holder.role in {None, "captain"}:
            return holder
        try:
            acts = captaincy_of(self.journal()).acting == holder.name
        except WatchkeeperError:
            return holder
        return structs.replace(holder, role="captain") if acts else holder

    async def holds_veto(self, holder: Holder) -> bool:
        """Whether an agent holds the veto, and so may look at what it may forbid. Nobody else asks."""
        if holder.kind != "agent":
            return False
        try:
            return (await self.ask(wire.AskVeto(agent=AgentId(holder.name)), wire.VetoKnown)).held
        except WatchkeeperError:
            # With the engine away nobody can say, and an agent sees what is its own.
            return False

    async def settle(
        self, decision: DecisionId, wait_s: float, until: Callable[[Standing], bool]
    ) -> Standing | None:
        """Wait until a decision stands as `until` wants it or the time is over; return where it stands."""
        loop = asyncio.get_running_loop()
        end = loop.time() + wait_s
        with self.hearing.about(decision) as flag:
            while True:
                standing = standing_of(self.journal(), decision)
                left_s = end - loop.time()
                if (standing is not None and until(standing)) or left_s <= 0 or self.hearing.closing:
                    return standing
                await self.hearing.wait(flag, at_most_s=min(left_s, 1.0))

    def behind(self, work: Coroutine[Any, Any, Any]) -> "asyncio.Task[Any]":
        """Do something that nobody waits for, and keep hold of it until it is done."""
        task = asyncio.create_task(work)
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)
        return task


_VOTED = frozenset({"votes", "choice"})

# ---------------------------------------------------------------- who asks


async def anybody(request: Request) -> Holder:
    """Return whom the request's token speaks for; the door let nobody in without one."""
    return cast("Holder", request.state.holder)


async def agent(request: Request) -> Holder:
    """Let agents in, and nobody else."""
    holder: Holder = request.state.holder
    if holder.kind != "agent":
        raise Problem(
            "forbidden", "only agents do this", cure="use an agent's token: watchkeeper token create --agent"
        )
    return holder


def at_least(role: Role) -> Callable[[Request], Coroutine[Any, Any, Holder]]:
    """Let people of this role or a higher one in."""

    async def person(request: Request) -> Holder:
        holder: Holder = request.state.holder
        require(holder, role)
        return holder

    return person


def require(holder: Holder, role: Role) -> None:
    """Refuse whoever is not a person of this role or a higher one."""
    if holder.role is None or RANKS[holder.role] < RANKS[role]:
        is_what = "an agent" if holder.kind == "agent" else f"a {holder.role}"
        raise Problem(
            "forbidden", f"{holder.name} is {is_what}, and a {role} is needed", cure=f"ask a {role}"
        )


def may_see(holder: Holder, agent_id: AgentId) -> bool:
    """Whether what an agent did is shown: to people and to itself."""
    return holder.kind == "person" or holder.name == agent_id


def by(holder: Holder) -> PersonId:
    """Say who did something, as the journal writes it."""
    return PersonId(holder.name if holder.kind == "person" else f"agent:{holder.name}")


Anybody = Annotated[Holder, Depends(anybody)]
Agent = Annotated[Holder, Depends(agent)]
Viewer = Annotated[Holder, Depends(at_least("viewer"))]
Responder = Annotated[Holder, Depends(at_least("responder"))]
Captain = Annotated[Holder, Depends(at_least("captain"))]

SEEN_EVERY_S: Final = 60.0


class Presence:
    """Tells the engine that people are at the controls, each at most once a minute."""

    def __init__(self, front: Front) -> None:
        """Nobody was seen yet."""
        self._front = front
        self._last_s: dict[tuple[str, str], float] = {}

    def saw(self, holder: Holder) -> None:
        """Note that a person called. Nobody waits for the engine."""
        if holder.role is None:
            return
        now_s, key = asyncio.get_running_loop().time(), (holder.name, holder.role)
        last_s = self._last_s.get(key)
        if last_s is None or now_s - last_s >= SEEN_EVERY_S:
            self._last_s[key] = now_s
            self._front.behind(self._tell(holder, key))

    async def _tell(self, holder: Holder, key: tuple[str, str]) -> None:
        seen = wire.SeePerson(person=PersonId(holder.name), role=holder.role or "viewer")
        try:
            await self._front.engine.ask(seen)
        except WatchkeeperError:
            # The next call says it again.
            self._last_s.pop(key, None)

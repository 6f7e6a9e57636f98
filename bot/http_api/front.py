"""What every route works with: the engine, the journal to look things up in, the fence, and who is asking."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final, TypeVar, cast

from fastapi import Depends
from starlette.requests import Request

from bot.http_api.problems import Problem
from engine.adapters.kpi_view import FURTHEST, PIECE, KpisSeen
from engine.commands.hearing import Engine, Hearing
from engine.commands.standing import Standing, standing_of
from engine.core.vocabulary.ids import AgentId, DecisionId, PersonId
from engine.errors import InputError, Unreachable, WatchkeeperError
from engine.ports import DecisionsReader, Fence, Holder, StepUp, Stop, Tokens
from engine.runtime import wire

ROLES: Final = ("viewer", "responder", "captain")
"""What people may do, least first; each includes those before it."""

_Answer = TypeVar("_Answer")
# The kill switch gets hands of its own: neither those that look through journals or end what is under way may
# keep it waiting, nor agents that stop themselves.
_STOPPERS: Final = 4
# Looking through a journal keeps one reader busy, so more hands would only wait for each other.
_LOOKERS: Final = 2
COUNT_EVERY_S: Final = 20.0
_BREATH_S: Final = 0.05
_log = logging.getLogger("watchkeeper.front")


class Front:
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
        version: str,
        keep_alive_s: float,
    ) -> None:
        """Take what `make_app` was given."""
        self.engine, self.tokens, self.fence, self.sweep = engine, tokens, fence, sweep
        self.step_up = step_up
        self.version, self.keep_alive_s = version, keep_alive_s
        self._journal, self._looking, self._kpis = journal, looking, kpis
        self.hearing = Hearing(engine)
        self._stoppers = {
            kind: ThreadPoolExecutor(_STOPPERS, thread_name_prefix=f"stop-{kind}")
            for kind in ("person", "agent")
        }
        self._sweepers = ThreadPoolExecutor(_STOPPERS, thread_name_prefix="sweep")
        self._lookers = ThreadPoolExecutor(_LOOKERS, thread_name_prefix="look")
        self._next_sweep: Future[object] | None = None
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
            for hands in (*self._stoppers.values(), self._sweepers, self._lookers):
                hands.shutdown(wait=False, cancel_futures=True)

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
            answer = await self.engine.ask(request, timeout_s=timeout_s)
        except InputError as error:
            cure = error.cure or "see where it stands: GET /v1/decisions, /v1/stops, /v1/status"
            raise Problem(wrong, error.message, cure=cure, place=error.place or "") from error
        if not isinstance(answer, kind):
            raise Unreachable(
                f"the engine answered {type(answer).__name__} where {kind.__name__} was due",
                cure="run engine and front of one version: watchkeeper status",
            )
        return answer

    def journal(self) -> DecisionsReader:
        """Return the journal for what is found by its key. Raises `Unreachable` while there is none."""
        return _there(self._journal)

    async def look(self, question: Callable[[DecisionsReader], _Answer]) -> _Answer:
        """Look through the journal in a thread, for that may take long. Raises as `journal` does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._lookers, lambda: question(_there(self._looking)))

    async def kpis(self, most: int = FURTHEST) -> KpisSeen:
        """Count what the journal got since the last time, at most so many records. Raises as `look`."""
        return await self.look(lambda _journal: self._kpis(most))

    async def _keep_counting(self) -> None:
        """Keep KPIs up, so that whoever asks need not wait: in pieces, for a thread that counts slows us."""
        pause_s = COUNT_EVERY_S
        while True:
            await asyncio.sleep(pause_s)
            pause_s = COUNT_EVERY_S
            try:
                if (await self.kpis(PIECE)).behind:
                    pause_s = _BREATH_S
            except WatchkeeperError as error:
                # Whoever asks is told the same.
                _log.info("KPIs cannot be counted now: %s", error)

    async def stop(self, stop: Stop, holder: Holder) -> None:
        """Set the fence. A caller that goes away does not take its stop back. Raises `StorageError`."""
        setting = asyncio.get_running_loop().run_in_executor(
            self._stoppers[holder.kind], self.fence.set, stop
        )
        await asyncio.shield(setting)

    async def end_covered(self) -> None:
        """End what is under way behind the fence. Raises `StorageError`."""
        # One that has not begun yet will see the newest stop too.
        following = self._next_sweep
        if following is None or following.running() or following.done():
            following = self._next_sweep = self._sweepers.submit(self.sweep)
        await asyncio.shield(asyncio.wrap_future(following))

    def standing(self, decision: DecisionId, holder: Holder) -> Standing:
        """Return where a decision stands. An agent's token finds its own only: others do not exist for it."""
        found = standing_of(self.journal(), decision)
        if found is None or not may_see(holder, found.verdict.agent):
            raise Problem("not-found", f"no decision {decision}", cure="copy the whole id")
        return found

    async def seen(self, decision: DecisionId, holder: Holder) -> Standing:
        """Return where a decision stands, for agents that vote on it as well: they must know what it is."""
        found = standing_of(self.journal(), decision)
        if found is None or may_see(holder, found.verdict.agent):
            return self.standing(decision, holder)
        registered = False
        if not found.verdict.shadowed and any(wait.kind == "votes" for wait in found.verdict.waits):
            asking = wire.AskVoter(decision_id=decision, voter=by(holder))
            registered = (await self.ask(asking, wire.VoterKnown)).registered
        return found if registered else self.standing(decision, holder)

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


def _there(opened: Callable[[], DecisionsReader]) -> DecisionsReader:
    try:
        return opened()
    except InputError as none:
        raise Unreachable(
            "there is no journal yet", place=none.place, cure="start the engine: watchkeeper up"
        ) from none


def now_us() -> int:
    """Return the machine's time, microseconds since 1970."""
    return time.time_ns() // 1000


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


def at_least(role: str) -> Callable[[Request], Coroutine[Any, Any, Holder]]:
    """Let people of this role or a higher one in."""

    async def person(request: Request) -> Holder:
        holder: Holder = request.state.holder
        require(holder, role)
        return holder

    return person


def require(holder: Holder, role: str) -> None:
    """Refuse whoever is not a person of this role or a higher one."""
    if holder.role is None or ROLES.index(holder.role) < ROLES.index(role):
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

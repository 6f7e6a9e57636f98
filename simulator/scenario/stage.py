"""The stage: a real engine, desk and board in one process, and a worker that does as the script says.

Only time and the work itself are played: everything that is decided, journaled and answered is the product's.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
import pyotp
from msgspec import UNSET

from engine.adapters.decisions_view import Current, DecisionsView
from engine.adapters.fence_files import FileFence
from engine.adapters.journal_sqlite import SqliteJournal
from engine.adapters.link_file import LinkFile
from engine.adapters.message_file import MessageFile
from engine.adapters.shelf import WorkspaceShelf
from engine.adapters.totp_file import TotpFile
from engine.commands.board import Board
from engine.commands.desk import Desk
from engine.commands.hearing import Hearing
from engine.commands.tools import Tools
from engine.core.vocabulary.facts import TimePassed
from engine.core.vocabulary.ids import (
    ActionName,
    AgentId,
    CapabilityId,
    DecisionId,
    EffectId,
    EpisodeId,
    PersonId,
    ProposalId,
    decision_id,
)
from engine.core.vocabulary.proposals import Impact, Proposal
from engine.core.vocabulary.units import MINUTE_US, SECOND_US
from engine.errors import InputError, Unreachable
from engine.runtime import wire, wire_contests
from engine.runtime.client import EngineClient
from engine.runtime.clock import SteadyClock
from engine.runtime.live import Live
from engine.runtime.outbox import hold_end
from engine.runtime.parts import Parts, SavedSnapshot
from engine.runtime.questions import questions_of
from engine.runtime.server import EngineServer
from engine.wiring import SHIPPED_POLICY
from engine.wiring.privacy import make_scrubber
from simulator.bundled import BUNDLED
from simulator.jobs import ReplayJobs
from simulator.scenario import script as s
from simulator.scenario.asking import ballot_of, vote_of
from simulator.scenario.normal import normal
from simulator.scenario.players import Player, Seen
from simulator.scenario.policy import CAPABILITY, by_borda, stage_policy
from simulator.scenario.waking import StageWaking
from simulator.scenario.working import work

CODE: Final = "CODE"
"""What a script says for the one-time code of whoever speaks."""
_SETTLE_S: Final = 10.0
_REPLAYS_S: Final = 120.0


class Bot(Protocol):
    """A chat front-end that a stage runs beside its desk."""

    async def start(self, desk: Desk, hearing: Hearing, home: Path) -> None:
        """Connect it, with a board of its own."""

    async def stop(self) -> None:
        """Disconnect it."""

    async def quiet(self) -> None:
        """Wait until everything the board has to say is said."""


class Stage:
    """One run of one script."""

    def __init__(self, home: Path, player: Player, *, bot: Bot | None = None) -> None:
        """Play in this folder, with these people; `bot` is what they talk to, if not the desk itself."""
        self._home, self._player, self._bot = home, player, bot
        self.policy = stage_policy()
        self._waking = StageWaking(home)
        self._moved_us = 0
        self._clock = SteadyClock(
            lambda: time.time_ns() // 1000 + self._moved_us,
            lambda: time.monotonic_ns() // 1000 + self._moved_us,
        )
        self._live: Live | None = None
        self._server: EngineServer | None = None
        self._client = EngineClient(home / "engine.sock", timeout_s=2.0)
        for folder in ("stops", "workspace"):
            (home / folder).mkdir(parents=True, exist_ok=True)
        self._fence = FileFence(home / "stops")
        self._links = LinkFile(home / "links.json")
        self._codes = TotpFile(home / "totp.json", now=lambda: time.time_ns() // 1000 + self._moved_us)
        self.names: dict[str, DecisionId] = {}
        self.transcript: list[str] = []
        self.seen: list[tuple[str, list[Seen]]] = []
        """Each line of the script, and what was read at it."""
        self._front: contextlib.AsyncExitStack | None = None
        self._board: Board | None = None
        self._board_was: list[Seen] = []
        self._replays: ReplayJobs | None = None
        self._replays_at_once: int | None = None

    # ------------------------------------------------------------ the whole

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator["Stage"]:
        """Open engine, desk and board, and close them in the end."""
        await self._engine_comes()
        await self._front_comes()
        try:
            yield self
        finally:
            await self._front_goes()
            await self._client.close()
            await self._engine_leaves()

    async def play(self, steps: Sequence[s.Step]) -> str:
        """Play all steps; return what everybody said and read."""
        for step in steps:
            await self._step(step)
            if self._live is not None:
                await self._waking.turn(self._live)
                # People read what is there before they go on.
                await self._quiet()
        return "\n".join(self.transcript) + "\n"

    async def _step(self, step: s.Step) -> None:  # noqa: C901, PLR0912 - one case for each kind
        self._write(f"» {step.line}")
        self.seen.append((step.line, []))
        match step:
            case s.People():
                for person, role in step.roles.items():
                    account = self._player.join(person)
                    if role is None:
                        continue
                    code = self._links.code(person, role)  # type: ignore[arg-type]  # a name is a PersonId
                    self._links.redeem(code, front=self._player.front, account_id=account, name=person)
            case s.Wants():
                await self._wants(step)
            case s.Says():
                text = self._with_code(self._ids(step.text), step.who)
                self._read(await self._player.say(step.who, text, copies=step.copies))
            case s.Presses():
                on = str(self.names[step.on]) if step.on else ""
                await self._quiet()
                self._read(
                    await self._player.press(
                        step.who,
                        step.label,
                        on=on,
                        writes=self._with_code(step.writes, step.who),
                        copies=step.copies,
                    )
                )
            case s.Votes():
                await self._votes(step)
            case s.Overrules():
                await self._overrules(step)
            case s.Answers():
                await self._answers(step)
            case s.Replaced():
                self.names[step.name] = self._replaced(step)
            case s.Ballots():
                await self._ballots(step)
            case s.Works():
                await self._works(step)
            case s.Passes():
                await self._passes(step.us)
            case s.Happens():
                await self._happens(step.what)

    async def _happens(self, what: str) -> None:
        match what:
            case "engine leaves":
                await self._engine_leaves()
            case "engine comes back":
                await self._engine_comes()
            case "engine comes back, counting by borda":
                self.policy = by_borda(self.policy)
                await self._engine_comes()
            case "engine comes back, waking people":
                self._waking.begin()
                await self._engine_comes()
            case "front restarts":
                await self._front_goes()
                await self._front_comes()
            case "replays stand still" | "replays go on":
                await self._front_goes()
                self._replays_at_once = 0 if what == "replays stand still" else None
                await self._front_comes()
                if self._replays_at_once is None:
                    await self._replays_end()
            case _:
                await self._quiet()
                for seen in self._player.board():
                    self._read(seen)

    # ------------------------------------------------------------ agents, workers, time

    async def _wants(self, step: s.Wants) -> None:
        given = step.given
        proposal = Proposal(
            proposal_id=ProposalId(f"{step.agent}:{step.name}"),
            agent=AgentId(step.agent),
            capability=CapabilityId(given.get("capability", CAPABILITY)),
            action=ActionName(step.action),
            args=step.args,
            episode=EpisodeId(given.get("episode", "")),
            confidence=float(given.get("confidence", 0.9)),
            rationale=given.get("rationale", ""),
            owner=PersonId(given["owner"]) if "owner" in given else UNSET,
            impact=Impact(
                cost_usd=Decimal(given.get("cost_usd", "0")),
                files=int(given.get("files", 0)),
                api_calls=int(given.get("api_calls", 0)),
            ),
        )
        self.names[step.name] = decision_id(proposal.proposal_id)
        decided = await self._client.ask(wire.Propose(proposal=proposal))
        self._write(f"  {decided.status if isinstance(decided, wire.Decided) else decided}")

    async def _votes(self, step: s.Votes) -> None:
        said = await self._client.ask(vote_of(step, self.names))
        if isinstance(said, wire.HoldAnswer):
            self._write(f"  {said.status}: {said.reason}" if said.counted else f"  refused: {said.reason}")

    async def _overrules(self, step: s.Overrules) -> None:
        request = wire.Override(
            decision_id=self.names[step.name],
            by=PersonId(f"agent:{step.agent}"),
            word=step.word,
            reason=step.reason,
        )
        said = await self._client.ask(request)
        if isinstance(said, wire.HoldAnswer):
            self._write(f"  {said.status}: {said.reason}" if said.counted else f"  refused: {said.reason}")

    async def _answers(self, step: s.Answers) -> None:
        decision = self.names[step.name]
        asked = questions_of(self._live.intake.journal, decision) if self._live is not None else ()
        request = wire.ReplyToQuestion(
            decision_id=decision, agent=AgentId(step.agent), nth=max(1, len(asked)), answer=step.text
        )
        try:
            try:
                await self._client.ask(request)
            except Unreachable:
                # The engine left and came back since, and the first to ask finds the old connection cut.
                await self._client.ask(request)
        except InputError as refused:
            self._write(f"  refused: {refused.message}")

    def _replaced(self, step: s.Replaced) -> DecisionId:
        over = hold_end(self._live.intake.journal, self.names[step.of]) if self._live else None
        if over is None or over.replaced_by is UNSET:
            raise InputError(f"nothing took the place of {step.of}", place=step.line)
        return over.replaced_by

    async def _ballots(self, step: s.Ballots) -> None:
        said = await self._client.ask(ballot_of(step, self.names))
        if isinstance(said, wire_contests.ContestAnswer):
            self._write(f"  {said.reason}" if said.counted else f"  refused: {said.reason}")

    async def _works(self, step: s.Works) -> None:
        live, decision = self._live, self.names[step.name]
        if live is None:
            raise InputError("the engine is away, so nothing can be done", place=step.line)
        if not await work(live, decision, step.how):
            self._write("  there is nothing to do")

    async def _passes(self, us: int) -> None:
        self._moved_us += us
        if self._live is not None:
            due_us = self._live.clock.now_us() // MINUTE_US * MINUTE_US
            await self._live.intake.take(f"time:minute:{due_us}", TimePassed(at_us=due_us, schedule="minute"))

    # ------------------------------------------------------------ engine and front

    async def _engine_comes(self) -> None:
        async def ended(effect_id: EffectId) -> None:
            """Nothing real works for an effect here."""

        home = self._home
        self._live = Live(
            Parts(
                policy=self.policy,
                open_journal=lambda: SqliteJournal(home / "journal.db"),
                fence=self._fence,
                clock=self._clock,
                announcer=_Nobody(),
                scrubber=make_scrubber(),
                home=home,
                version="0",
                lease_s=60.0,
                start_within_s=1e6,
                end_leftovers=ended,
                ladders=self._waking.ladders(),
                save_snapshot=lambda: SavedSnapshot(
                    snapshot_id="s-1", journal_seq=1, files=2, size_bytes=2048
                ),
            )
        )
        self._server = EngineServer(self._live, home / "engine.sock")
        await self._server.open()
        await self._live.stops.mirror()

    async def _engine_leaves(self) -> None:
        if self._server is not None and self._live is not None:
            await self._server.close()
            self._live.intake.close()
        self._server = self._live = None

    async def _front_comes(self) -> None:
        home = self._home
        journal, looking = (Current(home / "journal.db", DecisionsView) for _ in range(2))
        replays = ReplayJobs(
            home / "asked",
            recordings=home / "recordings",
            bundled=BUNDLED,
            policy=SHIPPED_POLICY,
            policies=home / "policies",
            lasting=True,
            at_once=self._replays_at_once,
        )
        self._replays = replays
        client = EngineClient(home / "engine.sock", timeout_s=2.0)
        tools = Tools(
            engine=client,
            journal=journal,
            looking=looking,
            fence=self._fence,
            sweep=lambda: None,
            links=self._links,
            step_up=self._codes,
            replays=replays,
            shelf=WorkspaceShelf(
                home / "snapshots", workspace=home / "workspace", home=home, inflight=home / "inflight"
            ),
            version="0",
            directory=self._waking.directory,
        )
        desk, hearing = Desk(tools), Hearing(client)
        self._player.attach(desk)
        front = self._front = contextlib.AsyncExitStack()
        for close in (journal.close, looking.close, replays.close):
            front.callback(close)
        front.push_async_callback(client.close)
        front.push_async_callback(desk.close)
        if self._bot is not None:
            await self._bot.start(desk, hearing, home)
            front.push_async_callback(self._bot.stop)
        else:
            messages = MessageFile(home / "messages.db")
            front.callback(messages.close)
            self._board = Board(tools, hearing, self._player.posters(), messages)
            work = [asyncio.create_task(self._board.run()), asyncio.create_task(hearing.run())]
            front.push_async_callback(_end, work)
        # Its first look tells no old stories: what the script does now must not be one.
        await self._quiet()

    async def _replays_end(self) -> None:
        """Wait until every replay is over."""
        async with asyncio.timeout(_REPLAYS_S):
            while self._replays and any(job.ended_us is None for job in self._replays.jobs()):
                await asyncio.sleep(0.02)

    async def _front_goes(self) -> None:
        if self._front is not None:
            await self._front.aclose()
        self._front = None

    async def _quiet(self) -> None:
        """Wait until the board shows what the journal holds."""
        if self._bot is not None:
            await self._bot.quiet()
            return
        async with asyncio.timeout(_SETTLE_S):
            while self._board is not None and not self._board.is_quiet():
                await asyncio.sleep(0.01)

    # ------------------------------------------------------------ the transcript

    def _ids(self, text: str) -> str:
        for name, decision in self.names.items():
            text = re.sub(rf"\b{name}\b", decision, text)
        return self._waking.ids(text)

    def _with_code(self, text: str, who: str) -> str:
        """Write the one-time code that somebody's app shows now where a script says so."""
        if CODE not in text.split():
            return text
        seeds = msgspec.json.decode((self._home / "totp.json").read_bytes())["seeds"]
        secret = next(seed["secret"] for seed in seeds if seed["person"] == who)
        now_s = (time.time_ns() // 1000 + self._moved_us) // SECOND_US
        return text.replace(CODE, pyotp.TOTP(secret).at(now_s))

    def _read(self, seen: Seen) -> None:
        self.seen[-1][1].append(seen)
        for line in seen.text.splitlines():
            self._write(f"  {line}".rstrip())
        if seen.buttons:
            self._write("  " + " ".join(f"[{label}]" for label in seen.buttons))

    def _write(self, line: str) -> None:
        self.transcript.append(self.normal(line))

    def normal_text(self, seen: Seen) -> str:
        """Write everything somebody reads without what differs from run to run."""
        return "\n".join(self.normal(line) for line in seen.text.splitlines())

    def normal(self, line: str) -> str:
        """Write what differs from run to run as what it is."""
        return self._waking.normal(normal(line, self.names, str(self._home)))


class _Nobody:
    """Tells nobody: the board does."""

    def announce(self, kind: str, text: str, *, urgent: bool = False) -> None:
        """Say nothing."""


async def _end(tasks: list["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
